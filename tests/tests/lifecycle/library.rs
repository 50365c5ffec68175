//! The library as another program uses it, with nothing but its public items.

use std::{collections::BTreeSet, time::SystemTime};

use rpcguard::{
    Error, Result,
    guard::{
        self, Attach, Change, Committed, Entry, Mode, PrefixCounts, Reason, Registry, Verdict,
    },
    policy::Policy,
    prefix::Prefix,
};
use rpcguard_tests::{packet::rpc, site::Site};

fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

/// Guards `eth0`, having `traffic` come in, and changes its mind.
fn guard_for_a_while(traffic: impl Fn()) -> Result<()> {
    let registry = Registry::new()?;
    assert!(registry.guards()?.is_empty());
    assert!(matches!(registry.lock(), Err(Error::NothingAttached)));

    let lock = registry.lock_to_attach()?;
    let how = Attach {
        policy: Policy {
            ports: BTreeSet::from([111, 2049]),
            ..Policy::default()
        },
        allow: vec![prefix("192.0.2.0/24"), prefix("2001:db8:a::/48")],
        deny: vec![prefix("192.0.2.64/26")],
        ..Attach::default()
    };
    let attached = guard::attach(&registry, &lock, "eth0", &how)?;
    assert!(attached.native_refused.is_none());
    let mut guard = attached.guard;
    assert_eq!(guard.interface(), "eth0");
    assert_eq!(guard.mode(), Some(Mode::Native));
    assert_eq!(guard.policy()?, how.policy);
    assert!(guard.attached_at()? <= SystemTime::now());
    assert!(matches!(
        guard::attach(&registry, &lock, "eth0", &how),
        Err(Error::AlreadyAttached(_))
    ));

    traffic();
    let counters = guard.counters()?;
    assert_eq!(counters.reason(Reason::Allowed).packets, 1);
    assert_eq!(counters.reason(Reason::Denied).packets, 1);
    assert_eq!(counters.reason(Reason::Unlisted).packets, 1);
    assert_eq!(
        counters
            .reasons()
            .map(|(_, counter)| counter.packets)
            .sum::<u64>(),
        3
    );

    let mut change = Change::default();
    change.add(Verdict::Allow, prefix("198.51.100.7"))?;
    change.remove(Verdict::Deny, prefix("192.0.2.64/26"));
    assert!(matches!(
        change.add(Verdict::Deny, prefix("198.51.100.7")),
        Err(Error::Contradiction(_))
    ));
    let committed = guard.commit(&lock, &change)?;
    assert_eq!((committed.added, committed.removed), (1, 1));
    traffic();
    assert_eq!(guard.counters()?.reason(Reason::Allowed).packets, 4);
    let hits: Vec<_> = guard.prefixes()?.iter().map(|listed| listed.hits).collect();
    assert_eq!(
        hits.iter().map(|hits| hits.unwrap().packets).sum::<u64>(),
        4
    );
    let by = guard.decide("192.0.2.66".parse().unwrap())?.by;
    assert_eq!(by, Some((prefix("192.0.2.0/24"), Verdict::Allow)));

    replace_lists(&mut guard, &lock)?;

    // A handle is only a handle.
    drop(guard);
    let Some(Entry::Guard(guard)) = registry.find("eth0")? else {
        panic!("the filter stays when the handle goes");
    };
    assert_eq!(guard.counters()?.reason(Reason::Allowed).packets, 4);
    guard.detach(&lock)
}

/// Both lists in one change, in the order in which they are told.
fn replace_lists(guard: &mut guard::Guard, lock: &guard::Lock) -> Result<()> {
    let mut change = Change::default();
    change.add(Verdict::Allow, prefix("203.0.113.0/24"))?;
    change.replace(
        Verdict::Allow,
        [prefix("192.0.2.0/24"), prefix("10.0.0.0/8")],
    );
    change.add(Verdict::Allow, prefix("10.0.0.0/8"))?;
    change.add(Verdict::Allow, prefix("10.0.0.0/16"))?;
    change.remove(Verdict::Allow, prefix("192.0.2.0/24"));
    change.replace(Verdict::Deny, [prefix("10.1.0.0/16")]);
    let committed = guard.commit(lock, &change)?;
    let expected = Committed {
        added: 3,
        removed: 3,
        ..Committed::default()
    };
    assert_eq!(committed, expected);
    let counts = PrefixCounts {
        allow_v4: 2,
        deny_v4: 1,
        ..PrefixCounts::default()
    };
    assert_eq!(guard.prefix_counts()?, counts);

    let mut contradiction = Change::default();
    contradiction.replace(Verdict::Allow, [prefix("172.16.0.0/12")]);
    contradiction.replace(Verdict::Deny, [prefix("172.16.0.0/12")]);
    assert!(matches!(
        guard.commit(lock, &contradiction),
        Err(Error::Contradiction(_))
    ));
    assert_eq!(guard.prefix_counts()?, counts);
    Ok(())
}

#[test]
fn another_program_can_guard_an_interface() {
    let Some(site) = Site::or_skip("another_program_can_guard_an_interface") else {
        return;
    };
    let traffic = || {
        for source in ["192.0.2.7", "192.0.2.66", "198.51.100.7"] {
            site.send_datagram(source.parse().unwrap(), 111, &rpc::DUMP);
        }
        site.settle();
    };
    site.host.enter(|| guard_for_a_while(traffic)).unwrap();
}
