//! When prefixes lapse that are in a list for some time only.

use std::{
    collections::HashSet,
    mem::offset_of,
    os::fd::AsFd as _,
    path::Path,
    time::{Duration, SystemTime},
};

use aya::maps::MapData;
use rpcguard_common::abi::{self, ENDS_LEN, MAX_ENDS, PrefixCounts, map};
use rustix::time::{ClockId, clock_gettime};

use super::Verdict;
use crate::{
    error::{Doing as _, Result},
    prefix::Prefix,
    sys::mapped::MappedArray,
};

/// A time of the clock of boot time, which goes on while the machine sleeps, and which nobody sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(u64);

impl BootTime {
    /// The present time.
    #[must_use]
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = Duration::from_secs(now.tv_sec.unsigned_abs());
        Self(nanoseconds(seconds) + now.tv_nsec.unsigned_abs())
    }

    /// The time after this one.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(duration)))
    }

    /// What the calendar says at this time, as far as can be known now.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        let (clock, now) = (Self::now(), SystemTime::now());
        let to_come = Duration::from_nanos(self.0.saturating_sub(clock.0));
        let gone_by = Duration::from_nanos(clock.0.saturating_sub(self.0));
        now.checked_add(to_come)
            .and_then(|time| time.checked_sub(gone_by))
            .unwrap_or(now)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The ends of a guard's prefixes.
pub(super) struct Ends(MappedArray);

impl Ends {
    /// Those that are pinned in a directory.
    pub(super) fn of(directory: &Path) -> Result<Self> {
        let failed = "map the ends of prefixes";
        let data = MapData::from_pin(directory.join(map::ENDS)).doing(failed)?;
        let len = ENDS_LEN as usize * size_of::<abi::End>();
        Ok(Self(
            MappedArray::new(data.fd().as_fd(), len).doing(failed)?,
        ))
    }

    /// The end of this number; `None` if it is nobody's, or no end.
    pub(super) fn get(&self, end: u32) -> Option<BootTime> {
        if end == 0 {
            return None;
        }
        let until = self.0.load_u64(at(end) + offset_of!(abi::End, until));
        Some(BootTime(until)).filter(|until| until.0 != 0)
    }

    /// Whether what ends so is not in force any more.
    pub(super) fn has_lapsed(&self, end: u32) -> bool {
        end != 0 && self.get(end).is_none_or(|until| until <= BootTime::now())
    }

    /// So many numbers that are nobody's; fewer if there are not so many.
    pub(super) fn vacant(&self, count: usize) -> Vec<u32> {
        let vacant = (1..=MAX_ENDS).filter(|end| self.get(*end).is_none());
        vacant.take(count).collect()
    }

    /// Gives a number to the end of a prefix.
    pub(super) fn set(&self, end: u32, until: BootTime, verdict: Verdict, prefix: Prefix) {
        let verdict = abi::Verdict::from(verdict) as u32;
        let version = version(prefix);
        self.0
            .store_u32(at(end) + offset_of!(abi::End, verdict), verdict);
        self.0
            .store_u32(at(end) + offset_of!(abi::End, version), version);
        self.0
            .store_u64(at(end) + offset_of!(abi::End, until), until.0);
    }

    /// Takes numbers back from prefixes that are not listed under them any more.
    pub(super) fn vacate(&self, ends: impl IntoIterator<Item = u32>) {
        for end in ends {
            self.0.store_u64(at(end) + offset_of!(abi::End, until), 0);
        }
    }

    /// Takes all numbers back but these.
    pub(super) fn vacate_all_but(&self, kept: &HashSet<u32>) {
        self.vacate((1..=MAX_ENDS).filter(|end| self.get(*end).is_some() && !kept.contains(end)));
    }

    /// How many listed prefixes have lapsed.
    pub(super) fn lapsed(&self) -> PrefixCounts {
        let mut counts = PrefixCounts::default();
        let now = BootTime::now();
        let has_lapsed = |end: &u32| self.get(*end).is_some_and(|until| until <= now);
        for end in (1..=MAX_ENDS).filter(has_lapsed) {
            let verdict = self.0.load_u32(at(end) + offset_of!(abi::End, verdict));
            let version = self.0.load_u32(at(end) + offset_of!(abi::End, version));
            let is_allowed = verdict == abi::Verdict::Allow as u32;
            *match (is_allowed, version) {
                (true, 4) => &mut counts.allow_v4,
                (true, _) => &mut counts.allow_v6,
                (false, 4) => &mut counts.deny_v4,
                (false, _) => &mut counts.deny_v6,
            } += 1;
        }
        counts
    }
}

fn at(end: u32) -> usize {
    end as usize * size_of::<abi::End>()
}

fn version(prefix: Prefix) -> u32 {
    if prefix.address().is_ipv4() { 4 } else { 6 }
}
