//! The JSON documents as their readers may take them. The schemas in `docs/schema` are made from
//! these types, and what the command prints is read into them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Reads a document, all of it.
///
/// # Panics
///
/// If it is not of this type, or has fields that the type does not know, or lacks some.
#[track_caller]
pub(crate) fn read<T: Serialize + DeserializeOwned>(document: &Value) -> T {
    let read: T = serde_json::from_value(document.clone())
        .unwrap_or_else(|error| panic!("not as the schema says: {error}: {document:#}"));
    let again = serde_json::to_value(&read).unwrap();
    assert_eq!(again, *document, "fields are missing, or not in the schema");
    read
}

/// What `rpcguard status --json` prints, and `attach` and `set` with `--json`.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "rpcguard status")]
pub(crate) struct StatusDocument {
    /// Fields may be added under the same version.
    #[schemars(extend("const" = 1))]
    pub(crate) schema_version: u32,
    /// The guards of this network namespace, or those that were asked for.
    pub(crate) interfaces: Vec<Interface>,
}

/// A guard; `state` is there only if it cannot be read.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Interface {
    Guard(Box<Guard>),
    Unreadable(Unreadable),
}

/// A guard.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Guard {
    /// The interface's present name.
    pub(crate) name: String,
    /// The interface's index.
    pub(crate) ifindex: u32,
    /// Where the program runs; null if it was offloaded to the device, which rpcguard does not do.
    pub(crate) mode: Option<Mode>,
    /// The kernel's id of the program.
    pub(crate) program_id: u32,
    /// The kernel's id of the link; 0 if the guard is not confirmed and the process lacks CAP_SYS_ADMIN.
    pub(crate) link_id: u32,
    /// When the filter was attached, as in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) attached_at: String,
    /// Whether it stays: a guard of `attach --confirm` is detached unless it is confirmed.
    pub(crate) confirmed: bool,
    /// What is guarded, and how.
    pub(crate) policy: Policy,
    /// How many prefixes the lists hold.
    pub(crate) prefixes: PrefixCounts,
    /// What happened to packets to guarded ports, by reason, since the filter was attached.
    pub(crate) counters: Counters,
    /// What packets to guarded ports asked for, since the filter was attached, by version and name of
    /// the procedure: `v2.DUMP`. Besides, `malformed` stands for what is no complete, plausible call,
    /// `fragment` for first fragments, `connection` for TCP, and `unknown` for what is counted as
    /// undecidable or as a later fragment.
    pub(crate) procedures: BTreeMap<String, Fate>,
    /// UDP ports on which other hosts reach rpcbind at this moment, and which are not guarded here.
    pub(crate) unguarded_rpcbind_ports: Vec<u16>,
}

/// What became of packets, whatever the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Fate {
    /// Those that went on to the network stack.
    pub(crate) passed: Counter,
    /// Those that were dropped.
    pub(crate) dropped: Counter,
}

/// Where the program runs.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// In the driver.
    Native,
    /// In the network stack.
    Generic,
}

/// What is guarded, and how.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Policy {
    /// What happens to packets from sources in no prefix.
    pub(crate) unlisted: Unlisted,
    /// Whether everything passes, and is only counted.
    pub(crate) observe: bool,
    /// Whether TCP is guarded as well as UDP.
    pub(crate) tcp: bool,
    /// The guarded destination ports, in ascending order.
    pub(crate) ports: Vec<u16>,
    /// The limits, if unlisted sources are limited; else null.
    pub(crate) rate: Option<Rate>,
    /// The prefixes of the destinations that are guarded, in ascending order; null if all are.
    pub(crate) only_to: Option<Vec<String>>,
}

/// The limits of unlisted sources, which hold all at once.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Rate {
    /// Of each source: an IPv4 address, or an IPv6 /64.
    pub(crate) source: Limit,
    /// Of each neighbourhood: an IPv4 /24, or an IPv6 /48.
    pub(crate) prefix: Limit,
    /// Of all of them together.
    pub(crate) total: Limit,
    /// The procedures that they are served at all, as under `procedures`.
    pub(crate) procedures: Vec<String>,
}

/// A limit.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Limit {
    /// Packets for each second, minute or hour: `5/s`, `100/m`, `20/h`.
    pub(crate) rate: String,
    /// Packets that may come at once after a pause.
    pub(crate) burst: u32,
}

/// What happens to packets from sources in no prefix.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unlisted {
    /// They are dropped.
    Drop,
    /// Some of them pass.
    Rate,
}

/// How many prefixes the lists hold.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PrefixCounts {
    /// Prefixes whose packets pass.
    pub(crate) allow: Families,
    /// Prefixes whose packets are dropped.
    pub(crate) deny: Families,
}

/// How many prefixes there are of each address family.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Families {
    /// IPv4 prefixes.
    pub(crate) v4: u32,
    /// IPv6 prefixes.
    pub(crate) v6: u32,
}

/// What happened to packets, by reason.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Counters {
    /// Passed: the source's longest match is an allow prefix.
    pub(crate) allowed: Counter,
    /// Dropped: the source is in no prefix.
    pub(crate) unlisted: Counter,
    /// Dropped: the source's longest match is a deny prefix.
    pub(crate) denied: Counter,
    /// Passed: the source is in no prefix, and below its limits.
    pub(crate) within_rate: Counter,
    /// Dropped: the source is in no prefix, and above a limit.
    pub(crate) over_rate: Counter,
    /// Dropped: a call of which the reply is larger than the request, or that is relayed.
    pub(crate) amplifier: Counter,
    /// Dropped: no complete, plausible call.
    pub(crate) malformed: Counter,
    /// Dropped: a first fragment, which can hide what it asks.
    pub(crate) fragment: Counter,
    /// Dropped: more headers than are looked through, or cut off within them.
    pub(crate) undecidable: Counter,
    /// Passed: a later fragment, which is nothing without the first.
    pub(crate) later_fragment: Counter,
}

/// Packets and their bytes, from the link-layer header to the end of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Counter {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

/// A guard that cannot be read.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Unreadable {
    /// The name that the interface has or had.
    pub(crate) name: String,
    /// Why.
    pub(crate) state: State,
    /// The ABI version of an incompatible guard; else null.
    pub(crate) abi_version: Option<u32>,
}

/// Why a guard cannot be read.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Nothing is guarded: the interface does not exist any more, or `attach` was interrupted.
    Gone,
    /// It guards, but was attached by an rpcguard that keeps other things in the kernel.
    Incompatible,
}

/// What `rpcguard allow list --json` and `rpcguard deny list --json` print.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "rpcguard allow list, rpcguard deny list")]
pub(crate) struct ListDocument {
    /// Fields may be added under the same version.
    #[schemars(extend("const" = 1))]
    pub(crate) schema_version: u32,
    /// All guards, or those that were asked for.
    pub(crate) interfaces: Vec<List>,
}

/// The list of a guard.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct List {
    /// The interface's name.
    pub(crate) name: String,
    /// In ascending order, IPv4 first.
    pub(crate) prefixes: Vec<ListedPrefix>,
}

/// A prefix of a list.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ListedPrefix {
    /// Address and length, without host bits.
    pub(crate) prefix: String,
    /// The list that it is in.
    pub(crate) verdict: Verdict,
    /// How many packets it decided about; null where hits are not counted, beyond 65,536 prefixes.
    pub(crate) packets: Option<u64>,
    /// Their bytes, from the link-layer header to the end of the frame; or null.
    pub(crate) bytes: Option<u64>,
    /// When it lapses by itself, in RFC 3339; null if it is there for good.
    pub(crate) until: Option<String>,
}

/// A list.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// The list of those whose packets pass.
    Allow,
    /// The list of those whose packets are dropped.
    Deny,
}

/// What `rpcguard allow test --json` and `rpcguard deny test --json` print.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "rpcguard allow test, rpcguard deny test")]
pub(crate) struct TestDocument {
    /// Fields may be added under the same version.
    #[schemars(extend("const" = 1))]
    pub(crate) schema_version: u32,
    /// All guards, or those that were asked for.
    pub(crate) interfaces: Vec<Decision>,
}

/// What happens to packets from an address on an interface.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Decision {
    /// The interface's name.
    pub(crate) name: String,
    /// The address that was asked about.
    pub(crate) address: String,
    /// What the lists say.
    pub(crate) verdict: DecisionVerdict,
    /// The longest prefix that the address is in; null if it is in none.
    pub(crate) prefix: Option<String>,
    /// What happens to its packets to guarded ports; what is observed passes.
    pub(crate) action: Action,
}

/// What the lists say.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DecisionVerdict {
    /// The longest prefix is in the allow list.
    Allow,
    /// The longest prefix is in the deny list.
    Deny,
    /// It is in no prefix.
    Unlisted,
}

/// What happens to packets.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Pass,
    Drop,
}
