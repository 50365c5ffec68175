//! The metrics: their names, labels and help.
//!
//! Names and labels are an interface as JSON fields are: they are only ever added to.

use std::{collections::BTreeSet, time::SystemTime};

use prometheus::{
    GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, TextEncoder, core::Collector,
};
use rpcguard_common::abi::{ABI_VERSION, MAX_PREFIXES};

use crate::{
    error::{Doing as _, Result},
    foreign_text::printable,
    guard::{Action, Entry, FilterCounters, Guard, Mode, PacketCounter, PrefixCounts},
    policy::Policy,
};

/// What may have become of a guard: the values of `state`.
const STATES: [&str; 4] = ["attached", "detached", "gone", "incompatible"];

/// The values of `policy`.
const POLICIES: [&str; 2] = ["drop", "rate"];

/// Every metric, with a value for each interface that was added.
pub(super) struct Families {
    registry: prometheus::Registry,
    guards: IntGauge,
    state: IntGaugeVec,
    mode: IntGaugeVec,
    policy: IntGaugeVec,
    observing: IntGaugeVec,
    tcp: IntGaugeVec,
    ports: IntGaugeVec,
    unguarded_ports: IntGaugeVec,
    attached_at: GaugeVec,
    prefixes: IntGaugeVec,
    limit: GaugeVec,
    burst: IntGaugeVec,
    packets: IntCounterVec,
    bytes: IntCounterVec,
    requests: IntCounterVec,
    request_bytes: IntCounterVec,
}

impl Families {
    pub(super) fn new() -> Result<Self> {
        let registry = prometheus::Registry::new();
        let with = Registering(&registry);
        let build = with.gauges(
            "rpcguard_build_info",
            "The rpcguard that tells, and the version of what it keeps in the kernel; always 1.",
            &["version", "abi_version"],
        )?;
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), &ABI_VERSION.to_string()])
            .set(1);
        let capacity = with.gauges(
            "rpcguard_prefixes_max",
            "How many prefixes a list of a guard holds, per family.",
            &[],
        )?;
        let none: [&str; 0] = [];
        capacity.with_label_values(&none).set(MAX_PREFIXES.into());
        let guards = with.gauges(
            "rpcguard_guards",
            "Filters that are attached to interfaces of this network namespace.",
            &[],
        )?;
        Ok(Self {
            guards: guards.with_label_values(&none),
            state: with.gauges(
                "rpcguard_guard_state",
                "1 for the state that the interface's guard is in: attached; detached (its program is no \
                 longer there); gone (the interface is); incompatible (attached by an rpcguard of another \
                 ABI version, which cannot be read).",
                &["interface", "state"],
            )?,
            mode: with.gauges(
                "rpcguard_guard_mode",
                "1 for the mode that the filter runs in: native (in the driver) or generic (in the network \
                 stack, slower).",
                &["interface", "mode"],
            )?,
            policy: with.gauges(
                "rpcguard_guard_policy",
                "1 for what happens to sources in no list: drop, or rate (served within limits).",
                &["interface", "policy"],
            )?,
            observing: with.gauges(
                "rpcguard_guard_observing",
                "1 if the filter only counts, and passes everything.",
                &["interface"],
            )?,
            tcp: with.gauges(
                "rpcguard_guard_tcp",
                "1 if TCP connections to the guarded ports are guarded as well as UDP.",
                &["interface"],
            )?,
            ports: with.gauges(
                "rpcguard_guard_ports",
                "How many ports are guarded.",
                &["interface"],
            )?,
            unguarded_ports: with.gauges(
                "rpcguard_unguarded_rpcbind_ports",
                "UDP ports that this host's rpcbind has open to other hosts, and that are not guarded.",
                &["interface"],
            )?,
            attached_at: with.decimals(
                "rpcguard_attached_timestamp_seconds",
                "When the filter was attached, in seconds since 1970; counters begin then.",
                &["interface"],
            )?,
            prefixes: with.gauges(
                "rpcguard_prefixes",
                "Prefixes in the allow and deny lists.",
                &["interface", "list", "family"],
            )?,
            limit: with.decimals(
                "rpcguard_rate_limit_packets_per_second",
                "The limits of the rate policy: of each source, of its neighbourhood (prefix), and of all \
                 together (total).",
                &["interface", "scope"],
            )?,
            burst: with.gauges(
                "rpcguard_rate_limit_burst_packets",
                "So many packets may come at once.",
                &["interface", "scope"],
            )?,
            packets: with.counters(
                "rpcguard_packets_total",
                "Packets to guarded ports, by the reason why they were passed or dropped. A guard that \
                 observes passes them all: action is what it would do.",
                &["interface", "reason", "action"],
            )?,
            bytes: with.counters(
                "rpcguard_bytes_total",
                "Bytes on the wire of these packets.",
                &["interface", "reason", "action"],
            )?,
            requests: with.counters(
                "rpcguard_requests_total",
                "Packets to guarded ports, by what they ask the portmapper for and what became of them.",
                &["interface", "procedure", "outcome"],
            )?,
            request_bytes: with.counters(
                "rpcguard_request_bytes_total",
                "Bytes on the wire of these packets.",
                &["interface", "procedure", "outcome"],
            )?,
            registry,
        })
    }

    /// Adds what there is to tell about a guard. `rpcbind_ports` are the UDP ports that rpcbind has open
    /// to other hosts, if that can be told.
    pub(super) fn add(&self, entry: &Entry, rpcbind_ports: Option<&BTreeSet<u16>>) -> Result<()> {
        match entry {
            Entry::Guard(guard) => return self.add_guard(guard, rpcbind_ports),
            Entry::Leftover(leftover) => {
                let name = printable(&leftover.interface);
                one_of(&self.state, &name, STATES, "gone");
            }
            Entry::Incompatible { interface, .. } => {
                self.guards.inc();
                one_of(&self.state, &printable(interface), STATES, "incompatible");
            }
        }
        Ok(())
    }

    fn add_guard(&self, guard: &Guard, rpcbind_ports: Option<&BTreeSet<u16>>) -> Result<()> {
        let name = &printable(guard.interface());
        let policy = guard.policy()?;
        if let Some(mode) = guard.mode() {
            self.guards.inc();
            one_of(&self.state, name, STATES, "attached");
            let modes = [Mode::Native, Mode::Generic].map(Mode::name);
            one_of(&self.mode, name, modes, mode.name());
        } else {
            one_of(&self.state, name, STATES, "detached");
        }
        let since = guard
            .attached_at()?
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.attached_at
            .with_label_values(&[name])
            .set(since.as_secs_f64());
        if let Some(ports) = rpcbind_ports {
            set(
                &self.unguarded_ports,
                &[name],
                ports.difference(&policy.ports).count(),
            );
        }
        self.add_policy(name, &policy);
        self.add_prefixes(name, guard.prefix_counts()?);
        self.add_counters(name, &guard.counters()?);
        Ok(())
    }

    fn add_policy(&self, name: &str, policy: &Policy) {
        let unlisted = if policy.rate.is_some() {
            "rate"
        } else {
            "drop"
        };
        one_of(&self.policy, name, POLICIES, unlisted);
        set(&self.observing, &[name], policy.observe.into());
        set(&self.tcp, &[name], policy.tcp.into());
        set(&self.ports, &[name], policy.ports.len());
        let Some(rate) = policy.rate else {
            return;
        };
        for (scope, limit) in [
            ("source", rate.source),
            ("prefix", rate.prefix),
            ("total", rate.total),
        ] {
            self.limit
                .with_label_values(&[name, scope])
                .set(limit.rate.packets_per_second());
            self.burst
                .with_label_values(&[name, scope])
                .set(limit.burst.into());
        }
    }

    fn add_prefixes(&self, name: &str, counts: PrefixCounts) {
        for (list, family, count) in [
            ("allow", "ipv4", counts.allow_v4),
            ("allow", "ipv6", counts.allow_v6),
            ("deny", "ipv4", counts.deny_v4),
            ("deny", "ipv6", counts.deny_v6),
        ] {
            self.prefixes
                .with_label_values(&[name, list, family])
                .set(count.into());
        }
    }

    /// All of them, also those that are zero: a series that only begins with the first attack has no
    /// increase that an alert could see.
    fn add_counters(&self, name: &str, counters: &FilterCounters) {
        for (reason, counter) in counters.reasons() {
            let action = match reason.action() {
                Action::Pass => "pass",
                Action::Drop => "drop",
            };
            let labels = [name, reason.name(), action];
            count([&self.packets, &self.bytes], &labels, counter);
        }
        for (request, counter) in counters.requests() {
            for (outcome, counter) in [("passed", counter.passed), ("dropped", counter.dropped)] {
                let labels = [name, request.name(), outcome];
                count([&self.requests, &self.request_bytes], &labels, counter);
            }
        }
    }

    /// All metrics with their help, in the order of their names.
    pub(super) fn text(&self) -> Result<String> {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .doing("write metrics")
    }
}

fn set(gauges: &IntGaugeVec, labels: &[&str], value: usize) {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    gauges.with_label_values(labels).set(value);
}

/// One series for each value, of which one is 1.
fn one_of<const N: usize>(gauges: &IntGaugeVec, name: &str, values: [&str; N], is: &str) {
    for value in values {
        set(gauges, &[name, value], (value == is).into());
    }
}

fn count(families: [&IntCounterVec; 2], labels: &[&str], counter: PacketCounter) {
    for (family, value) in families.iter().zip([counter.packets, counter.bytes]) {
        family.with_label_values(labels).inc_by(value);
    }
}

/// Makes families of a registry.
struct Registering<'a>(&'a prometheus::Registry);

impl Registering<'_> {
    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec> {
        self.register(name, IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn decimals(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec> {
        self.register(name, GaugeVec::new(Opts::new(name, help), labels))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.register(name, IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn register<T: Collector + Clone + 'static>(
        &self,
        name: &str,
        family: prometheus::Result<T>,
    ) -> Result<T> {
        let failed = || format!("describe the metric {name}");
        let family = family.doing(failed())?;
        self.0.register(Box::new(family.clone())).doing(failed())?;
        Ok(family)
    }
}
