//! Putting another program in the place of a guard's, and with it maps that the old one does not have.
//!
//! All of the new maps say what the old ones say when the link gets the new program. Their pins are beside
//! the old ones until then, and take their places afterwards, that of the program last. Who finds pins that
//! have not [does that](finish_take_over), before anything else.

use std::{os::fd::AsFd as _, path::Path};

use aya::{
    Ebpf,
    maps::{Map, MapData},
    programs::{
        ProgramInfo,
        links::{FdLink, PinnedLink},
        xdp::XdpLink,
    },
};
use rpcguard_common::abi::{BLOOM_CROWDED, CROWDED, LONG_FROM, map};

use super::{
    Change, Guard,
    bloom::Bloom,
    hosts::Hosts,
    interface, pins, preconditions,
    program::{self, LIMITER_MAPS, LONG_MAPS, Loading, LogLevel, LongSizes, MAPS, Variant},
};
use crate::{
    error::{Doing as _, Error, Result},
    sys::bpf,
};

/// What a program has to have.
#[derive(Clone, Copy)]
pub(super) struct Needs {
    limiter: bool,
    /// See [`Loading::long`].
    long: Option<LongSizes>,
}

impl Needs {
    /// What a guard has to have for a change to it.
    pub(super) fn after(guard: &Guard, change: &Change, limiter: bool) -> Result<Self> {
        let state = guard.state()?;
        let settings = state.current();
        if guard.is_adopted() {
            // Long lists are in the tries then, which hold them too, if not as fast.
            return Ok(Self {
                limiter,
                long: None,
            });
        }
        let (keys, hosts) = change.sizes_after(settings);
        let wanted = LongSizes::of(keys, hosts);
        let long = match guard.long_sizes()? {
            Some(present) if is_crowded(present, keys, hosts) => Some(LongSizes {
                bloom_log2: present.bloom_log2.max(wanted.bloom_log2),
                hosts: [0, 1].map(|family| present.hosts[family].max(wanted.hosts[family])),
            }),
            Some(present) => Some(present),
            None => (change.most_after(&settings.prefixes) >= LONG_FROM).then_some(wanted),
        };
        Ok(Self { limiter, long })
    }

    /// Whether the guard's program does not have all of it.
    pub(super) fn are_lacking(&self, guard: &Guard) -> Result<bool> {
        Ok(self.limiter && !guard.has_limiter()? || self.long != guard.long_sizes()?)
    }
}

/// Whether maps of long lists are too small to be fast.
fn is_crowded(sizes: LongSizes, keys: u64, hosts: [u64; 2]) -> bool {
    let is_crowded = |(hosts, buckets)| hosts > CROWDED * u64::from(buckets);
    keys > BLOOM_CROWDED << sizes.bloom_log2 || hosts.into_iter().zip(sizes.hosts).any(is_crowded)
}

/// A program that is to take the place of a guard's.
pub(super) struct Successor {
    ebpf: Ebpf,
    variant: Variant,
    /// The maps that it does not share with its predecessor.
    new_maps: Vec<&'static str>,
}

impl Successor {
    /// Has the verifier check it, and nothing more.
    pub(super) fn load(guard: &Guard, needs: Needs, log: LogLevel) -> Result<Self> {
        preconditions::privileges("load the program", preconditions::TO_LOAD)?;
        if guard.is_adopted() {
            return Err(Error::Adopted(guard.interface.name.clone()));
        }
        if !guard.is_confirmed() {
            return Err(Error::Unconfirmed(guard.interface.name.clone()));
        }
        let link_layer = interface::link_layer(&guard.interface)?;
        let variant = attached_variant(guard)?;
        let had_limiter = guard.has_limiter()?;
        let had_long = guard.long_sizes()?;
        let mut new_maps = Vec::new();
        if needs.limiter && !had_limiter {
            new_maps.extend(LIMITER_MAPS);
        }
        if needs.long != had_long {
            new_maps.extend(LONG_MAPS);
        }
        let pinned: Vec<&str> = MAPS
            .into_iter()
            .filter(|name| *name != map::STATE && !new_maps.contains(name))
            .collect();
        preconditions::lift_memlock();
        let loading = Loading {
            link: link_layer,
            log,
            limiter: needs.limiter || had_limiter,
            long: needs.long,
            // Written again as it is: this process has the lock. Only who reads events needs none, and
            // says again in a moment that it is there.
            state: (&guard.state()?, &guard.directory.join(map::STATE)),
            pinned: &pinned,
            pins: &guard.directory,
        };
        let mut ebpf = loading.prepare()?;
        program::load(&mut ebpf, variant)?;
        Ok(Self {
            ebpf,
            variant,
            new_maps,
        })
    }

    /// Puts it in the place of the guard's program, at one instant, and then its pins in the place of
    /// those.
    pub(super) fn take_over(mut self, guard: &mut Guard) -> Result<()> {
        let put = self.put_in_place(guard);
        if let Ok(id) = put {
            guard.now_runs(id);
        }
        // Should it fail, it is tried once more, and then left to the next command.
        let finished = finish_take_over(guard).or_else(|_| finish_take_over(guard));
        put?;
        finished
    }

    /// Pins and fills everything that is new, and gives the link the program. Returns its id.
    fn put_in_place(&mut self, guard: &mut Guard) -> Result<u32> {
        let failed = format!("replace the program of `{}`", guard.interface.name);
        discard_next(&guard.directory)?;
        let program = program::load(&mut self.ebpf, self.variant)?;
        let id = program.info().doing(&failed)?.id();
        let next = pins::next(&guard.directory, pins::PROGRAM)?;
        program.pin(next).doing(&failed)?;
        if self.new_maps.contains(&map::BLOOM) {
            let state = guard.state()?;
            let prefixes = guard
                .maps
                .entries(state.epoch, |(prefix, _)| Some(prefix))?;
            Bloom::new(array(&self.ebpf, map::BLOOM)?, state.seed)?.add(prefixes);
            let hosts = hosts(&self.ebpf, state.seed)?;
            guard.maps.fill(&hosts, state.epoch)?;
        }
        for name in &self.new_maps {
            let next = pins::next(&guard.directory, name)?;
            let map = self.ebpf.map(name).doing(&failed)?;
            map.pin(next).doing(&failed)?;
        }
        let program = program::load(&mut self.ebpf, self.variant)?;
        program.attach_to_link(open_link(guard)?).doing(&failed)?;
        Ok(id)
    }
}

/// Gives new pins the places of the old ones if their program is attached, as far as they have not got them
/// yet, and removes them if it is not.
pub(super) fn finish_take_over(guard: &mut Guard) -> Result<()> {
    let next = pins::next_path(&guard.directory, pins::PROGRAM);
    if !next.exists() {
        return Ok(());
    }
    let failed = format!("look at the program pinned as {}", next.display());
    let id = ProgramInfo::from_pin(&next).doing(failed)?.id();
    let failed = format!("look at the link of `{}`", guard.interface.name);
    let link = bpf::open_pin(&guard.directory.join(pins::LINK)).doing(&failed)?;
    // It may have changed since the guard was opened.
    let is_attached = bpf::xdp_link(link.as_fd()).doing(failed)?.program_id == id;
    for name in MAPS {
        if is_attached {
            pins::put_next_in_place(&guard.directory, name)?;
        } else {
            pins::next(&guard.directory, name)?;
        }
    }
    guard.maps.refresh()?;
    guard.maps.finish_moving()?;
    if is_attached {
        pins::put_next_in_place(&guard.directory, pins::PROGRAM)
    } else {
        discard_next(&guard.directory)
    }
}

/// Removes new pins; that of the program last, which tells that there are any.
fn discard_next(directory: &Path) -> Result<()> {
    for name in MAPS.into_iter().chain([pins::PROGRAM]) {
        pins::next(directory, name)?;
    }
    Ok(())
}

/// A map of an object, of a type that can be mapped into memory.
pub(super) fn array<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a MapData> {
    match ebpf.map(name).doing("fill the BPF maps")? {
        Map::Array(data) => Ok(data),
        _ => Err(Error::Kernel(format!("the map {name} is no array"))),
    }
}

/// The tables of hosts of an object.
pub(super) fn hosts(ebpf: &Ebpf, seed: u64) -> Result<Hosts> {
    Hosts::new(
        array(ebpf, map::HOSTS_V4)?,
        array(ebpf, map::HOSTS_V6)?,
        seed,
    )
}

/// The link of a guard.
fn open_link(guard: &Guard) -> Result<XdpLink> {
    let failed = format!("open the link of `{}`", guard.interface.name);
    let link = PinnedLink::from_pin(guard.directory.join(pins::LINK)).doing(&failed)?;
    XdpLink::try_from(FdLink::from(link)).doing(failed)
}

/// Which of the programs is attached, by its name in the kernel.
fn attached_variant(guard: &Guard) -> Result<Variant> {
    let failed = format!("look at the program of `{}`", guard.interface.name);
    let program = ProgramInfo::from_pin(guard.directory.join(pins::PROGRAM)).doing(failed)?;
    Ok(if program.name_as_str() == Some(Variant::Frags.name()) {
        Variant::Frags
    } else {
        Variant::Linear
    })
}
