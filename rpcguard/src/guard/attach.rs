//! Attaching the filter, and renewing the program of one that is attached.

use std::{
    os::fd::OwnedFd,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use aya::{Ebpf, maps::MapData};
use rpcguard_common::abi::{
    ABI_VERSION, FewPorts, HIT_SLOTS, LONG_FROM, Settings, State, VacantBlocks, flag, map,
};

use super::{
    Change, Committed, Entry, Guard, Lock, Mode, Registry,
    bloom::Bloom,
    confirm::{self, Unconfirmed},
    destinations,
    interface::{self, Interface},
    link,
    listing::Listing,
    pins::{self, Attaching},
    preconditions, prefix_maps,
    program::{self, Loading, LogLevel, LongSizes, MAPS, Variant},
    successor::{self, Needs, Successor, array, hosts},
    transaction::commit_with,
    trie, vacancy,
};
use crate::{
    error::{Doing as _, Error, Result},
    policy::{Destinations, NoRatePolicy, Policy},
    prefix::Prefix,
    sys::{bpf, random},
};

/// The MTU up to which a driver can be expected to keep a frame in one buffer: a page, less room
/// for headers and for what the kernel notes behind the data.
const MAX_LINEAR_MTU: u32 = 3400;

/// How to attach.
#[derive(Clone, Debug, Default)]
pub struct Attach {
    /// What is guarded, and how.
    pub policy: Policy,
    /// The prefixes that pass.
    pub allow: Vec<Prefix>,
    /// The prefixes that are dropped.
    pub deny: Vec<Prefix>,
    /// Where to run; `None` tries native mode, then generic mode.
    pub mode: Option<Mode>,
    /// What the program logs.
    pub log: LogLevel,
}

/// What attaching came to.
pub struct Attached {
    /// The filter.
    pub guard: Guard,
    /// Why native mode was not to be had, where generic mode was taken instead.
    pub native_refused: Option<Error>,
}

/// Attaches the filter to an interface.
///
/// It is in force, with all of its prefixes, from the instant at which it is attached, and stays
/// when this process ends.
///
/// # Errors
///
/// [`Error::AlreadyAttached`], [`Error::ForeignProgram`], [`Error::Refused`], and everything that
/// can be wrong with the interface, the prefixes and the machine. The interface is then as before.
pub fn attach(registry: &Registry, lock: &Lock, name: &str, how: &Attach) -> Result<Attached> {
    let (unconfirmed, native_refused) = attach_unconfirmed(registry, lock, name, how)?;
    let mut guards = confirm::confirm(registry, lock, vec![unconfirmed])?;
    match guards.pop() {
        Some(guard) => Ok(Attached {
            guard,
            native_refused,
        }),
        None => Err(Error::NotAttached(name.to_owned())),
    }
}

/// Attaches the filter to an interface until it is [confirmed](confirm::confirm), or this process ends,
/// whatever ends it. Also returns why native mode was not to be had, where generic mode was taken instead.
///
/// # Errors
///
/// As [`attach`]; and [`Error::Unconfirmed`] if it is guarded so already.
pub fn attach_unconfirmed(
    registry: &Registry,
    lock: &Lock,
    name: &str,
    how: &Attach,
) -> Result<(Unconfirmed, Option<Error>)> {
    registry.remove_orphans(lock)?;
    let interface = interface::by_name(name)?;
    match registry.find(name)? {
        Some(Entry::Guard(guard)) if !guard.is_confirmed() => {
            return Err(Error::Unconfirmed(name.to_owned()));
        }
        Some(Entry::Guard(_)) => return Err(Error::AlreadyAttached(name.to_owned())),
        Some(Entry::Incompatible {
            interface, found, ..
        }) => {
            return Err(Error::AbiVersion { interface, found });
        }
        Some(Entry::Leftover(leftover)) => {
            log::info!("removing what is left of an earlier guard of `{name}`");
            leftover.remove(lock)?;
        }
        None => {}
    }
    if let Some(foreign) = link::foreign_program(&interface)? {
        return Err(foreign);
    }
    let link_layer = interface::link_layer(&interface)?;
    let listing = Listing::new(&how.allow, &how.deny)?;
    if let Destinations::Only(prefixes) = &how.policy.destinations {
        destinations::check(prefixes)?;
    }

    preconditions::lift_memlock();
    let directory = registry.vacant_directory(name);
    let state = first_state(registry, &how.policy, &listing)?;
    let map = create_state()?;
    pins::create_directory(&registry.directory())?;
    let attaching = Attaching::pin(&map, &registry.directory())?;
    let counts = listing.long;
    let hosts = [counts.hosts_v4, counts.hosts_v6].map(u64::from);
    let is_long = listing.counts.total() >= LONG_FROM;
    let long = is_long.then(|| LongSizes::of(counts.keys.into(), hosts));
    let loading = Loading {
        link: link_layer,
        log: how.log,
        limiter: how.policy.rate.is_some(),
        long,
        state: (&state, attaching.path()),
        pinned: &[],
        pins: &directory,
    };
    let mut ebpf = loading.prepare()?;
    attaching.remove()?;
    fill(&mut ebpf, &listing, is_long, state.seed)?;
    if let Destinations::Only(prefixes) = &how.policy.destinations {
        let map = ebpf.map_mut(map::DESTINATIONS).doing("fill the BPF maps")?;
        destinations::write(map, flag::destinations(0), prefixes)?;
    }
    let (variant, link, native_refused) = link_up(&mut ebpf, &interface, how.mode)?;

    pins::create_directory(&directory)?;
    let unconfirmed = Unconfirmed::new(name, link, &directory)?;
    match pin(&mut ebpf, variant, &directory) {
        Ok(()) => Ok((unconfirmed, native_refused)),
        Err(cause) => Err(unconfirmed.end_because(lock, cause)),
    }
}

/// Puts this build's program in the place of those that are attached to these interfaces, each at
/// one instant; prefixes, settings and counters stay, but for what `change` changes.
///
/// # Errors
///
/// [`Error::NotAttached`], [`Error::AbiVersion`], those of [`commit`](super::commit), and failing system calls.
/// Nothing is changed then, but that some of the programs may be others.
pub fn replace<'a>(
    registry: &Registry,
    lock: &Lock,
    names: impl IntoIterator<Item = &'a str>,
    change: &Change,
    log: LogLevel,
) -> Result<Vec<Guard>> {
    let mut guards = Vec::new();
    let mut successors = Vec::new();
    for name in names {
        let mut guard = registry.guard(name)?;
        successor::finish_take_over(&mut guard)?;
        guard.remove_lapsed(lock)?;
        let mut policy = guard.policy()?;
        policy
            .apply(&change.policy)
            .map_err(|NoRatePolicy| Error::NoRatePolicy(name.to_owned()))?;
        let needs = Needs::after(&guard, change, policy.rate.is_some())?;
        successors.push(Successor::load(&guard, needs, log)?);
        guards.push(guard);
    }
    let changes = vec![change; guards.len()];
    commit_with(&mut guards, lock, &changes, |guards| {
        let pairs = guards.iter_mut().zip(successors);
        pairs
            .into_iter()
            .try_for_each(|(guard, successor)| successor.take_over(guard))
    })?;
    Ok(guards)
}

/// Changes the guard of an interface. The first rate policy needs larger maps than the guard has, and a
/// program that uses them: that is put in place before, where it does the same as the old one.
///
/// # Errors
///
/// [`Error::NotAttached`], [`Error::AbiVersion`], those of [`commit`](super::commit), and failing system calls. Nothing
/// is changed then, but that the program may be another.
pub fn set(registry: &Registry, lock: &Lock, name: &str, change: &Change) -> Result<Guard> {
    let mut guard = registry.guard(name)?;
    commit(std::slice::from_mut(&mut guard), lock, change)?;
    Ok(guard)
}

/// Carries out one change on several guards: on all of them, or on none.
///
/// A list that becomes long needs a larger map than the guard may have, as the first rate policy needs others,
/// and a program that uses it: that is put in place before, where it does the same as the old one.
///
/// # Errors
///
/// [`Error::Conflict`], [`Error::NotListed`], [`Error::TooManyPrefixes`]; failing system calls.
/// Everything is then as it was, but that the programs may be others, unless the error is
/// [`Error::Unfinished`].
pub fn commit(guards: &mut [Guard], lock: &Lock, change: &Change) -> Result<Vec<Committed>> {
    let changes = vec![change; guards.len()];
    commit_each(guards, lock, &changes)
}

/// Carries out a change on each guard, that in the same place of `changes`: on all of them, or on none.
///
/// # Errors
///
/// As [`commit`].
///
/// # Panics
///
/// If there are not as many changes as guards.
pub fn commit_each(
    guards: &mut [Guard],
    lock: &Lock,
    changes: &[&Change],
) -> Result<Vec<Committed>> {
    assert_eq!(guards.len(), changes.len(), "each guard has its change");
    let mut successors = Vec::new();
    for (guard, change) in guards.iter_mut().zip(changes) {
        successor::finish_take_over(guard)?;
        guard.remove_lapsed(lock)?;
        let needs = Needs::after(guard, change, change.policy.rate.begins())?;
        successors.push(if needs.are_lacking(guard)? {
            Some(Successor::load(guard, needs, LogLevel::Off)?)
        } else {
            None
        });
    }
    commit_with(guards, lock, changes, |guards| {
        let mut pairs = guards.iter_mut().zip(successors);
        pairs.try_for_each(|(guard, successor)| match successor {
            Some(successor) => successor.take_over(guard),
            None => Ok(()),
        })
    })
}

impl Guard {
    /// Carries out a change on this guard alone.
    ///
    /// # Errors
    ///
    /// As [`commit`].
    pub fn commit(&mut self, lock: &Lock, change: &Change) -> Result<Committed> {
        let committed = commit(std::slice::from_mut(self), lock, change)?;
        Ok(committed.into_iter().next().unwrap_or_default())
    }
}

/// The state that the filter starts with.
pub(super) fn first_state(
    registry: &Registry,
    policy: &Policy,
    listing: &Listing,
) -> Result<State> {
    let mut settings = Settings::EMPTY;
    policy.write_to(&mut settings);
    settings.prefixes = listing.counts;
    settings.long = listing.long;
    settings.hit_slots_used =
        u32::try_from(listing.prefixes.len()).map_or(HIT_SLOTS, |count| count.min(HIT_SLOTS));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let few_ports = FewPorts::of(&settings.ports);
    let mut state = State {
        abi_version: ABI_VERSION,
        epoch: 0,
        attached_at: now.as_secs(),
        netns: registry.netns(),
        changing: 0,
        next: 0,
        events_until: 0,
        seed: random::seed()?,
        few_ports,
        settings: [settings, Settings::EMPTY],
        vacant_v4: VacantBlocks::ALL,
        vacant_v6: VacantBlocks::ALL,
        vacant_of_short_v4: VacantBlocks::ALL,
        vacant_of_short_v6: VacantBlocks::ALL,
    };
    for (prefix, _) in &listing.prefixes {
        vacancy::occupy(&mut state, *prefix);
    }
    Ok(state)
}

/// The loader would make it so that it cannot be mapped into memory.
fn create_state() -> Result<MapData> {
    let failed = "create the map of the state";
    let map = bpf::create_mappable(map::STATE, size_of::<State>()).doing(failed)?;
    MapData::from_fd(map).doing(failed)
}

/// Writes the prefixes that the filter starts with.
fn fill(ebpf: &mut Ebpf, listing: &Listing, is_long: bool, seed: u64) -> Result<()> {
    let mut entries = listing.entries();
    if is_long {
        let bloom = Bloom::new(array(ebpf, map::BLOOM)?, seed)?;
        bloom.add(listing.prefixes.iter().map(|(prefix, _)| *prefix));
        let tables = hosts(ebpf, seed)?;
        entries = prefix_maps::place(&tables, entries, |_| Ok(false))?;
    }
    let failed = "fill the BPF maps";
    let [v4, v6] = ebpf.maps_disjoint_mut([map::PREFIXES_V4, map::PREFIXES_V6]);
    trie::write_both(v4.doing(failed)?, v6.doing(failed)?, &entries)
}

/// Loads the program and attaches it, trying what `mode` allows from best to worst.
fn link_up(
    ebpf: &mut Ebpf,
    interface: &Interface,
    mode: Option<Mode>,
) -> Result<(Variant, OwnedFd, Option<Error>)> {
    use Variant::{Frags, Linear};
    // A driver may want room for frames that the interface itself does not send: veth goes by its
    // peer's MTU.
    let native = if interface.mtu > MAX_LINEAR_MTU {
        [Frags, Linear]
    } else {
        [Linear, Frags]
    };
    let mut refusal = None;
    if mode != Some(Mode::Generic) {
        for variant in native {
            let attempt = program::load(ebpf, variant)
                .and_then(|program| link::attach(program, interface, Mode::Native));
            match attempt {
                Ok(link) => return Ok((variant, link, None)),
                Err(error @ Error::ForeignProgram { .. }) => return Err(error),
                // The first refusal is of the program that fits the MTU, and tells most; unless it is
                // the kernel's, which has no such program (before 5.18), and the driver refuses too.
                Err(error) => match (&refusal, &error) {
                    (None, _) | (Some(Error::System { .. }), Error::Refused { .. }) => {
                        refusal = Some(error);
                    }
                    _ => {}
                },
            }
        }
    }
    match (mode, refusal) {
        (Some(Mode::Native), Some(error)) => Err(error),
        (_, refusal) => {
            let program = program::load(ebpf, Linear)?;
            Ok((
                Linear,
                link::attach(program, interface, Mode::Generic)?,
                refusal,
            ))
        }
    }
}

/// Pins everything but the link.
fn pin(ebpf: &mut Ebpf, variant: Variant, directory: &Path) -> Result<()> {
    let failed = format!("pin the filter in {}", directory.display());
    for name in MAPS {
        let map = match name {
            map::STATE => map::STATE_SECTION,
            name => name,
        };
        let map = ebpf.map(map).doing(&failed)?;
        map.pin(directory.join(name)).doing(&failed)?;
    }
    program::load(ebpf, variant)?
        .pin(directory.join(pins::PROGRAM))
        .doing(failed)
}
