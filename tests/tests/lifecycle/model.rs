//! Random sequences of changes, against the most naive model of two lists.

use std::{collections::BTreeMap, net::IpAddr};

use proptest::{
    collection::vec,
    prelude::*,
    sample::{select, subsequence},
    test_runner::TestRunner,
};
use rpcguard::{
    Error,
    guard::{Attach, Change, Committed, Guard, Lock, Registry, Verdict, attach},
    prefix::Prefix,
};
use rpcguard_common::reason::Action;
use rpcguard_tests::site::Site;

use crate::{
    effort::amount,
    lists::hosts,
    snapshot::{counts, entries},
};

/// Nested in each other, side by side, and at both ends of the address space.
const PREFIXES: [&str; 20] = [
    "0.0.0.0/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "10.0.0.0/8",
    "10.0.0.0/9",
    "10.128.0.0/9",
    "10.0.0.0/16",
    "10.0.0.0/24",
    "10.0.0.0/31",
    "10.0.0.0/32",
    "10.0.0.1/32",
    "255.255.255.255/32",
    "::/0",
    "2001:db8::/32",
    "2001:db8::/33",
    "2001:db8:8000::/33",
    "2001:db8::/64",
    "2001:db8::/127",
    "2001:db8::/128",
    "2001:db8::1/128",
];

/// One in each prefix that is in no longer one, where there is such an address, and their edges.
const SAMPLES: [&str; 16] = [
    "0.0.0.1",
    "9.255.255.255",
    "10.0.0.0",
    "10.0.0.1",
    "10.0.0.2",
    "10.0.1.0",
    "10.1.0.0",
    "10.128.0.0",
    "192.0.2.1",
    "255.255.255.255",
    "2001:db8::",
    "2001:db8::1",
    "2001:db8::2",
    "2001:db8:0:1::",
    "2001:db8:8000::",
    "2001:db9::",
];

type Lists = BTreeMap<Prefix, Verdict>;

#[derive(Clone, Debug)]
enum Step {
    Edit(Vec<(bool, Verdict, Prefix)>),
    Replace(Verdict, Vec<Prefix>),
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    select(vec![Verdict::Allow, Verdict::Deny])
}

fn prefixes() -> Vec<Prefix> {
    PREFIXES.map(|prefix| prefix.parse().unwrap()).to_vec()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Of one prefix at most one edit, as a command line has it.
    let edits = subsequence(prefixes(), 1..6)
        .prop_flat_map(|chosen| {
            let decisions = vec((any::<bool>(), verdicts()), chosen.len());
            (Just(chosen), decisions)
        })
        .prop_map(|(chosen, decisions)| {
            let edit = |((add, verdict), prefix)| (add, verdict, prefix);
            Step::Edit(decisions.into_iter().zip(chosen).map(edit).collect())
        });
    let replacement = (verdicts(), subsequence(prefixes(), 0..8))
        .prop_map(|(verdict, prefixes)| Step::Replace(verdict, prefixes));
    vec(prop_oneof![3 => edits, 1 => replacement], 1..16)
}

/// What a step should make of the lists; `None` if it should be refused.
fn expected(lists: &Lists, step: &Step) -> Option<(Lists, Committed)> {
    let mut after = lists.clone();
    let mut committed = Committed::default();
    match step {
        Step::Edit(edits) => {
            for (add, verdict, prefix) in edits {
                match (add, lists.get(prefix)) {
                    (true, None) => {
                        after.insert(*prefix, *verdict);
                        committed.added += 1;
                    }
                    (true, Some(present)) if present == verdict => committed.unchanged += 1,
                    (false, Some(present)) if present == verdict => {
                        after.remove(prefix);
                        committed.removed += 1;
                    }
                    _ => return None,
                }
            }
        }
        Step::Replace(verdict, wanted) => {
            for prefix in wanted {
                match after.insert(*prefix, *verdict) {
                    None => committed.added += 1,
                    Some(present) if present == *verdict => committed.unchanged += 1,
                    Some(_) => return None,
                }
            }
            let before = after.len();
            after.retain(|prefix, listed| listed != verdict || wanted.contains(prefix));
            committed.removed = before - after.len();
        }
    }
    Some((after, committed))
}

fn change(step: &Step) -> Change {
    let mut change = Change::default();
    match step {
        Step::Edit(edits) => {
            for (add, verdict, prefix) in edits {
                if *add {
                    change.add(*verdict, *prefix).unwrap();
                } else {
                    change.remove(*verdict, *prefix);
                }
            }
        }
        Step::Replace(verdict, prefixes) => change.replace(*verdict, prefixes.iter().copied()),
    }
    change
}

/// The naive longest match.
fn decider(lists: &Lists, address: IpAddr) -> Option<(Prefix, Verdict)> {
    lists
        .iter()
        .filter(|(prefix, _)| prefix.contains(address.into()))
        .max_by_key(|(prefix, _)| prefix.length())
        .map(|(prefix, verdict)| (*prefix, *verdict))
}

fn check(site: &Site, guard: &Guard, lists: &Lists) {
    let listed = guard.prefixes().unwrap();
    let listed: Vec<_> = listed.iter().map(|l| (l.prefix, l.verdict)).collect();
    let wanted: Vec<_> = lists.iter().map(|(p, v)| (*p, *v)).collect();
    assert_eq!(listed, wanted);
    assert_eq!(guard.prefix_counts().unwrap(), counts(&wanted));
    assert_eq!(entries(site), wanted.len(), "entries of nothing are left");

    let samples = SAMPLES.map(|address| address.parse::<IpAddr>().unwrap());
    let deciders = samples.map(|address| decider(lists, address));
    let decided = samples.map(|address| guard.decide(address).unwrap().by);
    assert_eq!(decided, deciders);
    let actions = deciders.map(|by| match by {
        Some((_, Verdict::Allow)) => Action::Pass,
        _ => Action::Drop,
    });
    assert_eq!(site.verdicts(&samples), actions);
}

fn play(site: &Site, guard: &mut Guard, lock: &Lock, steps: &[Step]) {
    let mut lists = Lists::new();
    for step in steps {
        let outcome = guard.commit(lock, &change(step));
        match expected(&lists, step) {
            Some((after, committed)) => {
                assert_eq!(outcome.unwrap(), committed, "{step:?}");
                lists = after;
            }
            None => assert!(
                matches!(
                    outcome,
                    Err(Error::Conflict { .. } | Error::NotListed { .. })
                ),
                "{step:?}"
            ),
        }
        check(site, guard, &lists);
    }
    for verdict in [Verdict::Allow, Verdict::Deny] {
        guard
            .commit(lock, &change(&Step::Replace(verdict, Vec::new())))
            .unwrap();
    }
    check(site, guard, &Lists::new());
}

#[test]
fn any_sequence_of_changes_comes_to_what_a_naive_model_says() {
    play_many(
        "any_sequence_of_changes_comes_to_what_a_naive_model_says",
        &[],
    );
}

/// Once a list was long, a filter and tables are asked before the tries.
#[test]
fn any_sequence_of_changes_comes_to_it_where_a_list_was_long() {
    let list = hosts(0..1100);
    play_many(
        "any_sequence_of_changes_comes_to_it_where_a_list_was_long",
        &list,
    );
}

/// Plays with a guard that had this list.
fn play_many(test: &str, list: &[Prefix]) {
    let Some(site) = Site::or_skip(test) else {
        return;
    };
    site.registry(|registry: &Registry| {
        let lock = registry.lock_to_attach().unwrap();
        let how = Attach {
            allow: list.to_vec(),
            ..Attach::default()
        };
        let mut guard = attach(registry, &lock, "eth0", &how).unwrap().guard;
        let none = Step::Replace(Verdict::Allow, Vec::new());
        guard.commit(&lock, &change(&none)).unwrap();
        let guard = std::cell::RefCell::new(guard);
        let config = ProptestConfig {
            cases: amount(48, 6),
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        TestRunner::new(config)
            .run(&steps(), |steps| {
                play(&site, &mut guard.borrow_mut(), &lock, &steps);
                Ok(())
            })
            .unwrap();
        guard.into_inner().detach(&lock).unwrap();
    });
}
