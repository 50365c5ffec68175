//! [`CleanLab`]: nothing of rpcguard outlives a test.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

use aya::{
    maps::{Array, Map, MapData, loaded_maps},
    programs::{loaded_links, loaded_programs},
};
use rpcguard_common::abi::{State, map};

use crate::lab::{Host, Lab};

/// The kernel frees programs and maps some time after their last user is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// A lab that asserts, when it goes, that its bpffs is empty, and that the kernel holds no filter
/// that belongs to one of its hosts.
///
/// Other tests attach filters on the same machine at the same time. A filter is known to be of a
/// host by its state map, which every one of its programs refers to and which names the network
/// namespace.
#[derive(Debug)]
pub struct CleanLab {
    lab: Lab,
    /// Held open, so that their inode numbers are not given to somebody else meanwhile.
    networks: Mutex<Vec<File>>,
    /// To look at the bpffs from.
    window: OnceLock<Host>,
}

/// The objects in the kernel that belong to the filters of a lab, by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objects {
    /// The maps.
    pub maps: BTreeSet<u32>,
    /// The programs that use them.
    pub programs: BTreeSet<u32>,
    /// The links of these programs.
    pub links: BTreeSet<u32>,
}

impl Objects {
    /// How many there are of each kind.
    #[must_use]
    pub fn counts(&self) -> [usize; 3] {
        [self.maps.len(), self.programs.len(), self.links.len()]
    }
}

impl CleanLab {
    /// Watches over a lab.
    #[must_use]
    pub const fn new(lab: Lab) -> Self {
        Self {
            lab,
            networks: Mutex::new(Vec::new()),
            window: OnceLock::new(),
        }
    }

    /// A new host, whose network lives as long as this lab.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    #[must_use]
    pub fn host(&self) -> Host {
        let host = self.mortal_host();
        let network = host.enter(|| File::open("/proc/thread-self/ns/net"));
        let mut networks = self.networks.lock().expect("nobody panicked");
        networks.push(network.expect("a network"));
        drop(networks);
        host
    }

    /// A new host whose network namespace goes when the host does.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    #[must_use]
    pub fn mortal_host(&self) -> Host {
        self.lab.host().expect("a host")
    }

    /// The lab itself.
    #[must_use]
    pub const fn lab(&self) -> &Lab {
        &self.lab
    }

    /// What is pinned, by any host.
    ///
    /// # Panics
    ///
    /// If the bpffs cannot be read.
    #[must_use]
    pub fn pins(&self) -> Vec<String> {
        self.window.get_or_init(|| self.mortal_host()).enter(|| {
            let mut found = Vec::new();
            list(Path::new("/sys/fs/bpf"), &mut found);
            found.sort();
            found
        })
    }

    /// How many filters the kernel holds that belong to a host of this lab.
    ///
    /// # Panics
    ///
    /// If the kernel does not tell its maps.
    #[must_use]
    pub fn filters(&self) -> usize {
        self.states().count()
    }

    /// All that the kernel holds of the filters of this lab's hosts.
    ///
    /// # Panics
    ///
    /// As [`Self::filters`].
    #[must_use]
    pub fn objects(&self) -> Objects {
        objects_around(self.states().collect())
    }

    /// Waits until the kernel holds no more programs, links and state maps than there are filters.
    ///
    /// # Panics
    ///
    /// If it still does after some time.
    #[must_use]
    pub fn objects_of(&self, filters: usize) -> Objects {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Read once, so that a map that goes meanwhile is counted in both or in neither.
            let states: BTreeSet<u32> = self.states().collect();
            let guards = states.len();
            let objects = objects_around(states);
            let [_, programs, links] = objects.counts();
            if [programs, links, guards] == [filters; 3] {
                return objects;
            }
            assert!(
                Instant::now() < deadline,
                "{objects:?}, of {filters} filters"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the kernel holds so many maps, programs and links for this lab, which frees what
    /// it does not need any more in its own time; returns what it holds in the end.
    ///
    /// # Panics
    ///
    /// As [`Self::filters`].
    #[must_use]
    pub fn objects_once(&self, counts: [usize; 3]) -> Objects {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let objects = self.objects();
            if objects.counts() == counts || Instant::now() >= deadline {
                return objects;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The ids of the state maps that name a network of this lab.
    fn states(&self) -> impl Iterator<Item = u32> {
        let networks = self.networks.lock().expect("nobody panicked");
        let inodes: Vec<u64> = networks
            .iter()
            .map(|network| network.metadata().expect("a network").ino())
            .collect();
        loaded_maps()
            // One that goes while it is looked at.
            .filter_map(Result::ok)
            .filter(|info| info.name_as_str() == Some(map::STATE))
            .map(|info| info.id())
            .filter(move |id| network_of(*id).is_some_and(|network| inodes.contains(&network)))
    }
}

/// The programs that use one of these state maps, all of their maps, and their links.
fn objects_around(mut maps: BTreeSet<u32>) -> Objects {
    let mut programs = BTreeSet::new();
    for program in loaded_programs().filter_map(Result::ok) {
        let used = program.map_ids().ok().flatten().unwrap_or_default();
        if used.iter().any(|id| maps.contains(id)) {
            programs.insert(program.id());
            maps.extend(used);
        }
    }
    let links = loaded_links()
        .filter_map(Result::ok)
        .filter(|link| programs.contains(&link.program_id()))
        .map(|link| link.id())
        .collect();
    Objects {
        maps,
        programs,
        links,
    }
}

impl Drop for CleanLab {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        let pins = self.pins();
        assert!(pins.is_empty(), "the test left pins behind: {pins:?}");
        let deadline = Instant::now() + PATIENCE;
        while self.filters() > 0 {
            let left = self.filters();
            assert!(Instant::now() < deadline, "{left} filters are left behind");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The network namespace that a state map names.
fn network_of(id: u32) -> Option<u64> {
    let map = Map::from_map_data(MapData::from_id(id).ok()?).ok()?;
    let state = Array::<_, State>::try_from(map).ok()?;
    Some(state.get(&0, 0).ok()?.netns)
}

fn list(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        // The kernel's own maps.debug and progs.debug: nobody else's names may have a dot.
        if entry.file_name().to_string_lossy().contains('.') {
            continue;
        }
        found.push(entry.path().display().to_string());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&entry.path(), found);
        }
    }
}
