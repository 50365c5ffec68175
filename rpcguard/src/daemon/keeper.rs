//! Keeps guards as the configuration says: looks, plans, and carries out. All of it blocks.

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
    plan::{Place, Plan, Scope, World, plan},
    wanted::Wanted,
};
use crate::{
    config::{Config, ListFiles, OnStop, Table},
    error::{Doing as _, Error, Result},
    guard::{self, Attach, Change, Entry, Guard, Leftover, LogLevel, Registry},
    output,
    policy::PolicyChange,
    sockets::Inventory,
    sys::netlink,
};

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
    rpcbind: BTreeSet<u16>,
    /// What was said already, and is not to be said again until it has been otherwise.
    told: BTreeSet<String>,
    next_purge: Instant,
    progress: Progress,
}

/// What was found.
struct Seen {
    world: World,
    /// Of all interfaces, or of none if nobody has to look at them.
    guards: Vec<Guard>,
    leftovers: Vec<Leftover>,
}

/// A guard as it was left.
struct Held {
    link: u32,
    directory: PathBuf,
    /// `None` if it had been changed by somebody else.
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
            rpcbind: BTreeSet::new(),
            told: BTreeSet::new(),
            next_purge: Instant::now() + PURGE,
            progress,
        };
        keeper.rpcbind = rpcbind_ports(&keeper.config)?;
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

    /// When to call [`Self::retry`], if at all.
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
        let rpcbind = rpcbind_ports(&config)?;
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
        let rpcbind = rpcbind_ports(&self.config)?;
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
        for (index, name) in self.names() {
            self.detach(index, &name)?;
        }
        Ok(())
    }

    fn names(&self) -> Vec<(u32, String)> {
        let names = self.places.iter();
        names
            .map(|(index, place)| (*index, place.name.clone()))
            .collect()
    }

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
        self.tell(config, &world, &plan);
        self.update(config, &plan.update, guards)?;
        for (index, place) in plan.keep {
            self.places.insert(index, place);
        }
        let now = Instant::now();
        for (index, place) in plan.attach {
            if self.backoff.is_due(index, now) {
                self.attach(config, index, place);
            }
        }
        for (index, name) in &plan.detach {
            self.detach(*index, name)?;
        }
        for index in plan.vanished {
            self.forget(index)?;
        }
        self.backoff
            .retain(|index| world.interfaces.contains_key(&index));
        let is_ours = |leftover: &&Leftover| {
            let name = &leftover.interface;
            scope == Scope::Everything
                && config
                    .tables
                    .iter()
                    .any(|table| table.interfaces.matches(name))
        };
        for leftover in leftovers.iter().filter(is_ours) {
            self.remove_leftover(leftover.directory())?;
        }
        Ok(())
    }

    /// Finds out what is there. The guards of interfaces that are known are only looked at if all are.
    fn look(&mut self, scope: Scope) -> Result<Seen> {
        let interfaces =
            netlink::interfaces().doing("list the interfaces of this network namespace")?;
        if scope == Scope::News {
            self.forget_replaced(&interfaces)?;
        }
        let is_new = |interface: &netlink::Interface| {
            !self.places.contains_key(&interface.index) && !interface.xdp.is_empty()
        };
        let mut guards = Vec::new();
        let mut leftovers = Vec::new();
        let mut guarded: BTreeSet<u32> = BTreeSet::new();
        if scope == Scope::Everything || interfaces.iter().any(is_new) {
            for entry in self.registry.entries()? {
                match entry {
                    Entry::Guard(guard) => guards.push(*guard),
                    Entry::Leftover(leftover) => leftovers.push(leftover),
                    // That it cannot be guarded is said when it is tried.
                    Entry::Incompatible { .. } => {}
                }
            }
            guarded.extend(guards.iter().map(Guard::ifindex));
        } else {
            guarded.extend(self.held.keys());
        }
        let interfaces = interfaces.into_iter();
        let world = World {
            interfaces: interfaces.map(|found| (found.index, found.name)).collect(),
            guarded,
        };
        Ok(Seen {
            world,
            guards,
            leftovers,
        })
    }

    /// Forgets interfaces whose index others have now: their guard is gone with them, and only its pins are
    /// left. One that somebody has detached has none.
    fn forget_replaced(&mut self, interfaces: &[netlink::Interface]) -> Result<()> {
        for interface in interfaces.iter().filter(|found| found.xdp.is_empty()) {
            let Some(held) = self.held.get(&interface.index) else {
                continue;
            };
            match self.registry.entry_in(&held.directory)? {
                Some(Entry::Leftover(_)) => self.forget(interface.index)?,
                Some(_) => {}
                None => {
                    self.held.remove(&interface.index);
                    log::info!(
                        "{}: detached by somebody else; left so until the next reload",
                        interface.name
                    );
                }
            }
        }
        Ok(())
    }

    /// Says what is worth knowing, once.
    fn tell(&mut self, config: &Config, world: &World, plan: &Plan) {
        let mut now = BTreeSet::new();
        for name in &plan.strangers {
            now.insert(format!(
                "{name} is guarded and in no table: it is left alone; `rpcguard detach {name}` ends that"
            ));
        }
        for name in &plan.ambiguous {
            now.insert(format!(
                "{name} is in several [[guard]] tables: the first is followed; write \"!{name}\" in the others"
            ));
        }
        let present: BTreeSet<&String> = world.interfaces.values().collect();
        for name in config
            .tables
            .iter()
            .flat_map(|table| table.interfaces.names())
        {
            if !present.contains(&name.to_owned()) {
                now.insert(format!(
                    "{name} is not there: it is guarded when it appears"
                ));
            }
        }
        for text in now.difference(&self.told) {
            log::warn!("{text}");
        }
        self.told = now;
    }

    /// Makes guards as their tables say: all of them, or none.
    fn update(
        &mut self,
        config: &Config,
        places: &BTreeMap<u32, Place>,
        mut found_guards: Vec<Guard>,
    ) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let lock = self.registry.lock()?;
        if found_guards.is_empty() {
            for held in places.keys().filter_map(|index| self.held.get(index)) {
                if let Some(Entry::Guard(guard)) = self.registry.entry_in(&held.directory)? {
                    found_guards.push(*guard);
                }
            }
        }
        let mut changes = Changes::default();
        let mut guards = Vec::new();
        let mut done = Vec::new();
        for guard in found_guards {
            let Some(place) = places.get(&guard.ifindex()) else {
                continue;
            };
            self.step();
            let table = &config.tables[place.table];
            let wanted = Wanted::by(table, &self.rpcbind);
            let (link, epoch) = (guard.link_id(), guard.epoch()?);
            let held = self.held.get(&guard.ifindex());
            let held = held.filter(|held| held.link == link && held.epoch == Some(epoch));
            let change = match held {
                Some(held) if wanted.is_known_to_be(&held.wanted) => None,
                Some(held) => changes.between(&held.wanted, &wanted)?,
                None => wanted.change_from(&found(&guard)?)?.map(Arc::new),
            };
            self.note_mode(&guard, table);
            match change {
                Some(change) => guards.push((guard, change, wanted)),
                None => done.push((guard, wanted)),
            }
        }
        let mut changed = Vec::with_capacity(guards.len());
        let mut rest = Vec::with_capacity(guards.len());
        for (guard, change, wanted) in guards {
            changed.push(guard);
            rest.push((change, wanted));
        }
        let change_of_each: Vec<&Change> = rest.iter().map(|(change, _)| &**change).collect();
        if !changed.is_empty() {
            guard::commit_each(&mut changed, &lock, &change_of_each)?;
        }
        drop(lock);
        for (guard, (_, wanted)) in changed.iter().zip(&rest) {
            log::debug!("{}", output::status::summary(guard)?);
            self.hold(guard, wanted.clone())?;
        }
        if !changed.is_empty() {
            let plural = if changed.len() == 1 { "" } else { "s" };
            log::info!(
                "{} guard{plural} changed, {} as before",
                changed.len(),
                done.len()
            );
        }
        for (guard, wanted) in done {
            if !self.held.contains_key(&guard.ifindex()) {
                log::info!("{}, as before", output::status::summary(&guard)?);
            }
            self.hold(&guard, wanted)?;
        }
        for (index, place) in places {
            self.places.insert(*index, place.clone());
        }
        Ok(())
    }

    fn hold(&mut self, guard: &Guard, wanted: Wanted) -> Result<()> {
        let held = Held {
            link: guard.link_id(),
            directory: guard.directory().to_owned(),
            epoch: Some(guard.epoch()?),
            wanted,
        };
        self.held.insert(guard.ifindex(), held);
        Ok(())
    }

    /// Says that a guard runs where its table does not want it: another mode would need a gap.
    fn note_mode(&mut self, guard: &Guard, table: &Table) {
        if let (Some(wanted), Some(mode)) = (table.mode, guard.mode())
            && wanted != mode
        {
            let name = guard.interface();
            let text = format!(
                "{name} is guarded in {mode} mode, not in {wanted} mode: `rpcguard detach {name}`, and then \
                 reload the daemon, unguarded in between"
            );
            if self.told.insert(text.clone()) {
                log::warn!("{text}");
            }
        }
    }

    /// Attaches a guard; if that fails, it is tried again later.
    fn attach(&mut self, config: &Config, index: u32, place: Place) {
        self.step();
        let table = &config.tables[place.table];
        let wanted = Wanted::by(table, &self.rpcbind);
        let how = Attach {
            policy: wanted.policy.clone(),
            allow: wanted.allow.to_vec(),
            deny: wanted.deny.to_vec(),
            mode: table.mode,
            log: LogLevel::Off,
        };
        let attached = self
            .registry
            .lock_to_attach()
            .and_then(|lock| guard::attach(&self.registry, &lock, &place.name, &how));
        match attached {
            Ok(attached) => {
                let name = &place.name;
                if let Some(refused) = attached.native_refused {
                    let remedy = refused
                        .remedy()
                        .map(|remedy| format!("; for native mode: {remedy}"));
                    log::warn!(
                        "{refused}; running in generic mode, which is slower{}",
                        remedy.unwrap_or_default()
                    );
                }
                let held = output::status::summary(&attached.guard)
                    .map(|summary| log::info!("{summary}"))
                    .and_then(|()| self.hold(&attached.guard, wanted));
                if let Err(error) = held {
                    log::warn!("{name}: {error}");
                }
                // It may have got this name only now, and another one before that.
                let index = attached.guard.ifindex();
                self.backoff.retain(|waiting| waiting != index);
                self.places.insert(index, place);
            }
            // It is gone again.
            Err(Error::NoSuchInterface(_)) => {}
            Err(error) => {
                let why = match error.hint() {
                    Some(hint) => format!("{error} ({hint})"),
                    None => error.to_string(),
                };
                if self.backoff.failed(index, why.clone(), Instant::now()) {
                    log::error!("{}: NOT guarded, tried again later: {why}", place.name);
                }
            }
        }
    }

    fn detach(&mut self, index: u32, name: &str) -> Result<()> {
        self.step();
        if let Some(held) = self.held.get(&index) {
            let lock = self.registry.lock()?;
            if let Some(Entry::Guard(guard)) = self.registry.entry_in(&held.directory)? {
                guard.detach(&lock)?;
                log::info!("{name}: detached");
            }
        }
        self.held.remove(&index);
        self.places.remove(&index);
        Ok(())
    }

    /// Forgets an interface that is gone, and removes what is left of its guard.
    fn forget(&mut self, index: u32) -> Result<()> {
        self.step();
        if let Some(held) = self.held.get(&index) {
            self.remove_leftover(&held.directory)?;
        }
        self.held.remove(&index);
        if let Some(place) = self.places.remove(&index) {
            log::info!("{}: gone", place.name);
        }
        Ok(())
    }

    /// Removes what is pinned in a directory if it guards nothing.
    fn remove_leftover(&self, directory: &Path) -> Result<()> {
        if let Some(Entry::Leftover(_)) = self.registry.entry_in(directory)? {
            let lock = self.registry.lock()?;
            if let Some(Entry::Leftover(leftover)) = self.registry.entry_in(directory)? {
                leftover.remove(&lock)?;
            }
        }
        Ok(())
    }

    /// Guards the ports that rpcbind has open now instead of those that it had open before.
    fn follow_rpcbind(&mut self, now: &BTreeSet<u16>) -> Result<()> {
        let config = Arc::clone(&self.config);
        let lock = match self.registry.lock() {
            Err(Error::NothingAttached) => return Ok(()),
            lock => lock?,
        };
        let mut guards: Vec<Guard> = Vec::new();
        let mut changes = Vec::new();
        for (index, held) in &self.held {
            let Some(table) = self
                .places
                .get(index)
                .map(|place| &config.tables[place.table])
            else {
                continue;
            };
            if !table.rpcbind_ports {
                continue;
            }
            let Some(Entry::Guard(guard)) = self.registry.entry_in(&held.directory)? else {
                continue;
            };
            // Ports that somebody has set by hand meanwhile stay.
            let mut ports = guard.policy()?.ports;
            ports.retain(|port| !self.rpcbind.contains(port) || table.policy.ports.contains(port));
            ports.extend(now);
            let mut change = Change::default();
            change.policy(PolicyChange {
                ports: Some(ports),
                ..PolicyChange::default()
            });
            guards.push(*guard);
            changes.push(change);
        }
        let as_left: Vec<bool> = guards
            .iter()
            .map(|guard| self.is_as_left(guard))
            .collect::<Result<_>>()?;
        let changes: Vec<&Change> = changes.iter().collect();
        guard::commit_each(&mut guards, &lock, &changes)?;
        for (guard, as_left) in guards.iter().zip(as_left) {
            log::info!("{}", output::status::summary(guard)?);
            let index = guard.ifindex();
            if let (Some(held), Some(place)) = (self.held.get_mut(&index), self.places.get(&index))
            {
                held.wanted.policy = Wanted::by(&config.tables[place.table], now).policy;
                held.epoch = as_left.then(|| guard.epoch()).transpose()?;
            }
        }
        Ok(())
    }

    /// Whether nobody has changed a guard since.
    fn is_as_left(&self, guard: &Guard) -> Result<bool> {
        let epoch = guard.epoch()?;
        let held = self.held.get(&guard.ifindex());
        Ok(held.is_some_and(|held| held.link == guard.link_id() && held.epoch == Some(epoch)))
    }

    fn step(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }
}

/// Changes that several guards have in common, worked out once.
#[derive(Default)]
struct Changes {
    known: Vec<(Wanted, Wanted, Option<Arc<Change>>)>,
}

impl Changes {
    fn between(&mut self, before: &Wanted, after: &Wanted) -> Result<Option<Arc<Change>>> {
        let known = self
            .known
            .iter()
            .find(|(old, new, _)| old.is_known_to_be(before) && new.is_known_to_be(after));
        if let Some((_, _, change)) = known {
            return Ok(change.clone());
        }
        let change = after.change_from(before)?.map(Arc::new);
        self.known
            .push((before.clone(), after.clone(), change.clone()));
        Ok(change)
    }
}

/// How a guard is.
fn found(guard: &Guard) -> Result<Wanted> {
    let [allow, deny] = guard.lists()?;
    Ok(Wanted {
        policy: guard.policy()?,
        allow: allow.into(),
        deny: deny.into(),
    })
}

fn read(path: &Path, files: &mut ListFiles) -> Result<Config> {
    let config = Config::read(path, files)?;
    for note in &config.notes {
        log::warn!("{}: {note}", path.display());
    }
    Ok(config)
}

/// The UDP ports that rpcbind has open, if any table wants to know.
fn rpcbind_ports(config: &Config) -> Result<BTreeSet<u16>> {
    if config.tables.iter().any(|table| table.rpcbind_ports) {
        Ok(Inventory::of_portmappers()?.portmapper_udp_ports())
    } else {
        Ok(BTreeSet::new())
    }
}
