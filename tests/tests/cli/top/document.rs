//! The JSON documents of the live view, as those of [`documents`](crate::documents).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::documents::{Mode, Unlisted, Verdict};

/// One line of what `rpcguard top --json` prints: one every interval.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "rpcguard top")]
pub(crate) struct TopDocument {
    /// Fields may be added under the same version.
    #[schemars(extend("const" = 1))]
    pub(crate) schema_version: u32,
    /// The end of the interval, as in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) time: String,
    /// How long the interval was.
    pub(crate) interval_seconds: f64,
    /// Those that were asked for, or all that are guarded. One whose guard goes is there once more.
    pub(crate) interfaces: Vec<Interface>,
}

/// An interface.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Interface {
    /// Its name.
    pub(crate) name: String,
    /// What it is in.
    pub(crate) state: State,
    /// Where the program runs; null without a guard.
    pub(crate) mode: Option<Mode>,
    /// When the filter was attached, as in RFC 3339; null without a guard.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) attached_at: Option<String>,
    /// What happens to packets from sources in no prefix; null without a guard.
    pub(crate) unlisted: Option<Unlisted>,
    /// Whether there are rates: there are none in the first interval of a guard that was attached
    /// long before it was looked at.
    pub(crate) measured: bool,
    /// Packets to guarded ports.
    pub(crate) packets_per_second: f64,
    /// Their bytes, from the link-layer header to the end of the frame.
    pub(crate) bytes_per_second: f64,
    /// Those of them that were dropped, or while observing, would have been.
    pub(crate) dropped_packets_per_second: f64,
    /// Their bytes.
    pub(crate) dropped_bytes_per_second: f64,
    /// By reason, as under `counters` of `rpcguard status`.
    pub(crate) reasons: BTreeMap<String, Flow>,
    /// By what was asked for, as under `procedures` of `rpcguard status`.
    pub(crate) procedures: BTreeMap<String, Fate>,
    /// Who the dropped packets claim to be from.
    pub(crate) sources: Sources,
    /// The twenty prefixes that most packets matched, those of the last interval first; null where
    /// hits are not watched, beyond 4096 prefixes.
    pub(crate) prefixes: Option<Vec<PrefixFlow>>,
}

/// What an interface is in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// What is to be dropped is dropped.
    Guarded,
    /// Everything is counted, and passes.
    Observing,
    /// There is no guard, or none any more.
    NotGuarded,
    /// The interface does not exist any more.
    Gone,
    /// The guard was attached by an rpcguard that keeps other things in the kernel.
    Incompatible,
}

/// Rates of the last interval, and totals since the filter was attached.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Flow {
    pub(crate) packets_per_second: f64,
    pub(crate) bytes_per_second: f64,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

/// What became of packets, whatever the reason.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Fate {
    /// Those that went on to the network stack.
    pub(crate) passed: Flow,
    /// Those that were dropped.
    pub(crate) dropped: Flow,
}

/// The twenty largest sources of each kind, those of the last interval first. All numbers are
/// estimates from samples.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Sources {
    /// IPv4 addresses, and IPv6 /64.
    pub(crate) hosts: Vec<SourceFlow>,
    /// IPv4 /24, and IPv6 /48.
    pub(crate) neighbourhoods: Vec<SourceFlow>,
}

/// The drops of a source.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SourceFlow {
    /// Its address and length.
    pub(crate) prefix: String,
    #[serde(flatten)]
    pub(crate) flow: Flow,
    /// So many more packets may have been from it before it was noticed.
    pub(crate) unnoticed: u64,
}

/// The packets that a prefix decided about.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PrefixFlow {
    /// Address and length.
    pub(crate) prefix: String,
    /// The list that it is in.
    pub(crate) verdict: Verdict,
    #[serde(flatten)]
    pub(crate) flow: Flow,
}
