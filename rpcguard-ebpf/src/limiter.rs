//! The limiter's [`Memory`] in maps.
#![expect(
    unsafe_code,
    reason = "map values are shared between CPUs and reached through pointers"
)]

use core::ptr::addr_of_mut;

use aya_ebpf::helpers::generated::{
    bpf_jiffies64, bpf_ktime_get_ns, bpf_spin_lock, bpf_spin_unlock,
};
use rpcguard_common::{
    gcra,
    limiter::{Charge, Memory, Word},
};

use crate::maps::{CLOCK, LIMITS, LockedCell, SEED, SIGHTINGS, STANDINGS};

/// The maps of the rate policy.
pub(crate) struct Maps;

/// An aligned word of a map value. Maps outlive the program.
pub(crate) struct MapWord(*mut u64);

impl Word for MapWord {
    #[inline(always)]
    fn load(&self) -> u64 {
        // SAFETY: the word is live and aligned; volatile, because other CPUs write it too.
        unsafe { self.0.read_volatile() }
    }

    #[inline(always)]
    fn store(&self, value: u64) {
        // SAFETY: as above.
        unsafe { self.0.write_volatile(value) }
    }
}

impl Memory for Maps {
    type Word = MapWord;

    /// To ask the hardware for the time costs as much as all the rest: it is done once a tick.
    #[inline(always)]
    fn now(&self) -> u64 {
        // SAFETY: the helper takes nothing and only tells a number.
        let jiffies = unsafe { bpf_jiffies64() };
        let Some(clock) = CLOCK.get_ptr_mut(0) else {
            return self.precise_now();
        };
        // SAFETY: `clock` points to a live map value.
        let read_at = MapWord(unsafe { addr_of_mut!((*clock).jiffies) });
        // SAFETY: as above.
        let time = MapWord(unsafe { addr_of_mut!((*clock).nanoseconds) });
        if read_at.load() == jiffies {
            return time.load();
        }
        // Several CPUs may do it at once. In this order, none of them sees a time that is older than
        // by a tick.
        let now = self.precise_now();
        time.store(now);
        read_at.store(jiffies);
        now
    }

    #[inline(always)]
    fn precise_now(&self) -> u64 {
        // SAFETY: as above.
        unsafe { bpf_ktime_get_ns() }
    }

    #[inline(always)]
    fn seed(&self) -> u64 {
        SEED.load()
    }

    #[inline(always)]
    fn arrival(&self, cell: u32) -> Option<MapWord> {
        let cell: *mut LockedCell = LIMITS.get_ptr_mut(cell)?;
        // SAFETY: `cell` points to a live map value.
        Some(MapWord(unsafe { addr_of_mut!((*cell).arrival) }))
    }

    /// The lock of the first cell serves all of them: whatever is charged is charged to that one too.
    #[inline(always)]
    fn charge(&self, now: u64, charges: [Charge; 3]) -> bool {
        let [first, second, third] = charges.map(|charge| LIMITS.get_ptr_mut(charge.cell));
        let (Some(first), Some(second), Some(third)) = (first, second, third) else {
            return false;
        };
        // SAFETY: all three point to live map values.
        let arrivals = [first, second, third].map(|cell| unsafe { addr_of_mut!((*cell).arrival) });
        // SAFETY: as above.
        let lock = unsafe { addr_of_mut!((*first).lock) };
        // SAFETY: the lock is in the value, where the verifier expects it, and not held.
        unsafe { bpf_spin_lock(lock) };
        // SAFETY: live map values; the lock keeps other CPUs out.
        let before = arrivals.map(|arrival| unsafe { arrival.read() });
        let conforms = gcra::conforms(before[0], now, charges[0].tolerance)
            && gcra::conforms(before[1], now, charges[1].tolerance)
            && gcra::conforms(before[2], now, charges[2].tolerance);
        if conforms {
            let mut index = 0;
            while index < 3 {
                let after = gcra::charged(before[index], now, charges[index].period);
                // SAFETY: as above.
                unsafe { arrivals[index].write(after) };
                index += 1;
            }
        }
        // SAFETY: this program holds it.
        unsafe { bpf_spin_unlock(lock) };
        conforms
    }

    #[inline(always)]
    fn sightings(&self, index: u32) -> Option<MapWord> {
        SIGHTINGS.get_ptr_mut(index).map(MapWord)
    }

    #[inline(always)]
    fn standings(&self, index: u32) -> Option<MapWord> {
        STANDINGS.get_ptr_mut(index).map(MapWord)
    }
}
