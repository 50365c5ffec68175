//! The filter in the kernel, attached to nothing: BPF_PROG_TEST_RUN feeds it frames one by one.

use std::{net::IpAddr, sync::OnceLock, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use aya::{
    Ebpf, EbpfLoader, Pod, TestRunOptions,
    maps::{Array, LpmTrie, Map, MapData, MapError, PerCpuArray, PerCpuValues, lpm_trie::Key},
    programs::{TestRun as _, Xdp},
    util::nr_cpus,
};
use nix::unistd::Uid;
use rpcguard::prefix::Prefix;
use rpcguard_common::{
    abi::{
        Cell, Counter, Counters, DESTINATION_TAG_BITS, DestinationKey, PrefixEntry, Sampler, State,
        constant, destination_key, flag, hits_index, hits_len, map, program, sources_len,
    },
    parse::LinkLayer,
    policy::Address,
    reason::Action,
    sampling::MAX_STRETCH,
};

use crate::{
    lab::skip,
    packet::Setup,
    release::{FRAGS, kernel_version},
};

/// The shortest frame that BPF_PROG_TEST_RUN accepts, whatever the link layer.
pub const MIN_FRAME: usize = 14;

/// How much of a longer frame BPF_PROG_TEST_RUN puts into the first buffer on x86-64: a page less
/// the headroom of XDP and the room for `struct skb_shared_info`.
pub const FIRST_BUFFER: usize = 4096 - 256 - 320;

/// One of the object's programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// For frames in one buffer. The kernel never shows it another.
    Linear,
    /// For frames in several buffers, and in one.
    Frags,
}

impl Program {
    /// Those that this kernel can load: both, but one before Linux 5.18.
    fn of_this_kernel() -> Vec<Self> {
        let mut programs = vec![Self::Linear];
        if kernel_version() >= FRAGS {
            programs.push(Self::Frags);
        }
        programs
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Linear => program::LINEAR,
            Self::Frags => program::FRAGS,
        }
    }
}

/// How to load the object.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// What frames begin with.
    pub link: LinkLayer,
    /// Up to which level of the `log` crate the programs log.
    pub log_level: u8,
    /// Whether the rate policy can be in force, as in a guard that has one.
    pub limiter: bool,
    /// Whether hosts are in tables, as in a guard that has long lists. There are none in them.
    pub tables: bool,
}

impl From<LinkLayer> for Load {
    /// With the limiter, and without logging.
    fn from(link: LinkLayer) -> Self {
        Self {
            link,
            log_level: 0,
            limiter: true,
            tables: false,
        }
    }
}

/// The loaded object: both programs and their maps.
pub struct Kernel {
    programs: Ebpf,
    state: Array<MapData, State>,
    counters: PerCpuArray<MapData, Counters>,
    hits: Array<MapData, Counter>,
    limits: Array<MapData, Cell>,
    prefixes_v4: LpmTrie<MapData, [u8; 4], PrefixEntry>,
    prefixes_v6: LpmTrie<MapData, [u8; 16], PrefixEntry>,
    destinations: LpmTrie<MapData, DestinationKey, u32>,
    inserted: Vec<Prefix>,
    loaded: Vec<Program>,
}

impl Kernel {
    /// Loads the object.
    ///
    /// # Errors
    ///
    /// If the kernel refuses it, with the verifier's log.
    pub fn load(load: impl Into<Load>) -> Result<Self> {
        Self::load_object(rpcguard::object::bytes(), load)
    }

    /// Loads another object of the same form.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn load_object(object: &[u8], load: impl Into<Load>) -> Result<Self> {
        let Load {
            link,
            log_level,
            limiter,
            tables,
        } = load.into();
        let ethernet = u8::from(link == LinkLayer::Ethernet);
        let limiter = u8::from(limiter);
        let buckets: u32 = if tables { 1 << 10 } else { 1 };
        let (long, mask, log2) = (u8::from(tables), buckets - 1, buckets.ilog2());
        let logs = u8::from(log_level >= rpcguard::guard::LogLevel::Info as u8);
        let mut loader = EbpfLoader::new();
        loader
            .map_max_entries(map::HITS, hits_len(cpus()?))
            .map_max_entries(map::SOURCES, sources_len(cpus()?))
            .map_max_entries(map::BLOOM, buckets)
            .override_global(constant::BLOOM_LOG2, &log2, true)
            .map_max_entries(map::HOSTS_V4, buckets)
            .map_max_entries(map::HOSTS_V6, buckets)
            .override_global(constant::LONG, &long, true)
            .override_global(constant::HOSTS_V4_MASK, &mask, true)
            .override_global(constant::HOSTS_V6_MASK, &mask, true)
            .override_global(constant::LIMITER, &limiter, true)
            .override_global(constant::ETHERNET, &ethernet, true)
            .override_global(constant::LOG, &logs, true)
            .override_global("AYA_LOG_LEVEL", &log_level, true);
        if limiter == 0 {
            for name in [map::LIMITS, map::SIGHTINGS, map::STANDINGS] {
                loader.map_max_entries(name, 1);
            }
        }
        let mut ebpf = loader
            .load(object)
            .context("cannot load the BPF object (this needs root)")?;
        let loaded = Program::of_this_kernel();
        for program in loaded.iter().copied() {
            xdp_mut(&mut ebpf, program)?
                .load()
                .with_context(|| format!("the kernel refuses {program:?}"))?;
        }
        Ok(Self {
            state: take(&mut ebpf, map::STATE_SECTION)?,
            counters: take(&mut ebpf, map::COUNTERS)?,
            hits: take(&mut ebpf, map::HITS)?,
            limits: take(&mut ebpf, map::LIMITS)?,
            prefixes_v4: take(&mut ebpf, map::PREFIXES_V4)?,
            prefixes_v6: take(&mut ebpf, map::PREFIXES_V6)?,
            destinations: take(&mut ebpf, map::DESTINATIONS)?,
            programs: ebpf,
            inserted: Vec::new(),
            loaded,
        })
    }

    /// As [`Self::load`]; if this process may not, says so with [`skip`] and returns `None`.
    ///
    /// # Panics
    ///
    /// If it fails for another reason.
    #[must_use]
    pub fn load_or_skip(test: &str, load: impl Into<Load>) -> Option<Self> {
        if !Uid::effective().is_root() {
            skip(test, "needs root, to load BPF programs");
            return None;
        }
        Some(Self::load(load).expect("the kernel takes the object"))
    }

    /// The programs that are loaded: both, but one before Linux 5.18.
    #[must_use]
    pub fn programs(&self) -> &[Program] {
        &self.loaded
    }

    /// Whether this program is loaded; if not, says that the test is skipped.
    #[must_use]
    pub fn has_or_skip(&self, program: Program, test: &str) -> bool {
        let has = self.loaded.contains(&program);
        if !has {
            skip(
                test,
                "no programs for frames in several buffers before Linux 5.18",
            );
        }
        has
    }

    /// Replaces settings and prefixes by these, and zeroes every counter.
    ///
    /// # Errors
    ///
    /// If a map refuses a change.
    pub fn apply(&mut self, setup: &Setup) -> Result<()> {
        for prefix in std::mem::take(&mut self.inserted) {
            self.remove(prefix)?;
        }
        for (prefix, entry) in setup.entries() {
            self.insert(prefix, entry)?;
        }
        self.guard_destinations(setup)?;
        self.store(&setup.state(0))?;
        if setup.rate.is_some() {
            let arrival = if setup.exhausted { u64::MAX } else { 0 };
            let total = Cell {
                arrival,
                ..Cell::default()
            };
            self.limits.set(0, total, 0)?;
        }
        self.zero()
    }

    /// Writes the set of destinations that the setup guards, and nothing if it guards all.
    fn guard_destinations(&mut self, setup: &Setup) -> Result<()> {
        let set = flag::destinations(setup.settings().flags);
        let written: Vec<_> = self.destinations.keys().collect::<Result<_, _>>()?;
        for key in written {
            self.destinations.remove(&key)?;
        }
        for prefix in setup.destinations.iter().flatten() {
            let address = match prefix.address() {
                IpAddr::V4(address) => Address::V4(address.octets()),
                IpAddr::V6(address) => Address::V6(address.octets()),
            };
            let length = DESTINATION_TAG_BITS + u32::from(prefix.length());
            let key = Key::new(length, destination_key(set, address));
            self.destinations.insert(&key, 0, 0)?;
        }
        Ok(())
    }

    /// Writes the element of the state map.
    ///
    /// # Errors
    ///
    /// If the map refuses it.
    pub fn store(&mut self, state: &State) -> Result<()> {
        Ok(self.state.set(0, state, 0)?)
    }

    /// Adds a prefix, or changes what it says.
    ///
    /// # Errors
    ///
    /// If the trie refuses it.
    pub fn insert(&mut self, prefix: Prefix, entry: PrefixEntry) -> Result<()> {
        let length = u32::from(prefix.length());
        match prefix.address() {
            IpAddr::V4(address) => {
                let key = Key::new(length, address.octets());
                self.prefixes_v4.insert(&key, entry, 0)
            }
            IpAddr::V6(address) => {
                let key = Key::new(length, address.octets());
                self.prefixes_v6.insert(&key, entry, 0)
            }
        }
        .with_context(|| format!("cannot insert {prefix}"))?;
        if !self.inserted.contains(&prefix) {
            self.inserted.push(prefix);
        }
        Ok(())
    }

    fn remove(&mut self, prefix: Prefix) -> Result<()> {
        let length = u32::from(prefix.length());
        match prefix.address() {
            IpAddr::V4(address) => self.prefixes_v4.remove(&Key::new(length, address.octets())),
            IpAddr::V6(address) => self.prefixes_v6.remove(&Key::new(length, address.octets())),
        }
        .with_context(|| format!("cannot remove {prefix}"))
    }

    /// Zeroes the counters, and the hits of the prefixes inserted.
    fn zero(&mut self) -> Result<()> {
        self.counters.set(0, every_cpu(Counters::default())?, 0)?;
        for slot in 1..=self.inserted.len() as u32 {
            for cpu in 0..cpus()? {
                self.hits
                    .set(hits_index(cpu, slot), Counter::default(), 0)?;
            }
        }
        Ok(())
    }

    /// Shows a frame to a program once, and returns what it wants done with it.
    ///
    /// # Errors
    ///
    /// If the kernel refuses to run it (see [`MIN_FRAME`]), or the program returns anything but
    /// `XDP_PASS` and `XDP_DROP`.
    pub fn run(&self, program: Program, frame: &[u8]) -> Result<Action> {
        const XDP_DROP: u32 = 1;
        const XDP_PASS: u32 = 2;
        let linear = program == Program::Linear;
        ensure!(
            !(linear && frame.len() > FIRST_BUFFER),
            "a frame of {} bytes is not for a program without frags",
            frame.len()
        );
        let result = self.xdp(program)?.test_run(TestRunOptions {
            data_in: Some(frame),
            ..TestRunOptions::default()
        })?;
        match result.return_value {
            XDP_DROP => Ok(Action::Drop),
            XDP_PASS => Ok(Action::Pass),
            other => bail!("{program:?} returned {other}"),
        }
    }

    /// Shows a frame to a program many times, on this thread's CPU, and returns how long each took.
    ///
    /// # Errors
    ///
    /// If the kernel refuses to run it.
    pub fn repeat(&self, program: Program, frame: &[u8], times: u32) -> Result<Duration> {
        let result = self.xdp(program)?.test_run(TestRunOptions {
            data_in: Some(frame),
            repeat: times,
            ..TestRunOptions::default()
        })?;
        Ok(result.duration)
    }

    /// Zeroes the counters, and has the next drops on each CPU sampled at the longest stretch, or not at
    /// all.
    ///
    /// # Errors
    ///
    /// If the map refuses it.
    pub fn sample(&mut self, samples: bool) -> Result<()> {
        let counters = Counters {
            sampler: Sampler {
                countdown: if samples { 0 } else { u32::MAX },
                stretch: MAX_STRETCH,
                ..Sampler::default()
            },
            ..Counters::default()
        };
        Ok(self.counters.set(0, every_cpu(counters)?, 0)?)
    }

    /// The counters of all CPUs together.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn counters(&self) -> Result<Counters> {
        let mut sum = Counters::default();
        for counters in self.counters.get(&0, 0)?.iter() {
            for (sum, counter) in sum.reasons.iter_mut().zip(&counters.reasons) {
                add(sum, counter);
            }
            for (sum, counter) in sum.requests.iter_mut().zip(&counters.requests) {
                add(&mut sum.passed, &counter.passed);
                add(&mut sum.dropped, &counter.dropped);
            }
        }
        Ok(sum)
    }

    /// The hits of all CPUs together, in this slot.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn hits(&self, slot: u32) -> Result<Counter> {
        let mut sum = Counter::default();
        for cpu in 0..cpus()? {
            add(&mut sum, &self.hits.get(&hits_index(cpu, slot), 0)?);
        }
        Ok(sum)
    }

    /// How many bytes of instructions are left of a program after verification.
    ///
    /// # Errors
    ///
    /// If the kernel does not say.
    pub fn translated_size(&self, program: Program) -> Result<u32> {
        self.xdp(program)?
            .info()?
            .size_translated()
            .context("the kernel does not tell a program's translated size")
    }

    /// A loaded program, for measuring.
    ///
    /// # Errors
    ///
    /// If the object has no such program.
    pub fn xdp(&self, program: Program) -> Result<&Xdp> {
        let name = program.name();
        let program = self.programs.program(name);
        Ok(program
            .with_context(|| format!("the object has no program {name}"))?
            .try_into()?)
    }

    /// A loaded program, for attaching.
    ///
    /// # Errors
    ///
    /// If the object has no such program.
    pub fn xdp_mut(&mut self, program: Program) -> Result<&mut Xdp> {
        xdp_mut(&mut self.programs, program)
    }
}

fn xdp_mut(ebpf: &mut Ebpf, program: Program) -> Result<&mut Xdp> {
    let name = program.name();
    let program = ebpf.program_mut(name);
    Ok(program
        .with_context(|| format!("the object has no program {name}"))?
        .try_into()?)
}

fn take<M: TryFrom<Map, Error = MapError>>(ebpf: &mut Ebpf, name: &str) -> Result<M> {
    let map = ebpf.take_map(name);
    let map = map.with_context(|| format!("the object has no map {name}"))?;
    M::try_from(map).with_context(|| format!("map {name} is not of the type expected"))
}

fn every_cpu<T: Pod>(value: T) -> Result<PerCpuValues<T>> {
    Ok(PerCpuValues::try_from(vec![value; cpus()? as usize])?)
}

/// How many CPUs the kernel has room for. Read once: the packet table asks ten thousand times.
fn cpus() -> Result<u32> {
    static CPUS: OnceLock<u32> = OnceLock::new();
    if let Some(cpus) = CPUS.get() {
        return Ok(*cpus);
    }
    let cpus = nr_cpus().map_err(|(file, error)| anyhow!("{file}: {error}"))?;
    Ok(*CPUS.get_or_init(|| u32::try_from(cpus).unwrap_or(u32::MAX)))
}

const fn add(sum: &mut Counter, counter: &Counter) {
    sum.packets += counter.packets;
    sum.bytes += counter.bytes;
}
