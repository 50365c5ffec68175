//! Hit slots: which prefix has its hits counted where.

use std::{io, os::fd::AsFd as _};

use aya::maps::IterableMap as _;
use rpcguard_common::abi::{Counter, Decision, HIT_SLOTS, PrefixEntry, Settings, hits_index};

use super::{Guard, entries::Left, prefixes::possible_cpus};
use crate::{
    error::{Doing as _, Result},
    prefix::Prefix,
    sys::bpf,
};

impl Guard {
    /// Finds hit slots for `wanted` new prefixes: as many as are left. `listed` is all that is listed
    /// under `epoch`, if that is known.
    pub(super) fn take_slots(
        &self,
        settings: &mut Settings,
        wanted: usize,
        epoch: u32,
        listed: Option<&[(Prefix, Decision)]>,
    ) -> Result<Vec<u32>> {
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let fresh = wanted.min(HIT_SLOTS - settings.hit_slots_used);
        let first = settings.hit_slots_used + 1;
        let mut slots: Vec<u32> = (first..first + fresh).collect();
        settings.hit_slots_used += fresh;

        let total = settings.prefixes.total();
        if fresh < wanted && total <= u64::from(HIT_SLOTS) {
            // Prefixes that were removed have left slots behind.
            let mut is_free = vec![true; HIT_SLOTS as usize + 1];
            let mut take = |slot: u32| is_free[slot as usize] = false;
            slots.iter().copied().for_each(&mut take);
            match listed {
                Some(listed) => listed.iter().for_each(|(_, own)| take(own.hit_slot())),
                None => {
                    let listed = self.listed(epoch)?;
                    listed.iter().for_each(|(_, own)| take(own.hit_slot()));
                }
            }
            let free = (1..=HIT_SLOTS).filter(|slot| is_free[*slot as usize]);
            let left_behind: Vec<u32> = free.take((wanted - fresh) as usize).collect();
            self.clear_hits(&left_behind)?;
            slots.extend(left_behind);
        }
        Ok(slots)
    }

    /// Gives the hit slots of prefixes that were removed to those that have none.
    pub(super) fn pass_slots_on(&mut self, left: &Left) -> Result<()> {
        let count = left.freed.len().min(left.uncounted.len());
        let slots = &left.freed[..count];
        self.clear_hits(slots)?;
        let pairs = slots.iter().zip(&left.uncounted);
        let entries: Vec<_> = pairs
            .map(|(slot, (prefix, decision))| {
                let decision = decision.counted_in(*slot);
                (*prefix, PrefixEntry::settled(prefix.length(), decision))
            })
            .collect();
        self.maps.write(entries)
    }

    /// Sets the hits of slots to zero, before other prefixes get them.
    fn clear_hits(&self, slots: &[u32]) -> Result<()> {
        let failed = "clear the prefixes' hits";
        let cpus = possible_cpus(failed)?;
        let of_cpu = |cpu| slots.iter().map(move |slot| hits_index(cpu, *slot));
        let cleared: Vec<_> = (0..cpus)
            .flat_map(of_cpu)
            .map(|index| (index, Counter::default()))
            .collect();
        // Arrays take batches since Linux 5.6.
        match bpf::update_batch(self.hits.map().fd().as_fd(), &cleared).doing(failed)? {
            true => Ok(()),
            false => Err(io::Error::from(io::ErrorKind::Unsupported)).doing(failed),
        }
    }
}
