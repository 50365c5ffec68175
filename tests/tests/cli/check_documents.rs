//! What `rpcguard check --json` prints, of this host and of another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `rpcguard check --json` prints.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "rpcguard check")]
pub(crate) struct LocalDocument {
    /// Fields may be added under the same version.
    #[schemars(extend("const" = 1))]
    pub(crate) schema_version: u32,
    /// What it comes to; the exit status says it too.
    pub(crate) verdict: Verdict,
    /// The verdict in words.
    pub(crate) summary: String,
    /// The next step to take, as a command, if there is one; else null.
    pub(crate) next_step: Option<String>,
    /// The portmapper's sockets: those on port 111, in the file system, and its others.
    pub(crate) sockets: Vec<Socket>,
    /// What is registered with it; null if nothing listens, or it could not be asked.
    pub(crate) registrations: Option<Vec<Service>>,
    /// Why it could not be asked; else null.
    pub(crate) registrations_error: Option<String>,
    /// What starts the portmapper of this machine.
    pub(crate) units: Vec<Unit>,
    /// The interfaces that are up, but for loopback; null if guards could not be looked at.
    pub(crate) interfaces: Option<Vec<Interface>>,
    /// Options that the portmapper runs with and had better not.
    pub(crate) insecure_options: Vec<InsecureOption>,
    /// Ports on which it is reached through interfaces that do not guard them, or at a limited
    /// rate.
    pub(crate) exposures: Vec<Exposure>,
    /// How this host was named, if it was; else null.
    pub(crate) named: Option<Named>,
    /// Processes that hold port 111 and are no portmapper, nor systemd for one.
    pub(crate) other_holders: Vec<Holder>,
    /// Rules of the kernel (nftables, iptables, IPVS) that forward port 111 of this host, or
    /// another port to it.
    pub(crate) forwards: Vec<Forward>,
    /// Rules that could not be read, and why, a text each.
    pub(crate) forwards_unread: Vec<String>,
    /// Units of systemd that would start one of the portmapper's that is not enabled.
    pub(crate) starters: Vec<Starter>,
    /// Units of systemd that open port 111 for another service than a portmapper.
    pub(crate) other_sockets: Vec<String>,
    /// Registered services besides the portmapper that other hosts reach, but for firewalls.
    pub(crate) reachable_services: Vec<ReachableService>,
    /// Directories that everybody may mount, by exports(5).
    pub(crate) exports_to_everybody: Vec<String>,
}

/// A name of this host.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Named {
    /// As it was given.
    pub(crate) host: String,
    /// Its addresses that are this host's own.
    pub(crate) addresses: Vec<String>,
}

/// A process that holds port 111.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Holder {
    /// Its id.
    pub(crate) pid: u32,
    /// Its name, of at most 15 bytes.
    pub(crate) name: String,
    /// Its control group, which names a unit or container; null if others than root could have made
    /// it up.
    pub(crate) control_group: Option<String>,
}

/// A rule that forwards.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Forward {
    /// `udp` or `tcp`.
    pub(crate) transport: String,
    /// Which ports, as `111` or `100-200`; empty if it is another port that the rule does not say.
    pub(crate) ports: Vec<String>,
    /// Where to: an address, a port or both.
    pub(crate) to: String,
    /// Whether it leads to port 111 of this host.
    pub(crate) inward: bool,
    /// Which rule it is.
    pub(crate) rule: String,
    /// Whether it is known to take such packets.
    pub(crate) certain: bool,
    /// The interfaces on which it takes them.
    pub(crate) interfaces: Vec<String>,
}

/// A unit that starts a portmapper's.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Starter {
    /// The portmapper's.
    pub(crate) unit: String,
    /// The one that starts it.
    pub(crate) started_by: String,
    /// Whether that one is started at boot.
    pub(crate) at_boot: bool,
}

/// A registered service that other hosts reach.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ReachableService {
    /// The program's number.
    pub(crate) program: u32,
    /// The program's name, if it has one; else null.
    pub(crate) service: Option<String>,
    /// `udp` or `tcp`.
    pub(crate) transport: String,
    /// The port.
    pub(crate) port: u16,
}

/// Whether a portmapper is exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Nobody but those who are meant to is answered.
    NotExposed,
    /// Anybody is served at a limited rate, or answered small calls only.
    Limited,
    /// Could not tell.
    Unknown,
    /// Anybody is answered.
    Exposed,
}

/// A socket that waits for others.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Socket {
    /// `udp`, `tcp` or `unix`.
    pub(crate) kind: String,
    /// The address, or the path.
    pub(crate) address: String,
    /// The port; null for a path.
    pub(crate) port: Option<u16>,
    /// From where it can be reached.
    pub(crate) reach: Reach,
    /// Who holds it.
    pub(crate) processes: Vec<Process>,
    /// Whether the first process of the system holds it, for a service that it starts on demand.
    pub(crate) socket_activated: bool,
}

/// From where a socket can be reached, as far as its address tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reach {
    /// From processes that see its path.
    Host,
    /// From this network namespace, over loopback.
    Loopback,
    /// From other hosts.
    Outside,
}

/// A process.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) pid: u32,
    /// Its name, of at most 15 bytes.
    pub(crate) name: String,
}

/// A version of a program that is registered, as rpcinfo(8) prints it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Registration {
    /// The program's number.
    pub(crate) program: u32,
    /// Its version.
    pub(crate) version: u32,
    /// The transport.
    pub(crate) netid: String,
    /// The address in universal form, or a path.
    pub(crate) address: String,
    /// The port, for those that are IP; else null.
    pub(crate) port: Option<u16>,
    /// The program's name, if it has one; else null.
    pub(crate) service: Option<String>,
    /// Who registered it; empty if the portmapper does not say.
    pub(crate) owner: String,
}

/// A registration, and who listens there.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Service {
    /// The registration.
    #[serde(flatten)]
    pub(crate) registration: Registration,
    /// From where it can be reached; null if nobody listens at its address.
    pub(crate) reach: Option<Reach>,
    /// Who listens; nobody, if it is the kernel.
    pub(crate) processes: Vec<Process>,
}

/// What starts a portmapper.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Unit {
    /// `systemd`, `sysv` or `openrc`.
    pub(crate) init: String,
    /// The name of the unit, script or service.
    pub(crate) name: String,
    /// Its present state, in the init system's words.
    pub(crate) state: String,
    /// Whether it is started at boot, in words.
    pub(crate) boot: String,
    /// Whether it is started at boot.
    pub(crate) starts: bool,
}

/// An interface.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Interface {
    /// Its name.
    pub(crate) name: String,
    /// Whether it has a guard.
    pub(crate) guarded: bool,
    /// How well UDP to port 111 is guarded.
    pub(crate) udp: Cover,
    /// How well TCP to port 111 is guarded.
    pub(crate) tcp: Cover,
}

/// How well a port is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cover {
    /// Not at all.
    None,
    /// Anybody is served, at a limited rate.
    Limited,
    /// Those on the allow list are served, and nobody else.
    Full,
}

/// An option of the portmapper.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct InsecureOption {
    /// Its process.
    pub(crate) pid: u32,
    /// The option.
    pub(crate) option: String,
    /// What it does.
    pub(crate) meaning: String,
}

/// A port on which the portmapper is exposed.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Exposure {
    /// `udp` or `tcp`.
    pub(crate) transport: String,
    /// The port.
    pub(crate) port: u16,
    /// Through which interfaces. The ports of a bridge or bond, and what is stacked on another
    /// interface, are only named if that one is better guarded.
    pub(crate) interfaces: Vec<String>,
    /// How well it is guarded there.
    pub(crate) cover: Cover,
}

/// What `rpcguard check HOST --json` prints.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "rpcguard check HOST")]
pub(crate) struct HostDocument {
    /// Fields may be added under the same version.
    #[schemars(extend("const" = 1))]
    pub(crate) schema_version: u32,
    /// The host, as it was named.
    pub(crate) host: String,
    /// When the first probe was sent, as in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) started_at: String,
    /// When the last one was answered or given up.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) finished_at: String,
    /// What it comes to; the exit status says it too.
    pub(crate) verdict: Verdict,
    /// The verdict in words.
    pub(crate) summary: String,
    /// The next step to take, as a command, if there is one; else null.
    pub(crate) next_step: Option<String>,
    /// The host's addresses that were asked.
    pub(crate) addresses: Vec<Address>,
    /// How many more it has.
    pub(crate) more_addresses: usize,
    /// The findings of this host about itself; null if none of the addresses is its own.
    pub(crate) local: Option<LocalDocument>,
    /// How long answers were waited for.
    pub(crate) wait_seconds: f64,
}

/// What an address answered.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Address {
    /// The address.
    pub(crate) address: String,
    /// The address that it was asked from; null if it could not be asked.
    pub(crate) asked_from: Option<String>,
    /// Whether it is an address of this host: what it answers here passes no guard.
    pub(crate) own: bool,
    /// What it comes to.
    pub(crate) verdict: Verdict,
    /// Of the probe over UDP whose reply is largest beside its request; null if none was answered.
    pub(crate) amplification: Option<Factors>,
    /// Everything that was asked.
    pub(crate) probes: Vec<Probe>,
    /// What is registered; null if nobody said.
    pub(crate) registrations: Option<Vec<Registration>>,
    /// The sum of the answers: `no_answer`, `refuses`, `small_only`, `not_asked`, `unclear`,
    /// `answers`, `tells`, `relays` or `amplifies`.
    pub(crate) finding: String,
    /// Whether small replies come over UDP, and larger ones may be lost on the way.
    pub(crate) may_lose_large_replies: bool,
    /// mountd and NFS, as far as they are registered: each was asked once for what does nothing.
    pub(crate) services: Vec<RemoteService>,
}

/// A service that is registered with another host's portmapper.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RemoteService {
    /// The program's number.
    pub(crate) program: u32,
    /// `mountd` or `nfs`.
    pub(crate) service: String,
    /// The version that was asked.
    pub(crate) version: u32,
    /// `udp` or `tcp`.
    pub(crate) transport: String,
    /// The port, as registered.
    pub(crate) port: u16,
    /// The outcome.
    pub(crate) outcome: Outcome,
    /// Why the call was refused, or what else there is to say; else null.
    pub(crate) detail: Option<String>,
    /// The directories that everybody may mount; null if mountd did not say, or it is another
    /// service.
    pub(crate) exports_to_everybody: Option<Vec<String>>,
}

/// How many times larger than a request its reply is.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Factors {
    /// In bytes of UDP payload.
    pub(crate) payload: f64,
    /// In bytes of Ethernet frames.
    pub(crate) wire: f64,
}

/// A call, and what came of it.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Probe {
    /// The procedure's name.
    pub(crate) procedure: String,
    /// The version of the protocol.
    pub(crate) version: u32,
    /// `udp` or `tcp`.
    pub(crate) transport: String,
    /// The port that was asked.
    pub(crate) port: u16,
    /// When it was sent first, as in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) started_at: String,
    /// How often it was sent.
    pub(crate) attempts: u32,
    /// The outcome.
    pub(crate) outcome: Outcome,
    /// Why the call was refused, or what else there is to say; else null.
    pub(crate) detail: Option<String>,
    /// The request's payload.
    pub(crate) request_bytes: usize,
    /// The reply's payload; null without reply.
    pub(crate) reply_bytes: Option<usize>,
    /// The request in Ethernet frames; null for TCP.
    pub(crate) request_wire_bytes: Option<usize>,
    /// The reply in Ethernet frames; null for TCP, and without reply.
    pub(crate) reply_wire_bytes: Option<usize>,
    /// Where the reply came from.
    pub(crate) reply_address: Option<String>,
    /// From which port.
    pub(crate) reply_port: Option<u16>,
    /// How long it took.
    pub(crate) milliseconds: Option<f64>,
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// There was a reply.
    Answered,
    /// There was nothing.
    Silent,
    /// Nobody listens.
    Closed,
    /// Something on the way said that it cannot be reached, or the connection was ended.
    Rejected,
    /// Something else than a reply came.
    Garbage,
    /// It could not be sent.
    Failed,
}
