//! [`Tables`] over the maps.
#![expect(
    unsafe_code,
    reason = "map values are shared with userspace and read through pointers"
)]

use core::{mem::MaybeUninit, ptr::addr_of};

use aya_ebpf::btf_maps::lpm_trie::Key;
use rpcguard_common::{
    abi::{Decision, Limits, PortSet, Settings, State, VacantBlocks, flag},
    limiter,
    policy::{Source, Tables},
};

use crate::{
    limiter::Maps,
    maps::{LIMITER, PREFIXES_V4, PREFIXES_V6, STATE},
};

/// The tables as of one epoch.
pub(crate) struct KernelTables {
    state: *const State,
    settings: *const Settings,
    epoch: u32,
}

impl KernelTables {
    /// `None` cannot happen: the array has an element zero. The verifier wants it said.
    #[inline(always)]
    pub(crate) fn current() -> Option<Self> {
        let state: *const State = STATE.get_ptr(0)?;
        // SAFETY: `state` points to a live map value.
        let epoch = unsafe { addr_of!((*state).epoch) };
        // SAFETY: as above; userspace stores the epoch as one aligned word, hence the volatile
        // read.
        let epoch = unsafe { epoch.read_volatile() };
        // SAFETY: `side` is 0 or 1.
        let settings = unsafe { addr_of!((*state).settings[State::side(epoch)]) };
        Some(Self {
            state,
            settings,
            epoch,
        })
    }

    /// Whether to pass everything.
    #[inline(always)]
    pub(crate) fn observes(&self) -> bool {
        self.flags() & flag::OBSERVE != 0
    }

    /// Whether somebody reads events at this time of the monotonic clock.
    #[inline(always)]
    pub(crate) fn wants_events(&self, now: u64) -> bool {
        // SAFETY: `state` points to a live map value.
        let until = unsafe { addr_of!((*self.state).events_until) };
        // SAFETY: as above; userspace stores it at any time, hence the volatile read.
        let until = unsafe { until.read_volatile() };
        now < until
    }

    #[inline(always)]
    fn flags(&self) -> u32 {
        // SAFETY: settings points into the live state value.
        let flags = unsafe { addr_of!((*self.settings).flags) };
        // SAFETY: as above; volatile for the same reason as the epoch.
        unsafe { flags.read_volatile() }
    }
}

impl Tables for KernelTables {
    #[inline(always)]
    fn guards_port(&self, port: u16) -> bool {
        // SAFETY: settings points into the live state value.
        let ports: *const PortSet = unsafe { addr_of!((*self.settings).ports) };
        // SAFETY: as above; the reference to a port set that only changes under another epoch does
        // not outlive this call.
        let ports = unsafe { &*ports };
        ports.contains(port)
    }

    #[inline(always)]
    fn guards_tcp(&self) -> bool {
        self.flags() & flag::TCP != 0
    }

    #[inline(always)]
    fn lookup(&self, source: Source) -> Decision {
        let entry = match source {
            Source::V4(address) => {
                // SAFETY: `state` points to a live map value.
                let vacant: *const VacantBlocks = unsafe { addr_of!((*self.state).vacant_v4) };
                // SAFETY: as above; bits that change meanwhile are as good before as after.
                let vacant = unsafe { &*vacant };
                if vacant.contains([address[0], address[1]]) {
                    return Decision::UNLISTED;
                }
                PREFIXES_V4.get(&AlignedKey::new(32, address).key)
            }
            Source::V6(address) => {
                // SAFETY: as above.
                let vacant: *const VacantBlocks = unsafe { addr_of!((*self.state).vacant_v6) };
                // SAFETY: as above.
                let vacant = unsafe { &*vacant };
                if vacant.contains([address[0], address[1]]) {
                    return Decision::UNLISTED;
                }
                PREFIXES_V6.get(&AlignedKey::new(128, address).key)
            }
        };
        entry.map_or(Decision::UNLISTED, |entry| entry.at(self.epoch))
    }

    #[inline(always)]
    fn served(&self) -> Option<u64> {
        if LIMITER.load() == 0 || self.flags() & flag::RATE == 0 {
            return None;
        }
        // SAFETY: settings points into the live state value.
        let procedures = unsafe { addr_of!((*self.settings).procedures) };
        // SAFETY: as above.
        Some(unsafe { procedures.read() })
    }

    #[inline(always)]
    fn admits(&self, source: Source, call: u32) -> bool {
        // SAFETY: settings points into the live state value.
        let limits: *const Limits = unsafe { addr_of!((*self.settings).limits) };
        // SAFETY: as above; the reference to limits that only change under another epoch does not
        // outlive this call.
        let limits = unsafe { &*limits };
        limiter::admit(&Maps, limits, source, call)
    }
}

/// A key whose address can be stored and compared in whole words.
#[repr(C, align(8))]
struct AlignedKey<K> {
    _padding: MaybeUninit<u32>,
    key: Key<K>,
}

impl<K> AlignedKey<K> {
    #[inline(always)]
    const fn new(length: u32, address: K) -> Self {
        Self {
            _padding: MaybeUninit::uninit(),
            key: Key::new(length, address),
        }
    }
}
