//! The JSON documents about attacks, as those of [`documents`](crate::documents).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One line of what `rpcguard events --json` prints.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "rpcguard events")]
pub(crate) struct EventDocument {
    /// Fields may be added under the same version.
    #[schemars(extend("const" = 1))]
    pub(crate) schema_version: u32,
    /// When the packet came, as in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) time: String,
    /// The interface that it came in by.
    pub(crate) interface: String,
    /// The source address that it claims.
    pub(crate) source: String,
    /// Why it was dropped: the name of a counter of `rpcguard status`.
    pub(crate) reason: String,
    /// What it asked for: a name under `procedures` of `rpcguard status`.
    pub(crate) procedure: String,
    /// Its length, from the link-layer header to the end of the frame.
    pub(crate) bytes: u32,
    /// Whether it was passed all the same, because the guard observes.
    pub(crate) observed: bool,
    /// How many drops before it, on the same CPU, are not told of.
    pub(crate) skipped: u64,
}

/// What `rpcguard report --json` prints.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "rpcguard report")]
pub(crate) struct ReportDocument {
    /// Fields may be added under the same version.
    #[schemars(extend("const" = 1))]
    pub(crate) schema_version: u32,
    /// All guards, or those that were asked for.
    pub(crate) interfaces: Vec<Report>,
}

/// What a guard has kept from others.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Report {
    /// The interface's name.
    pub(crate) name: String,
    /// When the filter was attached, as in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) from: String,
    /// When the report was made.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) to: String,
    /// Whether the guard only observes at the moment, and drops nothing.
    pub(crate) observe: bool,
    /// Requests that were dropped.
    pub(crate) requests: u64,
    /// Their bytes, from the link-layer header to the end of the frame.
    pub(crate) request_bytes: u64,
    /// Bytes of UDP payload of the replies that were not sent for it.
    pub(crate) reply_bytes: u64,
    /// The requests by what they asked for.
    pub(crate) procedures: Vec<SuppressedProcedure>,
    /// The sources that most of the requests claim, which are the victims of a reflection attack.
    pub(crate) sources: Vec<ClaimedSource>,
    /// The same by IPv4 /24 and IPv6 /48.
    pub(crate) neighbourhoods: Vec<ClaimedSource>,
}

/// Requests of one kind.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SuppressedProcedure {
    /// As under `procedures` of `rpcguard status`.
    pub(crate) name: String,
    /// How many were dropped.
    pub(crate) requests: u64,
    /// The size of the reply to one, in bytes of UDP payload.
    pub(crate) reply_size: u32,
    /// Where that size is from.
    pub(crate) reply_size_is: SizeIs,
    /// Requests times that size.
    pub(crate) reply_bytes: u64,
}

/// Where the size of a reply is from.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SizeIs {
    /// The portmapper of this host was asked over loopback.
    Measured,
    /// It is what rpcbind answers with nothing but itself registered.
    Typical,
}

/// A source, by estimate from samples.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ClaimedSource {
    /// A host (IPv6: a /64) or a neighbourhood.
    pub(crate) prefix: String,
    /// Requests that were dropped.
    pub(crate) requests: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}
