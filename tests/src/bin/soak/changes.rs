//! Everything that can be changed, in a random order.

use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Result;
use tempfile::NamedTempFile;

use crate::{
    numbers::Numbers,
    town::{ALLOWED, CHANGING, PASSING, STEADY, Town},
};

/// Prefixes of the changing interface that are in a list or in none: of sources, around them, inside
/// steady ones, and nowhere near.
const FLEETING: [&str; 8] = [
    "172.16.0.0/12",
    "172.16.5.0/24",
    "172.16.5.7/32",
    "2001:db8:5::/48",
    "2001:db8:5::7/128",
    "10.0.0.128/25",
    "2001:db8:a:5::/64",
    "192.0.2.0/24",
];

/// Those of the other one: around its sources, and between them, so that nothing changes for these.
const HARMLESS: [&str; 5] = [
    "10.0.0.128/25",
    "2001:db8:a:5::/64",
    "192.0.2.0/24",
    "172.16.0.0/12",
    "2001:db8:c::/48",
];

/// One kind of change.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A prefix comes into a list, or goes.
    Prefix,
    /// A whole list is replaced.
    List,
    Rate,
    Observe,
    /// The program is renewed.
    Program,
    /// Another interface is guarded for a moment.
    Passing,
}

/// Those of a change of lists are more frequent.
const KINDS: [Kind; 12] = [
    Kind::Prefix,
    Kind::Prefix,
    Kind::Prefix,
    Kind::Prefix,
    Kind::Prefix,
    Kind::List,
    Kind::List,
    Kind::Rate,
    Kind::Observe,
    Kind::Observe,
    Kind::Program,
    Kind::Passing,
];

/// What is changed, and how.
pub(crate) struct Changes<'a> {
    town: &'a Town,
    state: Mutex<State>,
}

struct State {
    numbers: Numbers,
    made: u64,
    /// Which list a fleeting prefix of an interface is in.
    listed: BTreeMap<(&'static str, &'static str), &'static str>,
    /// Files with the steady prefixes of the allow list, and with some more.
    files: Vec<(NamedTempFile, &'static [&'static str])>,
}

impl<'a> Changes<'a> {
    pub(crate) fn new(town: &'a Town, seed: u64) -> Result<Self> {
        let more: [&[&str]; 3] = [&[], &HARMLESS[..3], &HARMLESS[2..]];
        let files: Result<Vec<_>> = more
            .into_iter()
            .map(|more| Ok((list(ALLOWED.iter().chain(more))?, more)))
            .collect();
        Ok(Self {
            town,
            state: Mutex::new(State {
                numbers: Numbers::new(seed),
                made: 0,
                listed: BTreeMap::new(),
                files: files?,
            }),
        })
    }

    /// Changes one thing after the other, until told to stop.
    pub(crate) fn run(&self, over: &AtomicBool) -> Result<()> {
        while !over.load(Ordering::Relaxed) {
            self.state().change(self.town)?;
        }
        Ok(())
    }

    /// Lets nobody change anything, having made all of it as it was in the beginning; returns how many
    /// changes there were.
    pub(crate) fn pause(&self) -> Result<(impl Drop + '_, u64)> {
        let mut state = self.state();
        state.settle(self.town)?;
        let made = state.made;
        Ok((state, made))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn change(&mut self, town: &Town) -> Result<()> {
        let interface = *self.numbers.one_of(&[STEADY, CHANGING]);
        let switch = *self.numbers.one_of(&["on", "off"]);
        match *self.numbers.one_of(&KINDS) {
            Kind::Prefix => self.change_prefix(town, interface)?,
            Kind::List => self.replace_list(town, interface)?,
            Kind::Rate => {
                let rate = *self.numbers.one_of(&["5/s", "1/m --burst 3", "off"]);
                town.rpcguard(&format!("set {CHANGING} --rate {rate}"))?;
            }
            Kind::Observe => {
                town.rpcguard(&format!("set {interface} --observe {switch}"))?;
            }
            Kind::Program => {
                town.rpcguard(&format!("attach {interface} --replace"))?;
            }
            Kind::Passing => {
                town.rpcguard(&format!("attach {PASSING} --allow 192.0.2.0/24"))?;
                town.rpcguard(&format!("detach {PASSING}"))?;
            }
        }
        self.made += 1;
        Ok(())
    }

    fn change_prefix(&mut self, town: &Town, interface: &'static str) -> Result<()> {
        let prefixes: &[&str] = if interface == STEADY {
            &HARMLESS
        } else {
            &FLEETING
        };
        let prefix = *self.numbers.one_of(prefixes);
        let (list, verb) = match self.listed.remove(&(interface, prefix)) {
            Some(list) => (list, "remove"),
            None => {
                let list = *self.numbers.one_of(&["allow", "deny"]);
                self.listed.insert((interface, prefix), list);
                (list, "add")
            }
        };
        town.rpcguard(&format!("{list} {verb} {prefix} -i {interface}"))?;
        Ok(())
    }

    fn replace_list(&mut self, town: &Town, interface: &'static str) -> Result<()> {
        // What is denied cannot be allowed as well.
        let denied = |prefix: &&str| self.listed.get(&(interface, *prefix)) == Some(&"deny");
        let fits = |(_, (_, more)): &(usize, &(NamedTempFile, &[&str]))| !more.iter().any(denied);
        let fitting: Vec<usize> = self
            .files
            .iter()
            .enumerate()
            .filter(fits)
            .map(|(number, _)| number)
            .collect();
        let (file, more) = &self.files[*self.numbers.one_of(&fitting)];
        let path = file.path().display();
        town.rpcguard(&format!("allow replace {path} -i {interface}"))?;
        self.listed
            .retain(|(at, _), list| *at != interface || *list != "allow");
        for prefix in *more {
            self.listed.insert((interface, *prefix), "allow");
        }
        Ok(())
    }

    /// Makes everything as it was in the beginning.
    fn settle(&mut self, town: &Town) -> Result<()> {
        for ((interface, prefix), list) in std::mem::take(&mut self.listed) {
            town.rpcguard(&format!("{list} remove {prefix} -i {interface}"))?;
        }
        for interface in [STEADY, CHANGING] {
            town.rpcguard(&format!("set {interface} --observe off"))?;
        }
        town.rpcguard(&format!("set {CHANGING} --rate 5/s"))?;
        Ok(())
    }
}

/// A list file.
fn list<'a>(prefixes: impl Iterator<Item = &'a &'static str>) -> Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    for prefix in prefixes {
        writeln!(file, "{prefix}")?;
    }
    Ok(file)
}
