//! Keeps guards as the configuration says: looks, plans, and carries out. All of it blocks.

mod look;
mod places;
mod rpcbind;
mod update;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    backoff::Backoff,
    plan::{Place, Scope, plan},
    wanted::Wanted,
};
use crate::{
    config::{Config, ConfigError, ListFiles, OnStop},
    error::{Error, Result},
    foreign_text,
    guard::{Entry, Leftover, Registry},
    portmapper::{Heard, UdpPorts},
};
use look::Seen;
use rpcbind::rpcbind_ports;

/// How often prefixes are removed whose time is over.
const PURGE: Duration = Duration::from_secs(60);

/// Grows with each step that is made, so that somebody else sees that steps are made.
pub(super) type Progress = Arc<AtomicU64>;

/// The daemon's memory. What matters is in the kernel: without this, everything is looked up again.
pub(super) struct Keeper {
    path: PathBuf,
    registry: Registry,
    files: ListFiles,
    config: Arc<Config>,
    /// What was taken on, by the index of its interface.
    places: BTreeMap<u32, Place>,
    /// The guards of these, as they were left; without those that somebody has detached.
    held: BTreeMap<u32, Held>,
    backoff: Backoff,
    /// The UDP ports that rpcbind had open when that was last looked at.
    rpcbind: UdpPorts,
    /// Where rpcbind was heard to answer.
    heard: Heard,
    /// What was said already, and is not to be said again until it has been otherwise.
    told: BTreeSet<String>,
    /// The links whose mode was told of.
    told_of_mode: BTreeSet<u32>,
    next_purge: Instant,
    progress: Progress,
}

/// A guard as it was left.
struct Held {
    link: u32,
    directory: PathBuf,
    /// `None` if it had been changed by somebody else, or is not known.
    epoch: Option<u32>,
    wanted: Wanted,
}

impl Keeper {
    /// Reads the configuration. Nothing is attached yet.
    pub(super) fn new(path: &Path, registry: Registry, progress: Progress) -> Result<Self> {
        let mut files = ListFiles::default();
        let config = read(path, &mut files)?;
        let mut keeper = Self {
            path: path.to_owned(),
            registry,
            files,
            config: Arc::new(config),
            places: BTreeMap::new(),
            held: BTreeMap::new(),
            backoff: Backoff::default(),
            rpcbind: UdpPorts::default(),
            heard: Heard::default(),
            told: BTreeSet::new(),
            told_of_mode: BTreeSet::new(),
            next_purge: Instant::now() + PURGE,
            progress,
        };
        keeper.rpcbind = rpcbind_ports(&keeper.config, &mut keeper.heard, &keeper.rpcbind)?;
        Ok(keeper)
    }

    pub(super) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The files that a configuration is made of.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.files.named().iter().cloned().collect();
        files.push(self.path.clone());
        files
    }

    /// When to [look for interfaces](Self::follow_interfaces) again, because some could not be guarded; if at all.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.backoff.next()
    }

    /// How things are, in a few words.
    pub(super) fn status(&self) -> String {
        let guarded = self.held.len();
        let plural = if guarded == 1 { "" } else { "s" };
        match self.backoff.count() {
            0 => format!("guarding {guarded} interface{plural}"),
            waiting => {
                format!("guarding {guarded} interface{plural}; {waiting} cannot be guarded yet")
            }
        }
    }

    /// Reads the configuration again, without applying it.
    pub(super) fn read_again(&mut self) -> Result<Config> {
        read(&self.path, &mut self.files)
    }

    /// Makes everything as a configuration says: guards that are there at one instant each, and all of them
    /// or none; then those that are to come, and those that are to go.
    pub(super) fn apply(&mut self, config: Config) -> Result<()> {
        if config.tables.is_empty() && !self.held.is_empty() {
            return Err(Error::Config(ConfigError::NoTableLeft {
                path: self.path.clone(),
                guarded: self.held.len(),
            }));
        }
        let rpcbind = rpcbind_ports(&config, &mut self.heard, &self.rpcbind)?;
        let before = std::mem::replace(&mut self.rpcbind, rpcbind);
        let config = Arc::new(config);
        self.backoff.all_due(Instant::now());
        let applied = self.carry_out(&config, Scope::Everything);
        match applied {
            Ok(()) => self.config = config,
            Err(_) => self.rpcbind = before,
        }
        applied
    }

    /// Makes everything as the present configuration says.
    pub(super) fn apply_present(&mut self) -> Result<()> {
        let config = Arc::clone(&self.config);
        self.carry_out(&config, Scope::Everything)
    }

    /// Looks for interfaces that have appeared, vanished or been renamed, and for those whose time has come
    /// to be tried again.
    pub(super) fn follow_interfaces(&mut self) -> Result<()> {
        let config = Arc::clone(&self.config);
        self.carry_out(&config, Scope::News)
    }

    /// What is to be done now and then: other ports of rpcbind, and prefixes whose time is over.
    pub(super) fn periodically(&mut self) -> Result<()> {
        let rpcbind = rpcbind_ports(&self.config, &mut self.heard, &self.rpcbind)?;
        if rpcbind != self.rpcbind {
            self.follow_rpcbind(&rpcbind)?;
            self.rpcbind = rpcbind;
        }
        let now = Instant::now();
        if self.next_purge <= now {
            self.next_purge = now + PURGE;
            self.remove_lapsed()?;
        }
        Ok(())
    }

    /// Removes prefixes that were added for some time, which is over: they have no effect, but take up room.
    fn remove_lapsed(&mut self) -> Result<()> {
        let directories: Vec<(u32, PathBuf)> = self
            .held
            .iter()
            .map(|(index, held)| (*index, held.directory.clone()))
            .collect();
        for (index, directory) in directories {
            self.step();
            let Some(Entry::Guard(mut guard)) = self.registry.entry_in(&directory)? else {
                continue;
            };
            if !guard.has_lapsed() {
                continue;
            }
            let lock = self.registry.lock()?;
            let as_left = self.is_as_left(&guard)?;
            let removed = guard.remove_lapsed(&lock)?;
            log::info!(
                "{}: {removed} prefixes whose time is over",
                guard.interface()
            );
            if let Some(held) = self.held.get_mut(&index) {
                held.epoch = as_left.then(|| guard.epoch()).transpose()?;
            }
        }
        Ok(())
    }

    /// Detaches what was taken on, if the configuration says so.
    pub(super) fn stop(&mut self) -> Result<()> {
        if self.config.on_stop == OnStop::Leave {
            log::info!("ending; {} stay guarded", self.held.len());
            return Ok(());
        }
        let mut stopped = Ok(());
        for (index, name) in self.names() {
            if let Err(error) = self.detach(index, &name) {
                log::error!("{name}: still guarded: {error}");
                stopped = stopped.and(Err(error));
            }
        }
        stopped
    }

    fn names(&self) -> Vec<(u32, String)> {
        let names = self.places.iter();
        names
            .map(|(index, place)| (*index, place.name.clone()))
            .collect()
    }

    /// If this fails, nothing has changed. What cannot be done afterwards is tried again later.
    fn carry_out(&mut self, config: &Config, scope: Scope) -> Result<()> {
        let Seen {
            world,
            guards,
            leftovers,
        } = self.look(scope)?;
        if scope == Scope::Everything {
            let names = world.interfaces.values().map(String::as_str);
            config.check_interfaces(&self.path, names)?;
        }
        let plan = plan(config, &world, &self.places, scope);
        self.tell(config, &world, &plan, scope);
        self.update(config, &plan.update, guards)?;
        for (index, place) in plan.keep {
            self.places.insert(index, place);
        }
        let now = Instant::now();
        let to_attach: BTreeSet<u32> = plan.attach.keys().copied().collect();
        for (index, place) in plan.attach {
            if self.backoff.is_due(index, now) {
                self.attach(config, index, place);
            }
        }
        for (index, name) in &plan.detach {
            if self.backoff.is_due(*index, now)
                && let Err(error) = self.detach(*index, name)
            {
                self.failed(*index, name, "still guarded", &error);
            }
        }
        for index in plan.vanished {
            if let Err(error) = self.forget(index) {
                log::warn!("{error}");
            }
        }
        // Others are not tried any more.
        self.backoff
            .retain(|index| to_attach.contains(&index) || plan.detach.contains_key(&index));
        let is_ours = |leftover: &&Leftover| {
            let name = &leftover.interface;
            scope == Scope::Everything
                && config
                    .tables
                    .iter()
                    .any(|table| table.interfaces.matches(name))
        };
        for leftover in leftovers.iter().filter(is_ours) {
            if let Err(error) = self.remove_leftover(leftover.directory()) {
                log::warn!("{error}");
            }
        }
        Ok(())
    }

    /// Takes note that something could not be done, which is tried again later.
    fn failed(&mut self, index: u32, name: &str, what: &str, error: &Error) {
        let why = match error.hint() {
            Some(hint) => format!("{error} ({hint})"),
            None => error.to_string(),
        };
        if self.backoff.failed(index, why.clone(), Instant::now()) {
            log::error!("{name}: {what}, tried again later: {why}");
        }
    }

    fn step(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }
}

fn read(path: &Path, files: &mut ListFiles) -> Result<Config> {
    let config = Config::read(path, files)?;
    for note in &config.notes {
        log::warn!("{}: {note}", foreign_text::path(path));
    }
    Ok(config)
}
