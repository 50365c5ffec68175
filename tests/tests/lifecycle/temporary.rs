//! Prefixes that are in a list for some time only.

use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use rpcguard::{
    Error,
    guard::{BootTime, Change, Registry, Verdict},
    prefix::Prefix,
};
use rpcguard_common::{
    abi::{LONG_FROM, MAX_ENDS, MAX_LAPSED},
    reason::Action::{self, Drop, Pass},
};
use rpcguard_tests::site::Site;

use crate::{
    effort::amount,
    lists::{file, hosts},
    snapshot::{ends_of, entries},
};

fn addresses<const N: usize>(texts: [&str; N]) -> [IpAddr; N] {
    texts.map(|text| text.parse().unwrap())
}

/// Long enough for a command or two to be done before.
fn soon() -> u64 {
    amount(2, 20)
}

/// Waits until everything has lapsed that was added for [`soon`] before `since`.
fn wait(since: Instant) {
    let end = since + Duration::from_secs(soon()) + Duration::from_millis(50);
    thread::sleep(end.saturating_duration_since(Instant::now()));
}

/// Everything that has to be the case wherever a prefix that has an end is: among few or many.
fn lapse(site: &Site, rest: usize) {
    let sources = addresses([
        "198.51.100.7",
        "198.51.100.8",
        "172.16.1.1",
        "172.16.2.1",
        "2001:db8:f::1",
        "2001:db8:f:1::1",
    ]);
    let verdicts = || site.verdicts(&sources);
    assert_eq!(verdicts(), [Drop; 6]);
    site.rpcguard("allow add 172.16.0.0/12 2001:db8:f::/48");
    let before = [Drop, Drop, Pass, Pass, Pass, Pass];
    assert_eq!(verdicts(), before);

    let soon = soon();
    let said = site.rpcguard(&format!(
        "deny add 172.16.1.0/24 2001:db8:f:1::/64 --for {soon}s"
    ));
    assert_eq!(said, "eth0: deny list: 2 added, 0 removed\n");
    site.rpcguard(&format!("allow add 198.51.100.7 --for {soon}s"));
    let since = Instant::now();
    assert_eq!(verdicts(), [Pass, Drop, Drop, Pass, Pass, Drop]);
    let listed = site.rpcguard("deny list");
    assert!(listed.contains(" until 20"), "{listed}");
    assert_eq!(ends_of(site, "eth0"), 3);
    wait(since);
    // Nothing runs but the kernel.
    assert_eq!(verdicts(), before);
    // What has lapsed is not there for anybody who asks.
    assert_eq!(site.rpcguard("deny list"), "eth0: the deny list is empty\n");
    let told = site.rpcguard("allow test 172.16.1.1");
    assert!(told.contains("allowed by 172.16.0.0/12"), "{told}");
    let counts = site.guard(|guard| guard.prefix_counts().unwrap());
    assert_eq!((counts.deny_v4, counts.deny_v6), (0, 0));
    assert_eq!(ends_of(site, "eth0"), 3);
    // And the next change removes it.
    site.rpcguard("deny add 172.16.1.0/24");
    assert_eq!(ends_of(site, "eth0"), 0);
    assert_eq!(entries(site), rest + 3);
    assert_eq!(verdicts(), [Drop, Drop, Drop, Pass, Pass, Pass]);
    site.rpcguard("deny remove 172.16.1.0/24");
    site.rpcguard("allow remove 172.16.0.0/12 2001:db8:f::/48");
}

#[test]
fn what_is_listed_for_some_time_lapses_by_itself() {
    let Some(site) = Site::or_skip("what_is_listed_for_some_time_lapses_by_itself") else {
        return;
    };
    site.rpcguard("attach eth0 --allow 10.9.9.9");
    lapse(&site, 1);
    site.rpcguard("detach eth0");
}

#[test]
fn what_is_listed_for_some_time_lapses_in_a_long_list() {
    let Some(site) = Site::or_skip("what_is_listed_for_some_time_lapses_in_a_long_list") else {
        return;
    };
    let list = hosts(0..2 * LONG_FROM as u32);
    let path = file(&list);
    site.rpcguard(&format!(
        "attach eth0 --allow-file {}",
        path.path().display()
    ));
    lapse(&site, list.len());
    // A host that is in the tables has no end; one that has one is not.
    site.rpcguard("allow remove 10.0.0.7");
    site.rpcguard("allow add 10.0.0.7 --for 1h");
    site.rpcguard("deny add 10.0.0.8/31 --for 1h");
    let sources = addresses(["10.0.0.6", "10.0.0.7", "10.0.0.8", "10.0.0.9"]);
    assert_eq!(site.verdicts(&sources), [Pass; 4]);
    // What is no longer listed itself says what a prefix says that has an end.
    site.rpcguard("allow remove 10.0.0.8");
    assert_eq!(site.verdicts(&sources), [Pass, Pass, Drop, Pass]);
    site.rpcguard("allow add 10.0.0.7");
    assert_eq!(ends_of(&site, "eth0"), 1);
    // Larger tables.
    let longer = file(&hosts(0..20 * LONG_FROM as u32));
    site.rpcguard("allow remove 10.0.0.7");
    site.rpcguard("allow add 10.0.0.7 192.0.2.7 --for 1h");
    site.guard(|guard| {
        let lock = Registry::new().unwrap().lock().unwrap();
        let mut change = Change::default();
        change.replace(Verdict::Allow, hosts(8..20 * LONG_FROM as u32));
        change.keep_temporary();
        guard.commit(&lock, &change).unwrap();
    });
    assert_eq!(ends_of(&site, "eth0"), 3);
    let sources = addresses(["10.0.0.6", "10.0.0.7", "10.0.0.8", "192.0.2.7", "10.0.5.0"]);
    assert_eq!(site.verdicts(&sources), [Drop, Pass, Pass, Pass, Pass]);
    // Those of a file are there for good.
    site.rpcguard(&format!("allow replace {}", longer.path().display()));
    assert_eq!(site.verdicts(&sources), [Pass, Pass, Pass, Drop, Pass]);
    assert_eq!(ends_of(&site, "eth0"), 1);
    site.rpcguard("attach eth0 --replace");
    assert_eq!(ends_of(&site, "eth0"), 1);
    site.rpcguard("detach eth0");
}

#[test]
fn the_last_word_says_until_when_but_what_is_there_for_good_stays() {
    let test = "the_last_word_says_until_when_but_what_is_there_for_good_stays";
    let Some(site) = Site::or_skip(test) else {
        return;
    };
    site.rpcguard("attach eth0 --allow 192.0.2.0/24");
    let soon = soon();
    let said = site.rpcguard(&format!("allow add 192.0.2.0/24 --for {soon}s"));
    assert_eq!(
        said,
        "eth0: allow list: 0 added, 0 removed, 1 already there\n"
    );
    site.rpcguard(&format!(
        "allow add 10.1.0.1 10.1.0.2 10.1.0.3 --for {soon}s"
    ));
    let since = Instant::now();
    let said = site.rpcguard("allow add 10.1.0.2 --for 1h");
    assert_eq!(
        said,
        "eth0: allow list: 0 added, 0 removed, 1 with another end\n"
    );
    site.rpcguard("allow add 10.1.0.3");
    assert_eq!(ends_of(&site, "eth0"), 2);
    wait(since);
    let sources = addresses(["192.0.2.1", "10.1.0.1", "10.1.0.2", "10.1.0.3"]);
    assert_eq!(site.verdicts(&sources), [Pass, Drop, Pass, Pass]);
    site.rpcguard("detach eth0");
}

#[test]
fn what_lapsed_within_what_lapsed_is_passed_over() {
    let Some(site) = Site::or_skip("what_lapsed_within_what_lapsed_is_passed_over") else {
        return;
    };
    site.rpcguard("attach eth0 --allow 10.0.0.0/8 --allow 2001:db8::/32");
    let lists = [Verdict::Deny, Verdict::Allow];
    let chain = |address: &str, lengths: std::ops::Range<u8>| -> Vec<Prefix> {
        let address: IpAddr = address.parse().unwrap();
        lengths
            .filter_map(|length| Prefix::new(address, length))
            .collect()
    };
    let few = MAX_LAPSED as u8;
    // One chain of each family that is just short enough, and one that is not.
    let nested = [
        chain("10.0.0.1", 9..9 + few),
        chain("2001:db8::1", 33..33 + few),
        chain("10.192.0.1", 10..11 + few),
    ];
    site.guard(|guard| {
        let lock = Registry::new().unwrap().lock().unwrap();
        let mut change = Change::default();
        let until = BootTime::now().after(Duration::from_secs(soon()));
        for (prefix, list) in nested.iter().flatten().zip(lists.iter().cycle()) {
            change.add_until(*list, *prefix, until).unwrap();
        }
        guard.commit(&lock, &change).unwrap();
    });
    let since = Instant::now();
    let sources = addresses(["10.0.0.1", "10.64.0.1", "2001:db8::1", "10.192.0.1"]);
    let inside = site.verdicts(&sources);
    assert!(inside.contains(&Drop), "{inside:?}");
    wait(since);
    // Never more than what is allowed.
    assert_eq!(site.verdicts(&sources), [Pass, Pass, Pass, Drop]);
    site.guard(|guard| {
        let lock = Registry::new().unwrap().lock().unwrap();
        assert_eq!(
            guard.remove_lapsed(&lock).unwrap(),
            3 * usize::from(few) + 1
        );
        assert_eq!(guard.remove_lapsed(&lock).unwrap(), 0);
    });
    assert_eq!(site.verdicts(&sources), [Pass; 4]);
    site.rpcguard("detach eth0");
}

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let Some(site) = Site::or_skip("there_is_room_for_so_many_and_no_more") else {
        return;
    };
    site.rpcguard("attach eth0");
    let add = |range: std::ops::Range<u32>| {
        site.guard(|guard| {
            let lock = Registry::new().unwrap().lock().unwrap();
            let mut change = Change::default();
            let until = BootTime::now().after(Duration::from_secs(3600));
            for host in hosts(range) {
                change.add_until(Verdict::Allow, host, until).unwrap();
            }
            guard.commit(&lock, &change)
        })
    };
    assert_eq!(add(0..MAX_ENDS).unwrap().added, MAX_ENDS as usize);
    let refused = add(MAX_ENDS..MAX_ENDS + 1);
    assert!(matches!(refused, Err(Error::TooManyEnds { room: 0, .. })));
    let last: [IpAddr; 1] = addresses(["10.0.15.254"]);
    assert_eq!(site.verdicts(&last), [Action::Pass]);
    site.rpcguard("allow remove 10.0.0.0");
    assert_eq!(add(MAX_ENDS..MAX_ENDS + 1).unwrap().added, 1);
    site.rpcguard("detach eth0");
}
