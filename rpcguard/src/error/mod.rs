//! What can go wrong: what failed, on what, why, and what to do about it.

mod context;
mod hint;

use std::{io, path::PathBuf, time::Duration};

use rpcguard_common::abi::{ABI_VERSION, MAX_DESTINATIONS, MAX_ENDS, MAX_PREFIXES};

use crate::{
    config::ConfigError, disable::DisableError, foreign_text, guard::Verdict,
    list_file::ListFileError, prefix::Prefix,
};

pub use context::Report;
pub(crate) use context::{Doing, causes};

/// A result of this library.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name cannot be that of an interface.
    #[error(
        "`{}` cannot be the name of a network interface: {why}",
        foreign_text::printable(name)
    )]
    InterfaceName {
        /// As it was given.
        name: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// There is no such interface in this network namespace.
    #[error("there is no interface `{0}` in this network namespace")]
    NoSuchInterface(String),
    /// Packets of this interface begin with neither an Ethernet nor an IP header.
    #[error("cannot guard `{interface}`: its link layer ({hardware}) is not supported")]
    LinkLayer {
        /// The interface.
        interface: String,
        /// `ARPHRD_*` from linux/if_arp.h.
        hardware: u16,
    },
    /// Capabilities are missing.
    #[error("not permitted to {action}: this process lacks {missing}")]
    NotPermitted {
        /// What was to be done.
        action: String,
        /// Which capabilities.
        missing: String,
    },
    /// The directory for pins is not on a BPF file system.
    #[error("there is no BPF file system at {}", foreign_text::path(.0))]
    NoBpffs(PathBuf),
    /// Somebody else could take the pins, and with them the filter, away.
    #[error("a filter is not safe in {path}: {why}", path = foreign_text::path(path))]
    UnsafeDirectory {
        /// Where it would be pinned.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// Others could take all pins away.
    #[error("a filter is not safe in {path}: {why}", path = foreign_text::path(path))]
    UnsafeBpffs {
        /// The BPF file system.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// The kernel lacks something.
    #[error("this kernel cannot run the filter: {0}")]
    Kernel(String),
    /// There is a guard on this interface.
    #[error("`{0}` is already guarded")]
    AlreadyAttached(String),
    /// There is a guard on this interface that stays only if it is confirmed.
    #[error("the guard of `{0}` is not confirmed yet")]
    Unconfirmed(String),
    /// A guard's program belongs to another loader.
    #[error(
        "the program that guards `{0}` was loaded by somebody else, and has no rate policy; it cannot be replaced"
    )]
    Adopted(String),
    /// No program of rpcguard's is on this interface.
    #[error("no program of rpcguard's is on `{0}`, neither alone nor under xdp-tools' dispatcher")]
    NothingToAdopt(String),
    /// The program was made from an object that does not fit.
    #[error("cannot adopt the program on `{interface}`: {why}")]
    ForeignObject {
        /// The interface.
        interface: String,
        /// What does not fit.
        why: String,
    },
    /// No guard waits to be confirmed.
    #[error("no guard of this network namespace waits to be confirmed")]
    NothingToConfirm,
    /// Guards were not confirmed, or not for long.
    #[error("{why}: `{interfaces}` {verb} not guarded any more", verb = if interfaces.contains(' ') { "are" } else { "is" })]
    NotConfirmed {
        /// What came in between.
        why: String,
        /// Their interfaces, separated by blanks.
        interfaces: String,
    },
    /// There is no guard on this interface.
    #[error("`{0}` is not guarded")]
    NotAttached(String),
    /// No interface of this network namespace has a guard.
    #[error("no interface of this network namespace is guarded")]
    NothingAttached,
    /// The guard's interface does not exist any more.
    #[error("the interface `{0}` that was guarded is gone")]
    InterfaceGone(String),
    /// Somebody else's XDP program is on the interface.
    #[error(
        "`{interface}` has an XDP program of somebody else: id {id}, name `{name}`, attached in \
         {mode} mode"
    )]
    ForeignProgram {
        /// The interface.
        interface: String,
        /// The kernel's id of the program.
        id: u32,
        /// The program's name; may be empty.
        name: String,
        /// native, generic, offloaded, or several.
        mode: &'static str,
    },
    /// The kernel or the driver would not attach the program.
    #[error("cannot attach to `{interface}` in {mode} mode: {why}")]
    Refused {
        /// The interface.
        interface: String,
        /// Which mode was tried last.
        mode: &'static str,
        /// The driver's own words if it had any.
        why: String,
    },
    /// The guard was made by an rpcguard that keeps other things in the kernel.
    #[error(
        "the guard of `{interface}` has ABI version {found}, and this rpcguard works with version \
         {ABI_VERSION}"
    )]
    AbiVersion {
        /// The interface.
        interface: String,
        /// The version in the kernel.
        found: u32,
    },
    /// A prefix is to be added to both lists.
    #[error("`{0}` is to be both allowed and denied")]
    Contradiction(Prefix),
    /// A prefix that is to be added to one list is in the other.
    #[error("`{prefix}` is in the {listed} list of `{interface}`, and cannot be in both lists")]
    Conflict {
        /// The prefix.
        prefix: Prefix,
        /// The list that it is in.
        listed: Verdict,
        /// The interface.
        interface: String,
    },
    /// A prefix was given twice.
    #[error("`{prefix}` is given twice for the {verdict} list")]
    Repeated {
        /// The prefix.
        prefix: Prefix,
        /// The list.
        verdict: Verdict,
    },
    /// A prefix is not in the list that it was to be removed from.
    #[error("`{prefix}` is not in the {verdict} list of `{interface}`")]
    NotListed {
        /// The prefix.
        prefix: Prefix,
        /// The list.
        verdict: Verdict,
        /// The interface.
        interface: String,
    },
    /// A limit is to be changed where there is none.
    #[error("`{0}` has no rate policy to change: unlisted sources are dropped")]
    NoRatePolicy(String),
    /// A limit was given, but no rate that it would be a limit to.
    #[error("a limit of the rate policy was given without `--rate`, which begins the policy")]
    RateMissing,
    /// A list is full.
    #[error("{count} {family} prefixes are more than the {verdict} list holds: {MAX_PREFIXES}")]
    TooManyPrefixes {
        /// IPv4 or IPv6.
        family: &'static str,
        /// The list.
        verdict: Verdict,
        /// How many there would have been.
        count: usize,
    },
    /// Packets to no destination would be guarded.
    #[error("the set of guarded destinations would be empty")]
    NoDestination,
    /// There are more guarded destinations than the filter holds.
    #[error("{0} destinations are more than the {MAX_DESTINATIONS} that a guard can have")]
    TooManyDestinations(usize),
    /// There are more prefixes with an end than a guard holds.
    #[error(
        "`{interface}` has room for {room} more prefixes that end by themselves, of {MAX_ENDS} in all"
    )]
    TooManyEnds {
        /// The interface.
        interface: String,
        /// How many more there can be.
        room: usize,
    },
    /// More prefixes were to get another end than there is room for, while they have both.
    #[error(
        "`{interface}` has room for {room} more ends, of {MAX_ENDS} in all; {renewed} of the prefixes are there \
         already, and take up a second one until the change is done"
    )]
    TooManyRenewals {
        /// The interface.
        interface: String,
        /// How many more ends there can be.
        room: usize,
        /// How many prefixes have an end, and were to get another.
        renewed: usize,
    },
    /// A list file is no list.
    #[error(transparent)]
    ListFile(#[from] ListFileError),
    /// A configuration is none.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A host cannot be asked, since it has no address.
    #[error(
        "cannot find the addresses of `{}`: {why}",
        foreign_text::printable(host)
    )]
    NoAddress {
        /// The host, as it was named.
        host: String,
        /// Why not.
        why: String,
    },
    /// A file that would be written is there already.
    #[error("{} is there already, and evidence is not overwritten", foreign_text::path(.0))]
    EvidenceExists(PathBuf),
    /// Findings of this host about itself are no evidence.
    #[error("`{0}` is this host itself: there is no evidence to be had from here")]
    OwnAddress(String),
    /// The portmapper could not be disabled, or enabled again.
    #[error(transparent)]
    Disable(#[from] DisableError),
    /// The events of a guard go to one reader.
    #[error("another process follows the events of `{0}` already")]
    EventsTaken(String),
    /// Another rpcguard is at work.
    #[error("another rpcguard is changing things: {holder}, for more than {waited:?}")]
    Locked {
        /// Process id and command line.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Another daemon keeps the interfaces of this network namespace.
    #[error("another rpcguard daemon runs in this network namespace: {0}")]
    DaemonRuns(String),
    /// A change was interrupted and could not be undone; the next command tries again.
    #[error("the change failed ({cause}), and tidying up after it failed too: {source}")]
    Unfinished {
        /// Why the change failed.
        cause: Box<Self>,
        /// Why the rest failed.
        source: Box<Self>,
    },
    /// A file or directory operation failed.
    #[error("cannot {action} {path}: {source}", path = foreign_text::path(path))]
    File {
        /// What was to be done.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A system call about BPF objects or interfaces failed.
    #[error("cannot {action}: {}", causes(&**source))]
    System {
        /// What was to be done, on what.
        action: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Whether the command was wrong, rather than something in the way of it.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::InterfaceName { .. }
                | Self::Repeated { .. }
                | Self::Contradiction(_)
                | Self::RateMissing
        )
    }
}
