//! What there is to do, from what is wanted and what is there. Nothing is looked up or changed here.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Config, Table};

/// What is there.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    /// The names of all interfaces of this network namespace, by their index.
    pub(super) interfaces: BTreeMap<u32, String>,
    /// The indices of those that have a guard.
    pub(super) guarded: BTreeSet<u32>,
}

/// An interface that the daemon has taken on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The name that it had then.
    pub(super) name: String,
    /// Its table, by its place in the configuration.
    pub(super) table: usize,
}

/// Which interfaces to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All of them: they are to be as the configuration says, whatever was done to them.
    Everything,
    /// Those that have appeared, vanished or been renamed. What others have been changed to by hand is left.
    News,
}

/// What there is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Interfaces whose guards are to be as a table says.
    pub(super) update: BTreeMap<u32, Place>,
    /// Interfaces without a guard that are to have one.
    pub(super) attach: BTreeMap<u32, Place>,
    /// Interfaces that stay as they are, under a name or table that may be another.
    pub(super) keep: BTreeMap<u32, Place>,
    /// Interfaces that the daemon had taken on, and that are in no table any more.
    pub(super) detach: BTreeMap<u32, String>,
    /// Interfaces that the daemon had taken on, and that are gone.
    pub(super) vanished: BTreeSet<u32>,
    /// Interfaces that somebody else guards with rpcguard, and that are in no table.
    pub(super) strangers: BTreeSet<String>,
    /// Interfaces that are in several tables; they are guarded as the first of them says.
    pub(super) ambiguous: BTreeSet<String>,
}

/// Plans what makes the world as the configuration says, where `taken_on` was taken on before.
pub(super) fn plan(
    config: &Config,
    world: &World,
    taken_on: &BTreeMap<u32, Place>,
    scope: Scope,
) -> Plan {
    let mut plan = Plan::default();
    for (index, name) in &world.interfaces {
        let matches = |(_, table): &(usize, &Table)| table.interfaces.matches(name);
        let mut tables = config.tables.iter().enumerate().filter(matches);
        let table = tables.next().map(|(number, _)| number);
        if tables.next().is_some() {
            plan.ambiguous.insert(name.clone());
        }
        let before = taken_on.get(index);
        let is_guarded = world.guarded.contains(index);
        let Some(table) = table else {
            match (before, is_guarded) {
                (Some(_), _) => {
                    plan.detach.insert(*index, name.clone());
                }
                (None, true) => {
                    plan.strangers.insert(name.clone());
                }
                (None, false) => {}
            }
            continue;
        };
        let place = Place {
            name: name.clone(),
            table,
        };
        let is_news = before.is_none_or(|before| before.table != table);
        let kind = match (scope, before, is_guarded) {
            (Scope::News, Some(_), _) if !is_news => &mut plan.keep,
            // Somebody has detached it, and is not contradicted because it has another name now.
            (Scope::News, Some(_), false) => &mut plan.keep,
            (_, _, true) => &mut plan.update,
            (_, _, false) => &mut plan.attach,
        };
        kind.insert(*index, place);
    }
    let gone = taken_on
        .keys()
        .filter(|index| !world.interfaces.contains_key(index));
    plan.vanished = gone.copied().collect();
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ListFiles;

    /// Tables of these interfaces.
    fn config(tables: &[&str]) -> Config {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.toml");
        let table = |words: &&str| {
            let words: Vec<String> = words.split(' ').map(|word| format!("{word:?}")).collect();
            format!("[[guard]]\ninterfaces = [{}]\n", words.join(", "))
        };
        std::fs::write(&path, tables.iter().map(table).collect::<String>()).unwrap();
        Config::read(&path, &mut ListFiles::default()).unwrap()
    }

    fn world(interfaces: &[(u32, &str)], guarded: &[u32]) -> World {
        World {
            interfaces: interfaces
                .iter()
                .map(|(i, name)| (*i, (*name).to_owned()))
                .collect(),
            guarded: guarded.iter().copied().collect(),
        }
    }

    fn places(places: &[(u32, &str, usize)]) -> BTreeMap<u32, Place> {
        let place = |(index, name, table): &(u32, &str, usize)| {
            let name = (*name).to_owned();
            (
                *index,
                Place {
                    name,
                    table: *table,
                },
            )
        };
        places.iter().map(place).collect()
    }

    #[test]
    fn at_first_what_matches_is_attached_and_what_is_attached_is_taken_on() {
        let config = config(&["eth* !eth9", "lan0"]);
        let world = world(
            &[
                (1, "lo"),
                (2, "eth0"),
                (3, "eth1"),
                (4, "eth9"),
                (5, "lan0"),
                (6, "x"),
            ],
            &[3, 6],
        );
        let plan = plan(&config, &world, &BTreeMap::new(), Scope::Everything);
        assert_eq!(
            plan,
            Plan {
                update: places(&[(3, "eth1", 0)]),
                attach: places(&[(2, "eth0", 0), (5, "lan0", 1)]),
                strangers: BTreeSet::from(["x".to_owned()]),
                ..Plan::default()
            }
        );
    }

    #[test]
    fn news_are_what_has_appeared_vanished_or_got_another_name() {
        let config = config(&["eth*", "lan*"]);
        let taken_on = places(&[
            (2, "eth0", 0),
            (3, "eth1", 0),
            (4, "eth2", 0),
            (5, "lan0", 1),
            (9, "eth8", 0),
        ]);
        let world = world(
            // As before; another name; another table; no table; new.
            &[
                (2, "eth0"),
                (3, "eth7"),
                (4, "lan1"),
                (5, "wan0"),
                (6, "eth3"),
                (7, "wan1"),
            ],
            &[2, 3, 4, 5],
        );
        assert_eq!(
            plan(&config, &world, &taken_on, Scope::News),
            Plan {
                keep: places(&[(2, "eth0", 0), (3, "eth7", 0)]),
                update: places(&[(4, "lan1", 1)]),
                attach: places(&[(6, "eth3", 0)]),
                detach: BTreeMap::from([(5, "wan0".to_owned())]),
                vanished: BTreeSet::from([9]),
                ..Plan::default()
            }
        );
    }

    #[test]
    fn what_was_detached_by_hand_stays_so_until_the_next_reload() {
        let config = config(&["eth*", "lan*"]);
        let taken_on = places(&[(2, "eth0", 0), (3, "eth1", 0)]);
        let world = world(&[(2, "eth0"), (3, "lan1")], &[]);
        let news = plan(&config, &world, &taken_on, Scope::News);
        assert_eq!(news.keep, places(&[(2, "eth0", 0), (3, "lan1", 1)]));
        assert_eq!(news.attach, BTreeMap::new());
        let reload = plan(&config, &world, &taken_on, Scope::Everything);
        assert_eq!(reload.attach, places(&[(2, "eth0", 0), (3, "lan1", 1)]));
    }

    #[test]
    fn a_reload_looks_at_all_guards_again() {
        let config = config(&["eth0"]);
        let taken_on = places(&[(2, "eth0", 0), (3, "eth1", 0)]);
        let world = world(&[(2, "eth0"), (3, "eth1")], &[2, 3]);
        let reload = plan(&config, &world, &taken_on, Scope::Everything);
        assert_eq!(reload.update, places(&[(2, "eth0", 0)]));
        assert_eq!(reload.detach, BTreeMap::from([(3, "eth1".to_owned())]));
    }

    #[test]
    fn an_interface_in_two_tables_is_guarded_by_the_first() {
        let config = config(&["eth*", "*0"]);
        let plan = plan(
            &config,
            &world(&[(2, "eth0")], &[]),
            &BTreeMap::new(),
            Scope::News,
        );
        assert_eq!(plan.attach, places(&[(2, "eth0", 0)]));
        assert_eq!(plan.ambiguous, BTreeSet::from(["eth0".to_owned()]));
    }
}
