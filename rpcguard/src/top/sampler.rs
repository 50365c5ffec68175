//! Reading guards.
//!
//! Everything is looked up anew each time, so that guards may come, go and change meanwhile. Nothing
//! is written, and no lock is taken: the filter does not notice.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Instant, SystemTime},
};

use super::{
    pace::Pace,
    sample::{
        Counters, Found, GuardReading, MAX_WATCHED_PREFIXES, Reading, Sample, Sources, total,
    },
};
use crate::{
    error::Result,
    guard::{Aggregate, Entry, Guard, Registry, SourceEstimate},
};

/// Reads the guards of some interfaces again and again.
pub(crate) struct Sampler {
    registry: Registry,
    /// Empty for all that are guarded, whichever these are at the time.
    interfaces: Vec<String>,
    paces: HashMap<u32, Paces>,
}

/// The paces of one guard.
#[derive(Clone, Copy, Debug, Default)]
struct Paces {
    sources: Pace,
    prefixes: Pace,
}

impl Sampler {
    /// Reads the guards of these interfaces, or if none is named, of all that have one at the time.
    ///
    /// # Errors
    ///
    /// If one that is named is not guarded.
    pub(crate) fn new(registry: Registry, interfaces: Vec<String>) -> Result<Self> {
        for name in &interfaces {
            registry.guard(name)?;
        }
        Ok(Self {
            registry,
            interfaces,
            paces: HashMap::new(),
        })
    }

    /// Reads them.
    ///
    /// # Errors
    ///
    /// If a map cannot be read.
    pub(crate) fn sample(&mut self) -> Result<Sample> {
        let mut entries = self.entries()?;
        let names = if self.interfaces.is_empty() {
            entries.keys().cloned().collect()
        } else {
            self.interfaces.clone()
        };
        let mut paces = HashMap::new();
        let mut interfaces = Vec::with_capacity(names.len());
        for name in names {
            let found = match entries.remove(&name) {
                Some(Entry::Guard(guard)) => {
                    let id = guard.link_id();
                    let pace = paces
                        .entry(id)
                        .or_insert(self.paces.get(&id).copied().unwrap_or_default());
                    Found::Guard(Box::new(read(&guard, pace)?))
                }
                Some(Entry::Leftover(_)) => Found::Leftover,
                Some(Entry::Incompatible { .. }) => Found::Incompatible,
                None => Found::Nothing,
            };
            interfaces.push(Reading { name, found });
        }
        self.paces = paces;
        Ok(Sample {
            time: SystemTime::now(),
            at: Instant::now(),
            interfaces,
        })
    }

    /// What there is, by the name of the interface. A guard comes before what is left of another
    /// interface that had the same name.
    fn entries(&self) -> Result<BTreeMap<String, Entry>> {
        let mut entries = BTreeMap::new();
        for entry in self.registry.entries()? {
            match &entry {
                Entry::Guard(guard) => {
                    entries.insert(guard.interface().to_owned(), entry);
                }
                Entry::Incompatible { interface, .. } => {
                    entries.insert(interface.clone(), entry);
                }
                Entry::Leftover(leftover) => {
                    entries.entry(leftover.interface.clone()).or_insert(entry);
                }
            }
        }
        Ok(entries)
    }
}

fn read(guard: &Guard, paces: &mut Paces) -> Result<GuardReading> {
    let prefix_counts = guard.prefix_counts()?;
    let prefixes = if total(&prefix_counts) <= MAX_WATCHED_PREFIXES {
        paces.prefixes.read(|| guard.prefixes())?
    } else {
        None
    };
    let sources = paces.sources.read(|| sources(guard))?;
    let counters = counters(guard)?;
    let at = Instant::now();
    Ok(GuardReading {
        at,
        link_id: guard.link_id(),
        mode: guard.mode(),
        attached_at: guard.attached_at()?,
        policy: guard.policy()?,
        prefix_counts,
        counters,
        sources,
        prefixes,
    })
}

fn counters(guard: &Guard) -> Result<Counters> {
    let read = guard.counters()?;
    let mut counters = Counters::default();
    for (reason, counter) in read.reasons() {
        counters.reasons[reason.index()] = counter;
    }
    for (request, counter) in read.requests() {
        counters.requests[request.index()] = counter;
    }
    Ok(counters)
}

fn sources(guard: &Guard) -> Result<Sources> {
    let both = |v4, v6| -> Result<Vec<SourceEstimate>> {
        let mut estimates = guard.sources(v4)?;
        estimates.extend(guard.sources(v6)?);
        Ok(estimates)
    };
    Ok(Sources {
        hosts: both(Aggregate::HostV4, Aggregate::HostV6)?,
        neighbourhoods: both(Aggregate::NeighbourhoodV4, Aggregate::NeighbourhoodV6)?,
    })
}
