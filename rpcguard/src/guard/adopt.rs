//! Guards whose program somebody else loaded: beside other XDP programs, under xdp-tools' dispatcher.
//!
//! `xdp-loader load` attaches the object of `cargo xtask build-ebpf`, alone or as one of several programs that a
//! dispatcher calls, and creates its maps. Their state is all zeros, which says that no port is guarded: everything
//! passes. Adopting it writes settings and prefixes for the next epoch, pins maps and program where guards are looked for,
//! and puts them in force by the store of that epoch; a second pin of the program says that there is no link. The
//! program stays in the hands of its loader: what needs another one, or larger maps, is refused.

use std::{
    collections::HashSet,
    fs, io,
    mem::offset_of,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use aya::{
    maps::{Array, Map, MapData, MapInfo},
    programs::ProgramInfo,
};
use rpcguard_common::{
    abi::{
        ABI_VERSION, Counters, PrefixEntry, Settings, State, flag, hits_len, map, program,
        sources_len,
    },
    parse::LinkLayer,
};

use super::{
    Attach, Entry, Guard, Lock, Registry,
    attach::first_state,
    confirm::because,
    destinations,
    ends::Ends,
    interface::{self, Interface},
    listing::Listing,
    pins,
    prefixes::possible_cpus,
    program::MAPS,
    trie,
};
use crate::{
    error::{Doing as _, Error, Result},
    policy::Destinations,
    prefix::Prefix,
    sys::{
        bpf::{self, XdpLink},
        mapped::MappedArray,
    },
};

/// Where libxdp pins the programs of its dispatchers, below the bpffs.
const DISPATCHERS: &str = "xdp";

/// The name of that which calls several programs in turn.
pub(crate) const DISPATCHER: &str = "xdp_dispatcher";

/// Makes a program of rpcguard's that another loader has attached to an interface a guard.
///
/// # Errors
///
/// [`Error::NothingToAdopt`]; [`Error::ForeignObject`] if its maps are not those of this rpcguard, or too small for this
/// machine; those of [`attach`](super::attach). Everything passes then as before.
pub fn adopt(registry: &Registry, lock: &Lock, name: &str, how: &Attach) -> Result<Guard> {
    let interface = interface::by_name(name)?;
    match registry.find(name)? {
        Some(Entry::Guard(_)) => return Err(Error::AlreadyAttached(name.to_owned())),
        Some(Entry::Incompatible {
            interface, found, ..
        }) => return Err(Error::AbiVersion { interface, found }),
        Some(Entry::Leftover(leftover)) => leftover.remove(lock)?,
        None => {}
    }
    if interface::link_layer(&interface)? != LinkLayer::Ethernet {
        return Err(foreign_object(
            name,
            "it is for Ethernet, which this interface is not",
        ));
    }
    if how.policy.rate.is_some() {
        return Err(Error::Adopted(name.to_owned()));
    }
    let (_, program) =
        find(registry, &interface, None)?.ok_or_else(|| Error::NothingToAdopt(name.to_owned()))?;
    let listing = Listing::new(&how.allow, &how.deny)?;
    if let Destinations::Only(prefixes) = &how.policy.destinations {
        destinations::check(prefixes)?;
    }
    let maps = maps_of(name, &program)?;

    let directory = registry.vacant_directory(name);
    pins::create_directory(&registry.directory())?;
    pins::create_directory(&directory)?;
    let mut state = first_state(registry, &how.policy, &listing)?;
    // The object's constant.
    state.seed = 0;
    let prepared = prepare(name, &maps, state, &listing, &how.policy.destinations)
        .and_then(|prepared| pin(&directory, &program, &maps).map(|()| prepared));
    let adopted = prepared.and_then(|prepared| {
        // Of an earlier guard's prefixes.
        Ends::of(&directory)?.vacate_all_but(&HashSet::new());
        let guard = registry.guard_in(&directory, name)?;
        prepared.put_in_force();
        Ok(guard)
    });
    adopted.map_err(|cause| {
        let passes = pass_everything(&directory, name);
        because(cause, passes.and_then(|()| pins::clear(&directory)))
    })
}

/// Whether another loader has attached a program of rpcguard's to an interface.
pub(crate) fn is_adoptable(registry: &Registry, interface: &Interface) -> Result<bool> {
    find(registry, interface, None).map(|found| found.is_some())
}

/// The program of rpcguard's on an interface, and the id of that which the interface runs: the program's own, or that
/// of the dispatcher that calls it. `wanted` is its id, where that is known.
fn find(
    registry: &Registry,
    interface: &Interface,
    wanted: Option<u32>,
) -> Result<Option<(u32, ProgramInfo)>> {
    let is_ours = |info: &ProgramInfo| match wanted {
        Some(id) => info.id() == id,
        None => matches!(info.name_as_str(), Some(program::LINEAR | program::FRAGS)),
    };
    for attached in &interface.xdp {
        let loaded = aya::programs::loaded_programs().filter_map(std::result::Result::ok);
        let mut loaded = loaded.filter(|info| info.id() == attached.id);
        if let Some(info) = loaded.next().filter(is_ours) {
            return Ok(Some((attached.id, info)));
        }
        let dispatcher = format!("dispatch-{}-{}", interface.index, attached.id);
        let dispatchers = registry.bpffs().join(DISPATCHERS);
        let dispatcher = dispatchers.join(dispatcher);
        // In a bpffs that is open to all, a pin of another's would pass for the guard.
        for directory in [&dispatchers, &dispatcher] {
            pins::check_directory(directory)?;
        }
        for pin in programs_in(&dispatcher)? {
            let failed = format!("look at the program pinned as {}", pin.display());
            let info = ProgramInfo::from_pin(&pin).doing(failed)?;
            if is_ours(&info) {
                return Ok(Some((attached.id, info)));
            }
        }
    }
    Ok(None)
}

/// The pins of a dispatcher's programs: `prog0-prog` and so on, beside those of their links.
fn programs_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| Error::File {
            action: "list",
            path: directory.to_owned(),
            source,
        })?,
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut programs: Vec<PathBuf> = paths
        .filter(|path| path.to_string_lossy().ends_with("-prog"))
        .collect();
    programs.sort();
    Ok(programs)
}

/// The interface that an adopted program is attached to, what rpcguard would know of its link, and the id of the program
/// that the interface runs; `None` if it is not attached any more.
pub(super) fn attached(
    registry: &Registry,
    directory: &Path,
    name: &str,
) -> Result<Option<(Interface, XdpLink, u32)>> {
    let pin = directory.join(pins::PROGRAM);
    let failed = format!("look at the program pinned as {}", pin.display());
    let id = ProgramInfo::from_pin(&pin).doing(failed)?.id();
    let interface = match interface::by_name(name) {
        Err(Error::NoSuchInterface(_)) => return Ok(None),
        interface => interface?,
    };
    let found = find(registry, &interface, Some(id))?;
    let link = XdpLink {
        id: 0,
        program_id: id,
        ifindex: interface.index,
    };
    Ok(found.map(|(runs, _)| (interface, link, runs)))
}

fn foreign_object(interface: &str, why: impl Into<String>) -> Error {
    Error::ForeignObject {
        interface: interface.to_owned(),
        why: why.into(),
    }
}

/// The program's maps, in the order of [`MAPS`].
fn maps_of(interface: &str, program: &ProgramInfo) -> Result<Vec<(&'static str, MapData)>> {
    let failed = format!("look at the maps of the program on `{interface}`");
    let ids = program.map_ids().doing(&failed)?.unwrap_or_default();
    let infos = ids.iter().map(|id| MapInfo::from_id(*id).doing(&failed));
    let infos = infos.collect::<Result<Vec<_>>>()?;
    let cpus = possible_cpus(&failed)?;
    MAPS.into_iter()
        .map(|name| {
            let is_it = |info: &&MapInfo| match (name, info.name_as_str()) {
                // libbpf puts the object's name before that of the section.
                (map::STATE, Some(found)) => found.ends_with(map::STATE_SECTION),
                (_, found) => found == Some(name),
            };
            let info = infos.iter().find(is_it);
            // What the verifier removed the use of belongs to no program.
            let info =
                info.ok_or_else(|| foreign_object(interface, format!("it has no map {name}")))?;
            check(interface, name, info, cpus)?;
            let data = MapData::from_id(info.id()).doing(&failed)?;
            Ok((name, data))
        })
        .collect()
}

/// Checks that a map is what it is called.
fn check(interface: &str, name: &str, info: &MapInfo, cpus: u32) -> Result<()> {
    let size = match name {
        map::STATE => Some(size_of::<State>()),
        map::COUNTERS => Some(size_of::<Counters>()),
        map::PREFIXES_V4 | map::PREFIXES_V6 => Some(size_of::<PrefixEntry>()),
        _ => None,
    };
    if size.is_some_and(|size| info.value_size() as usize != size) {
        return Err(foreign_object(
            interface,
            format!("its map {name} is of another rpcguard"),
        ));
    }
    let length = match name {
        map::HITS => hits_len(cpus),
        map::SOURCES => sources_len(cpus),
        _ => 1,
    };
    if info.max_entries() < length {
        return Err(foreign_object(
            interface,
            format!("it was built for fewer processors than the {cpus} of this machine"),
        ));
    }
    Ok(())
}

/// Settings that are written, and not in force yet.
struct Prepared {
    state: MappedArray,
    /// The one that they are for.
    epoch: u32,
}

impl Prepared {
    /// Puts them in force.
    fn put_in_force(&self) {
        self.state.store_u32(offset_of!(State, epoch), self.epoch);
    }
}

/// Writes settings and prefixes for the epoch that comes next; in the present one, everything passes.
fn prepare(
    interface: &str,
    maps: &[(&'static str, MapData)],
    mut state: State,
    listing: &Listing,
    destinations: &Destinations,
) -> Result<Prepared> {
    let failed = format!("write the settings of `{interface}`");
    let map = |wanted| -> Result<Map> {
        let found = maps.iter().find(|(name, _)| *name == wanted);
        let (_, data) = found.doing(&failed)?;
        let id = data.info().doing(&failed)?.id();
        let again = MapData::from_id(id).doing(&failed)?;
        Map::from_map_data(again).doing(&failed)
    };
    let found = maps.iter().find(|(name, _)| *name == map::STATE);
    let (_, data) = found.doing(&failed)?;
    let mapped = MappedArray::new(data.fd().as_fd(), size_of::<State>()).doing(&failed)?;
    match mapped.load_u32(offset_of!(State, abi_version)) {
        0 | ABI_VERSION => {}
        found => {
            return Err(Error::AbiVersion {
                interface: interface.to_owned(),
                found,
            });
        }
    }
    // Not the first one, if it has been adopted before.
    let epoch = mapped.load_u32(offset_of!(State, epoch));
    let next = epoch.wrapping_add(1);
    let settings = state.settings[0];
    state.epoch = epoch;
    state.settings = [Settings::EMPTY; 2];
    state.settings[State::side(next)] = settings;
    write_state(map(map::STATE)?, state, &failed)?;

    if let Destinations::Only(prefixes) = destinations {
        let set = flag::destinations(settings.flags);
        destinations::write(&mut map(map::DESTINATIONS)?, set, prefixes)?;
    }
    let mut tries = trie::Tries::new(map(map::PREFIXES_V4)?, map(map::PREFIXES_V6)?);
    let old = tries.entries()?;
    let old: Vec<Prefix> = old.into_iter().map(|(prefix, _)| prefix).collect();
    tries.remove(&old)?;
    tries.write(&listing.entries())?;
    Ok(Prepared {
        state: mapped,
        epoch: next,
    })
}

fn write_state(map: Map, state: State, failed: &str) -> Result<()> {
    let mut array: Array<MapData, State> = map.try_into().doing(failed)?;
    array.set(0, state, 0).doing(failed)
}

/// Pins everything; last, what says that it is all there.
fn pin(directory: &Path, program: &ProgramInfo, maps: &[(&'static str, MapData)]) -> Result<()> {
    let failed = format!("pin the filter in {}", directory.display());
    // The state comes first, because it says which network namespace a directory of pins belongs to.
    for name in MAPS {
        let found = maps.iter().find(|(found, _)| *found == name);
        let (_, data) = found.doing(&failed)?;
        data.pin(directory.join(name)).doing(&failed)?;
    }
    let fd = program.fd().doing(&failed)?;
    bpf::pin(fd.as_fd(), &directory.join(pins::PROGRAM)).doing(&failed)?;
    bpf::pin(fd.as_fd(), &directory.join(pins::ADOPTED)).doing(failed)
}

/// Has the filter that is pinned in a directory guard no port, at one instant.
fn pass_everything(directory: &Path, interface: &str) -> Result<()> {
    let pin = directory.join(map::STATE);
    if !pin.exists() {
        return Ok(());
    }
    let failed = format!("take the settings of `{interface}` out of force");
    let open = || MapData::from_pin(&pin).doing(&failed);
    let map = || Map::from_map_data(open()?).doing(&failed);
    let array: Array<MapData, State> = map()?.try_into().doing(&failed)?;
    let mut state = array.get(&0, 0).doing(&failed)?;
    let next = state.epoch.wrapping_add(1);
    state.settings[State::side(next)] = Settings::EMPTY;
    write_state(map()?, state, &failed)?;
    let mapped = MappedArray::new(open()?.fd().as_fd(), size_of::<State>()).doing(&failed)?;
    mapped.store_u32(offset_of!(State, epoch), next);
    Ok(())
}

/// Lets everything pass that an adopted program, pinned in a directory, may still be asked about: it can be attached
/// where nobody looks, as to an interface that was renamed.
pub(super) fn let_go(directory: &Path, interface: &str) -> Result<()> {
    if directory.join(pins::ADOPTED).exists() {
        pass_everything(directory, interface)
    } else {
        Ok(())
    }
}

impl Guard {
    /// Whether another loader attached its program.
    #[must_use]
    pub const fn is_adopted(&self) -> bool {
        self.runs.is_some()
    }
}
