//! The attached filter as one object.
//!
//! [`Registry`] knows the guards of this network namespace; [`attach`] makes one; a [`Guard`] reads
//! counters and prefixes and commits [`Change`]s. All state is in the kernel, pinned: a [`Guard`]
//! is only a handle to it, and dropping one changes nothing.

mod adopt;
mod attach;
mod bloom;
mod change;
mod confirm;
mod counters;
mod cover;
mod destinations;
mod ends;
mod entries;
mod events;
mod hosts;
mod interface;
mod link;
mod listing;
mod lock;
mod orphans;
mod pins;
mod plan;
pub(crate) mod preconditions;
mod prefix_maps;
mod prefixes;
mod program;
mod registry;
mod slots;
mod sources;
mod successor;
mod transaction;
mod trie;
mod unfinished;
mod vacancy;

use std::{
    fmt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use aya::maps::{Array, Map, MapData, PerCpuArray};
use rpcguard_common::abi::{self, Counter, Counters, Settings, State, flag, map};

pub use adopt::adopt;
pub(crate) use adopt::{DISPATCHER, is_adoptable};
pub use attach::{Attach, Attached, attach, attach_unconfirmed, commit, commit_each, replace, set};
pub use change::{Change, Committed};
pub use confirm::{Fate, Unconfirmed, confirm, end};
pub use counters::FilterCounters;
pub use ends::BootTime;
pub use events::{Event, Events};
pub(crate) use interface::{
    by_name as interface_by_name, check_name, interface_exists, link_layer,
};
pub use link::Mode;
pub(crate) use link::program_name;
pub use lock::Lock;
pub use prefixes::{Decided, ListedPrefix};
pub use program::LogLevel;
pub use registry::{Entry, Leftover, Registry};
pub use rpcguard_common::{
    abi::{Counter as PacketCounter, PrefixCounts, RequestCounter},
    reason::{Action, Reason},
    rpc::Request,
    sampling::Aggregate,
};
pub use sources::SourceEstimate;

use crate::{
    error::{Doing as _, Result},
    policy::{Destinations, Policy},
    sys::bpf::XdpLink,
};
use bloom::Bloom;
use ends::Ends;
use interface::Interface;
use prefix_maps::PrefixMaps;
use program::LongSizes;

/// Which of the two lists a prefix is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Packets from it pass.
    Allow,
    /// Packets from it are dropped.
    Deny,
}

impl Verdict {
    /// The word for it in commands, tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Verdict> for abi::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allow => Self::Allow,
            Verdict::Deny => Self::Deny,
        }
    }
}

/// A filter that is attached to an interface.
pub struct Guard {
    interface: Interface,
    directory: PathBuf,
    link: XdpLink,
    confirmed: bool,
    /// What the interface runs in the place of the program, where another loader attached it.
    runs: Option<u32>,
    state: Array<MapData, State>,
    counters: PerCpuArray<MapData, Counters>,
    hits: Array<MapData, Counter>,
    sources: MapData,
    destinations: Map,
    ends: Ends,
    maps: PrefixMaps,
}

impl Guard {
    /// Opens the pinned objects in `directory`, which belong to `interface`.
    fn open(
        directory: &Path,
        interface: Interface,
        link: XdpLink,
        confirmed: bool,
        runs: Option<u32>,
    ) -> Result<Self> {
        let pin = |name: &str| pins::map(directory, name);
        let failed = format!("use the maps pinned in {}", directory.display());
        Ok(Self {
            state: pin(map::STATE)?.try_into().doing(&failed)?,
            counters: pin(map::COUNTERS)?.try_into().doing(&failed)?,
            hits: pin(map::HITS)?.try_into().doing(&failed)?,
            sources: MapData::from_pin(directory.join(map::SOURCES)).doing(&failed)?,
            destinations: pin(map::DESTINATIONS)?,
            ends: Ends::of(directory)?,
            maps: PrefixMaps::of(directory)?,
            directory: directory.to_owned(),
            interface,
            link,
            confirmed,
            runs,
        })
    }

    /// The interface's present name.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface.name
    }

    /// The interface's index.
    #[must_use]
    pub const fn ifindex(&self) -> u32 {
        self.interface.index
    }

    /// The kernel's id of the program.
    #[must_use]
    pub const fn program_id(&self) -> u32 {
        self.link.program_id
    }

    /// The kernel's id of the link; zero if it has none of its own ([adopted](Self::is_adopted)), or is not
    /// confirmed and this process lacks CAP_SYS_ADMIN, which it takes to find out.
    #[must_use]
    pub const fn link_id(&self) -> u32 {
        self.link.id
    }

    /// Where the program runs; `None` if it was offloaded to the device, which rpcguard does not do.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        let runs = self.runs.unwrap_or(self.link.program_id);
        let mut programs = self.interface.xdp.iter();
        let program = programs.find(|program| program.id == runs)?;
        Mode::of(program.attached)
    }

    /// When the filter was attached.
    ///
    /// # Errors
    ///
    /// If the state cannot be read.
    pub fn attached_at(&self) -> Result<SystemTime> {
        Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(self.state()?.attached_at))
    }

    /// What is guarded, and how.
    ///
    /// # Errors
    ///
    /// If the state cannot be read.
    pub fn policy(&self) -> Result<Policy> {
        self.under_one_epoch(|_| self.policy_in(self.state()?.current()))
    }

    /// The policy in settings that are in force.
    fn policy_in(&self, settings: &Settings) -> Result<Policy> {
        let destinations = if settings.flags & flag::SELECTIVE == 0 {
            Destinations::All
        } else {
            let set = flag::destinations(settings.flags);
            Destinations::Only(destinations::read(&self.destinations, set)?)
        };
        Ok(Policy::from_settings(settings, destinations))
    }

    /// How many prefixes the lists hold.
    ///
    /// # Errors
    ///
    /// If the state cannot be read.
    pub fn prefix_counts(&self) -> Result<PrefixCounts> {
        let listed = self.state()?.current().prefixes;
        let lapsed = self.ends.lapsed();
        Ok(PrefixCounts {
            allow_v4: listed.allow_v4.saturating_sub(lapsed.allow_v4),
            allow_v6: listed.allow_v6.saturating_sub(lapsed.allow_v6),
            deny_v4: listed.deny_v4.saturating_sub(lapsed.deny_v4),
            deny_v6: listed.deny_v6.saturating_sub(lapsed.deny_v6),
        })
    }

    /// Whether the maps of the rate policy have their full size. Those of a guard that has had no
    /// rate policy so far do not.
    ///
    /// # Errors
    ///
    /// If the map cannot be looked at.
    pub fn has_limiter(&self) -> Result<bool> {
        // The object for other loaders has the maps, but not the policy.
        Ok(!self.is_adopted() && self.has_limiter_maps()?)
    }

    fn has_limiter_maps(&self) -> Result<bool> {
        pins::is_full_size(&self.directory, map::LIMITS)
    }

    /// The number of the guard's present state: another one means that its lists or settings were changed.
    pub(crate) fn epoch(&self) -> Result<u32> {
        Ok(self.state()?.epoch)
    }

    /// Where it is pinned.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// How large the maps of long lists are; `None` if the lists have always been short.
    fn long_sizes(&self) -> Result<Option<LongSizes>> {
        if !pins::is_full_size(&self.directory, map::BLOOM)? {
            return Ok(None);
        }
        let length = |name| pins::map_info(&self.directory, name).map(|info| info.max_entries());
        Ok(Some(LongSizes {
            bloom_log2: length(map::BLOOM)?.ilog2(),
            hosts: [length(map::HOSTS_V4)?, length(map::HOSTS_V6)?],
        }))
    }

    fn bloom(&self, state: &State) -> Result<Option<Bloom>> {
        Bloom::of(&self.directory, state.seed)
    }

    fn state(&self) -> Result<State> {
        self.state
            .get(&0, 0)
            .doing(format!("read the settings of `{}`", self.interface.name))
    }

    /// Takes note of the program that has taken the place of the one that was attached.
    fn now_runs(&mut self, program_id: u32) {
        for program in &mut self.interface.xdp {
            if program.id == self.link.program_id {
                program.id = program_id;
            }
        }
        self.link.program_id = program_id;
    }

    /// Detaches the filter and removes everything that is left of it.
    ///
    /// # Errors
    ///
    /// If the filter cannot be taken off; it is in force then as before. Once it is off, pins that
    /// cannot be removed are left to the next [`attach`] or [`Leftover::remove`].
    pub fn detach(self, _lock: &Lock) -> Result<()> {
        if self.is_adopted() {
            adopt::let_go(&self.directory, &self.interface.name)?;
        } else if self.confirmed {
            pins::detach(&self.directory)?;
        } else {
            self.detach_unconfirmed()?;
        }
        if let Err(error) = pins::clear(&self.directory) {
            log::warn!(
                "`rpcguard detach {}` removes what is left: {error}",
                self.interface.name
            );
        }
        Ok(())
    }
}
