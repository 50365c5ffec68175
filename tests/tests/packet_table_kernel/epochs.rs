//! A change is written where no packet looks, and takes effect when its epoch is stored.

use rpcguard::prefix::Prefix;
use rpcguard_common::{
    abi::{Counter, Decision, FewPorts, PrefixEntry, State, VacantBlocks, Verdict},
    parse::LinkLayer,
    reason::{
        Action::{self, Drop, Pass},
        Reason,
    },
};
use rpcguard_tests::{
    kernel::{Kernel, Load},
    packet::{
        Frame, Setup,
        numbers::SYN,
        peers::{STRANGER_V4, STRANGER_V6},
        prefixes,
    },
};

/// An epoch after which the next one is stored.
const BEFORE: u32 = 6;
const AFTER: u32 = BEFORE + 1;

/// Both programs show `frame` the same door.
fn action(kernel: &Kernel, frame: Frame) -> Action {
    let frame = frame.build();
    let actions = kernel.programs().iter();
    let mut actions = actions.map(|program| kernel.run(*program, &frame).unwrap());
    let first = actions.next().unwrap();
    assert!(actions.all(|action| action == first));
    first
}

fn call_v4() -> Frame {
    Frame::ethernet().ipv4(STRANGER_V4).dump()
}

fn call_v6() -> Frame {
    Frame::ethernet().ipv6(STRANGER_V6).dump()
}

/// Under epoch [`BEFORE`], with nothing listed and port 111 guarded.
fn kernel(test: &str) -> Option<(Kernel, State)> {
    // Nothing here is about the rate policy, which takes the verifier five times as long.
    let load = Load {
        limiter: false,
        ..LinkLayer::Ethernet.into()
    };
    let mut kernel = Kernel::load_or_skip(test, load)?;
    let setup = Setup {
        prefixes: Vec::new(),
        ..Setup::default()
    };
    kernel.apply(&setup).unwrap();
    let mut state = setup.state(BEFORE);
    state.settings = [setup.settings(); 2];
    // The tests write entries that the setup does not know of.
    state.vacant_v4 = VacantBlocks::NONE;
    state.vacant_v6 = VacantBlocks::NONE;
    // And settings.
    state.few_ports = FewPorts::UNKNOWN;
    kernel.store(&state).unwrap();
    Some((kernel, state))
}

/// An entry that says `before` until [`AFTER`] and `after` from then on.
fn changing(prefix: &str, before: Decision, after: Decision) -> (Prefix, PrefixEntry) {
    let prefix: Prefix = prefix.parse().unwrap();
    let entry = PrefixEntry {
        before,
        after,
        epoch: AFTER,
        length: u32::from(prefix.length()),
    };
    (prefix, entry)
}

#[test]
fn a_prefix_changes_exactly_when_its_epoch_is_stored() {
    const TEST: &str = "a_prefix_changes_exactly_when_its_epoch_is_stored";
    let Some((mut kernel, mut state)) = kernel(TEST) else {
        return;
    };
    let allow = Decision::listed(Verdict::Allow, 0);
    for (prefix, entry) in [
        changing("198.51.100.0/24", Decision::UNLISTED, allow),
        changing("2001:db8:b::/48", allow, Decision::UNLISTED),
    ] {
        kernel.insert(prefix, entry).unwrap();
    }
    for (epoch, v4, v6) in [
        (0, Drop, Pass),
        (BEFORE - 1, Drop, Pass),
        (BEFORE, Drop, Pass),
        (AFTER, Pass, Drop),
        (AFTER + 1, Pass, Drop),
        (u32::MAX, Pass, Drop),
        // An epoch is never taken back; this shows that nothing else was changed meanwhile.
        (BEFORE, Drop, Pass),
    ] {
        state.epoch = epoch;
        kernel.store(&state).unwrap();
        assert_eq!(action(&kernel, call_v4()), v4, "IPv4 in epoch {epoch}");
        assert_eq!(action(&kernel, call_v6()), v6, "IPv6 in epoch {epoch}");
    }
}

#[test]
fn a_prefix_that_is_going_repeats_what_its_ancestor_says_and_counts_there() {
    const TEST: &str = "a_prefix_that_is_going_repeats_what_its_ancestor_says_and_counts_there";
    let Some((mut kernel, mut state)) = kernel(TEST) else {
        return;
    };
    let ancestor = Decision::listed(Verdict::Allow, 1);
    let (prefix, _) = changing("198.51.0.0/16", ancestor, ancestor);
    kernel
        .insert(prefix, PrefixEntry::settled(16, ancestor))
        .unwrap();
    let denied = Decision::listed(Verdict::Deny, 2);
    let (prefix, entry) = changing("198.51.100.0/24", denied, ancestor.inherited());
    kernel.insert(prefix, entry).unwrap();

    let length = call_v4().build().len() as u64;
    let hits = |kernel: &Kernel| [1, 2].map(|slot| kernel.hits(slot).unwrap());
    // By each program once.
    let programs = kernel.programs().len() as u64;
    let times = |calls| Counter {
        packets: calls * programs,
        bytes: calls * programs * length,
    };
    assert_eq!(action(&kernel, call_v4()), Drop);
    assert_eq!(hits(&kernel), [times(0), times(1)]);
    state.epoch = AFTER;
    kernel.store(&state).unwrap();
    assert_eq!(action(&kernel, call_v4()), Pass);
    assert_eq!(hits(&kernel), [times(1), times(1)]);
}

#[test]
fn settings_and_prefixes_switch_together() {
    const TEST: &str = "settings_and_prefixes_switch_together";
    let Some((mut kernel, mut state)) = kernel(TEST) else {
        return;
    };
    let next = Setup {
        ports: vec![2049],
        tcp: true,
        prefixes: prefixes(&["198.51.100.0/24"], &[]),
        ..Setup::default()
    };
    let nfs_v4 = || Frame::ethernet().ipv4(STRANGER_V4).udp(2049);
    let nfs_v6 = || Frame::ethernet().ipv6(STRANGER_V6).udp(2049);
    let syn = || Frame::ethernet().ipv6(STRANGER_V6).tcp(2049, SYN);
    let seen = |kernel: &Kernel| {
        [call_v4(), call_v6(), nfs_v4(), nfs_v6(), syn()].map(|frame| action(kernel, frame))
    };
    let old = [Drop, Drop, Pass, Pass, Pass];

    // Written under the next epoch: no packet sees any of it.
    state.settings[State::side(AFTER)] = next.settings();
    kernel.store(&state).unwrap();
    assert_eq!(seen(&kernel), old);
    let allow = Decision::listed(Verdict::Allow, 0);
    let (prefix, entry) = changing("198.51.100.0/24", Decision::UNLISTED, allow);
    kernel.insert(prefix, entry).unwrap();
    assert_eq!(seen(&kernel), old);

    // Stored: all of it.
    state.epoch = AFTER;
    kernel.store(&state).unwrap();
    let new = [Pass, Pass, Pass, Drop, Drop];
    assert_eq!(seen(&kernel), new);

    // Tidied up: the other side is free again, and nobody notices.
    state.settings[State::side(BEFORE)] = next.settings();
    kernel.store(&state).unwrap();
    let settled = PrefixEntry::settled(24, allow);
    kernel.insert(prefix, settled).unwrap();
    assert_eq!(seen(&kernel), new);
}

#[test]
fn observing_starts_and_ends_with_an_epoch() {
    const TEST: &str = "observing_starts_and_ends_with_an_epoch";
    let Some((mut kernel, mut state)) = kernel(TEST) else {
        return;
    };
    let observing = Setup {
        observe: true,
        ..Setup::default()
    };
    state.settings[State::side(AFTER)] = observing.settings();
    for (epoch, expected) in [(BEFORE, Drop), (AFTER, Pass), (AFTER + 1, Drop)] {
        state.epoch = epoch;
        kernel.store(&state).unwrap();
        assert_eq!(action(&kernel, call_v4()), expected, "epoch {epoch}");
    }
    // Counted all along.
    let unlisted = kernel.counters().unwrap().reasons[Reason::Unlisted.index()];
    assert_eq!(unlisted.packets, 3 * kernel.programs().len() as u64);
}
