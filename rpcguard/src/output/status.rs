//! Guards: their settings and counters.

use std::io::Write;

use serde::{Serialize, Serializer};

use super::{
    Document, rfc3339, stdout,
    text::{Align, counted, grouped, table},
};
use crate::{
    error::Result,
    guard::{
        self, Action, Entry, FilterCounters, Guard, Leftover, Mode, PacketCounter, PrefixCounts,
        Request,
    },
    policy::{Destinations, Policy, RateLimit, RatePolicy},
    portmapper::{Heard, UdpPorts},
    prefix::Prefix,
};

#[derive(Serialize)]
struct Status {
    name: String,
    ifindex: u32,
    mode: Option<&'static str>,
    program_id: u32,
    link_id: u32,
    attached_at: String,
    /// Whether it stays; that of `attach --confirm` does not until it is confirmed.
    confirmed: bool,
    policy: PolicyView,
    prefixes: PrefixesView,
    counters: CountersView,
    procedures: RequestsView,
    /// UDP ports that rpcbind has open to other hosts, and that are not guarded.
    unguarded_rpcbind_ports: Vec<u16>,
}

#[derive(Serialize)]
struct PolicyView {
    unlisted: &'static str,
    observe: bool,
    tcp: bool,
    ports: Vec<u16>,
    rate: Option<RateView>,
    /// Prefixes of the destinations that are guarded; null if all are.
    only_to: Option<Vec<String>>,
}

/// The limits of the rate policy.
#[derive(Serialize)]
struct RateView {
    source: LimitView,
    prefix: LimitView,
    total: LimitView,
    procedures: Vec<&'static str>,
}

#[derive(Serialize)]
struct LimitView {
    /// As it is given: `5/s`.
    rate: String,
    burst: u32,
}

impl From<RateLimit> for LimitView {
    fn from(limit: RateLimit) -> Self {
        Self {
            rate: limit.rate.to_string(),
            burst: limit.burst,
        }
    }
}

impl From<RatePolicy> for RateView {
    fn from(policy: RatePolicy) -> Self {
        Self {
            source: policy.source.into(),
            prefix: policy.prefix.into(),
            total: policy.total.into(),
            procedures: policy.procedures.iter().map(Request::name).collect(),
        }
    }
}

#[derive(Serialize)]
struct PrefixesView {
    allow: FamiliesView,
    deny: FamiliesView,
}

#[derive(Serialize)]
struct FamiliesView {
    v4: u32,
    v6: u32,
}

#[derive(Serialize)]
struct CounterView {
    packets: u64,
    bytes: u64,
}

impl From<PacketCounter> for CounterView {
    fn from(PacketCounter { packets, bytes }: PacketCounter) -> Self {
        Self { packets, bytes }
    }
}

/// An object with every reason, in the order of their numbers.
struct CountersView(FilterCounters);

impl Serialize for CountersView {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let reasons = self.0.reasons();
        serializer.collect_map(reasons.map(|(reason, counter)| {
            let view: CounterView = counter.into();
            (reason.name(), view)
        }))
    }
}

/// What became of the packets that asked for the same.
#[derive(Serialize)]
struct RequestView {
    passed: CounterView,
    dropped: CounterView,
}

/// An object with every request, in the order of their numbers.
struct RequestsView(FilterCounters);

impl Serialize for RequestsView {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let requests = self.0.requests();
        serializer.collect_map(requests.map(|(request, counter)| {
            let view = RequestView {
                passed: counter.passed.into(),
                dropped: counter.dropped.into(),
            };
            (request.name(), view)
        }))
    }
}

/// A guard that cannot be read.
#[derive(Serialize)]
struct UnreadableView {
    name: String,
    /// `gone` or `incompatible`.
    state: &'static str,
    /// The ABI version of one that is incompatible.
    abi_version: Option<u32>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum View {
    Guard(Box<Status>),
    Unreadable(UnreadableView),
}

/// The UDP ports on which this host's rpcbind answers others. None, where that cannot be told: a
/// guard can be shown without.
fn rpcbind_ports() -> UdpPorts {
    match Heard::default().udp_ports() {
        Ok(ports) => ports,
        Err(error) => {
            log::warn!("cannot tell which ports rpcbind has open: {error}");
            UdpPorts::default()
        }
    }
}

impl Status {
    fn of(guard: &Guard, rpcbind_ports: &UdpPorts) -> Result<Self> {
        let policy = guard.policy()?;
        let counts = guard.prefix_counts()?;
        let counters = guard.counters()?;
        Ok(Self {
            name: guard.interface().to_owned(),
            ifindex: guard.ifindex(),
            mode: guard.mode().map(Mode::name),
            program_id: guard.program_id(),
            link_id: guard.link_id(),
            attached_at: rfc3339(guard.attached_at()?),
            confirmed: guard.is_confirmed(),
            unguarded_rpcbind_ports: {
                let unguarded = rpcbind_ports.answering.difference(&policy.ports);
                unguarded.copied().collect()
            },
            policy: PolicyView {
                unlisted: match policy.rate {
                    Some(_) => "rate",
                    None => "drop",
                },
                observe: policy.observe,
                tcp: policy.tcp,
                ports: policy.ports.into_iter().collect(),
                rate: policy.rate.map(RateView::from),
                only_to: policy
                    .destinations
                    .prefixes()
                    .map(|prefixes| prefixes.iter().map(Prefix::to_string).collect()),
            },
            prefixes: PrefixesView {
                allow: FamiliesView {
                    v4: counts.allow_v4,
                    v6: counts.allow_v6,
                },
                deny: FamiliesView {
                    v4: counts.deny_v4,
                    v6: counts.deny_v6,
                },
            },
            counters: CountersView(counters),
            procedures: RequestsView(counters),
        })
    }
}

impl View {
    fn of(entry: &Entry, rpcbind_ports: &UdpPorts) -> Result<Self> {
        let unreadable = |name: &str, state, abi_version| {
            Self::Unreadable(UnreadableView {
                name: name.to_owned(),
                state,
                abi_version,
            })
        };
        Ok(match entry {
            Entry::Guard(guard) => Self::Guard(Box::new(Status::of(guard, rpcbind_ports)?)),
            Entry::Leftover(leftover) => unreadable(&leftover.interface, "gone", None),
            Entry::Incompatible {
                interface, found, ..
            } => unreadable(interface, "incompatible", Some(*found)),
        })
    }
}

/// Prints everything about each guard as JSON.
pub(crate) fn print_json(entries: &[Entry]) -> anyhow::Result<()> {
    let ports = rpcbind_ports();
    let views = entries.iter().map(|entry| View::of(entry, &ports));
    Document::new(views.collect::<Result<_>>()?).print()
}

/// As [`print_json`], for what `attach` and `set` have brought about.
pub(crate) fn print_guards_json(guards: &[Guard]) -> anyhow::Result<()> {
    let ports = rpcbind_ports();
    let views = guards.iter().map(|guard| Status::of(guard, &ports));
    Document::new(views.collect::<Result<_>>()?).print()
}

/// Prints one line a guard: what `attach` and `set` have brought about.
pub(crate) fn print_lines(guards: &[Guard]) -> anyhow::Result<()> {
    let mut out = stdout();
    for guard in guards {
        writeln!(out, "{}", summary(guard)?)?;
    }
    out.flush()?;
    Ok(())
}

/// Prints everything about each guard.
pub(crate) fn print_text(entries: &[Entry]) -> anyhow::Result<()> {
    let mut out = stdout();
    let ports = rpcbind_ports();
    if entries.is_empty() {
        writeln!(out, "no interface of this network namespace is guarded")?;
    }
    for (index, entry) in entries.iter().enumerate() {
        if index != 0 {
            writeln!(out)?;
        }
        match entry {
            Entry::Guard(guard) => print_guard(&mut out, guard, &ports)?,
            Entry::Leftover(Leftover { interface, .. }) => writeln!(
                out,
                "{interface}: {}; `rpcguard detach {interface}` removes what is left of its guard",
                if guard::interface_exists(interface)? {
                    "not guarded"
                } else {
                    "gone"
                }
            )?,
            Entry::Incompatible {
                interface, found, ..
            } => writeln!(
                out,
                "{interface}: guarded by an rpcguard of ABI version {found}, whose settings and \
                 counters this one cannot read"
            )?,
        }
    }
    out.flush()?;
    Ok(())
}

fn print_guard(
    out: &mut impl Write,
    guard: &Guard,
    rpcbind_ports: &UdpPorts,
) -> anyhow::Result<()> {
    let PrefixCounts {
        allow_v4,
        allow_v6,
        deny_v4,
        deny_v6,
    } = guard.prefix_counts()?;
    writeln!(out, "{}", summary(guard)?)?;
    for warning in warnings(guard.interface(), &guard.policy()?, rpcbind_ports) {
        writeln!(out, "  {warning}")?;
    }
    if let Some(process) = guard.waiting_process() {
        writeln!(
            out,
            "  UNCONFIRMED: `rpcguard confirm {}` keeps it; otherwise it goes with {process}",
            guard.interface()
        )?;
    }
    writeln!(
        out,
        "  allow     {} IPv4, {} IPv6",
        amount(allow_v4),
        amount(allow_v6)
    )?;
    writeln!(
        out,
        "  deny      {} IPv4, {} IPv6",
        amount(deny_v4),
        amount(deny_v6)
    )?;
    writeln!(out, "  attached  {}", rfc3339(guard.attached_at()?))?;
    writeln!(
        out,
        "  kernel    program {}, link {}",
        guard.program_id(),
        guard.link_id()
    )?;
    writeln!(out)?;
    let counters = guard.counters()?;
    let rows = rows(&counters, guard.policy()?.observe);
    table(
        out,
        [Align::Left, Align::Left, Align::Right, Align::Right],
        &rows,
    )?;
    let requests = request_rows(&counters);
    if requests.len() > 1 {
        writeln!(out)?;
        table(out, [Align::Left, Align::Right, Align::Right], &requests)?;
    }
    Ok(())
}

/// What to say about a guard that leaves some of rpcbind's ports alone. A hint names only ports that
/// the guard may have without harm to others.
fn warnings(interface: &str, policy: &Policy, rpcbind_ports: &UdpPorts) -> Vec<String> {
    let guarded = &policy.ports;
    let list = |ports: Vec<&u16>, separator: &str| {
        let ports = ports.into_iter().map(u16::to_string);
        ports.collect::<Vec<_>>().join(separator)
    };
    let guardable = rpcbind_ports.for_guard(policy.tcp);
    let left_alone = rpcbind_ports.left_alone(policy.tcp);
    let s = |ports: &[&u16]| if ports.len() == 1 { "" } else { "s" };
    let mut warnings = Vec::new();
    let unguarded: Vec<_> = guardable.difference(guarded).collect();
    if !unguarded.is_empty() {
        warnings.push(format!(
            "WARNING: rpcbind answers on UDP port{} {} as well, not guarded here: `rpcguard set {interface} \
             --port {}` does",
            s(&unguarded),
            list(unguarded, ", "),
            list(guarded.union(guardable).collect(), " --port ")
        ));
    }
    let left_alone: Vec<_> = left_alone.difference(guarded).collect();
    if !left_alone.is_empty() {
        warnings.push(format!(
            "WARNING: rpcbind answers on UDP port{} {} as well, not guarded here: below 1024, or of another process \
             as well, a port may be needed by others",
            s(&left_alone),
            list(left_alone, ", ")
        ));
    }
    warnings
}

fn amount(count: u32) -> String {
    grouped(u64::from(count))
}

/// The reasons that have occurred, and the two that everybody looks for.
fn rows(counters: &FilterCounters, observe: bool) -> Vec<[String; 4]> {
    let mut rows = vec![["reason", "action", "packets", "bytes"].map(str::to_owned)];
    for (reason, counter) in counters.reasons() {
        let usual = matches!(reason.name(), "allowed" | "unlisted");
        if counter.packets == 0 && !usual {
            continue;
        }
        let action = match reason.action() {
            Action::Drop if observe => "would drop",
            Action::Drop => "drop",
            Action::Pass => "pass",
        };
        rows.push([
            reason.name().to_owned(),
            action.to_owned(),
            grouped(counter.packets),
            grouped(counter.bytes),
        ]);
    }
    rows
}

/// What has been asked for.
fn request_rows(counters: &FilterCounters) -> Vec<[String; 3]> {
    let mut rows = vec![["request", "passed", "dropped"].map(str::to_owned)];
    for (request, counter) in counters.requests() {
        let (passed, dropped) = (counter.passed.packets, counter.dropped.packets);
        if passed != 0 || dropped != 0 {
            rows.push([request.name().to_owned(), grouped(passed), grouped(dropped)]);
        }
    }
    rows
}

/// `eth0: guarded in native mode: UDP port 111, from 1 allowed prefix only`
pub(crate) fn summary(guard: &Guard) -> Result<String> {
    let Policy {
        ports,
        tcp,
        observe,
        rate,
        destinations,
    } = guard.policy()?;
    let counts = guard.prefix_counts()?;
    let allowed = u64::from(counts.allow_v4) + u64::from(counts.allow_v6);
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let state = match (guard.mode(), observe) {
        (None, _) => "NOT guarded (its program is no longer attached)".to_owned(),
        (Some(mode), true) => format!("observed in {mode} mode, nothing is dropped"),
        (Some(mode), false) => format!("guarded in {mode} mode"),
    };
    Ok(format!(
        "{}: {state}: {} port{} {}{}, {}",
        guard.interface(),
        if tcp { "UDP and TCP" } else { "UDP" },
        if ports.len() == 1 { "" } else { "s" },
        ports.join(", "),
        match destinations {
            Destinations::All => String::new(),
            Destinations::Only(_) => format!(", only to {destinations}"),
        },
        match (allowed, rate) {
            (0, None) => "no prefix is allowed".to_owned(),
            (_, None) => format!(
                "allowed from {} only",
                counted(allowed, "prefix", "prefixes")
            ),
            (_, Some(rate)) => format!(
                "allowed from {}, others at {} each and {} in all",
                counted(allowed, "prefix", "prefixes"),
                rate.source.rate,
                rate.total.rate
            ),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::{Policy, UdpPorts, warnings};

    #[test]
    fn ports_of_rpcbind_that_are_not_guarded_are_warned_of() {
        let mut policy = Policy {
            ports: [111, 2049].into(),
            ..Policy::default()
        };
        let mut open = UdpPorts::default();
        assert!(warnings("eth0", &policy, &open).is_empty());
        open.answering.insert(111);
        open.of_udp.insert(111);
        assert!(warnings("eth0", &policy, &open).is_empty());
        open.answering.extend([53, 50_000, 50_001]);
        open.of_udp.extend([50_000, 50_001]);
        let hint = "WARNING: rpcbind answers on UDP ports 50000, 50001 as well, not guarded here: `rpcguard set \
                    eth0 --port 111 --port 2049 --port 50000 --port 50001` does";
        let left_alone = "WARNING: rpcbind answers on UDP port 53 as well, not guarded here: below 1024, or of \
                          another process as well, a port may be needed by others";
        assert_eq!(warnings("eth0", &policy, &open), [hint, left_alone]);
        // Others listen there in TCP.
        policy.tcp = true;
        open.of_both = [111].into();
        let told = warnings("eth0", &policy, &open);
        assert!(matches!(&told[..], [told] if told.contains("UDP ports 53, 50000, 50001 as well")));
    }
}
