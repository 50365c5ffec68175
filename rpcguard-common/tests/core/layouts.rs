//! What is kept in the kernel.

use std::mem::offset_of;

use rpcguard_common::abi::{
    Cell, Counter, Counters, Decision, End, Event, FewPorts, HostsV4, HostsV6, Limit, Limits,
    MAX_ENDS, PortSet, PrefixEntry, RequestCounter, SOURCE_SETS, Settings, SourceEntry, State,
    VacantBlocks, Verdict, hits_index, hits_len, sources_index, sources_len,
};

/// Another build, or another program, reads the same maps.
#[test]
fn fields_are_where_the_abi_version_says() {
    assert_eq!(offset_of!(Counter, packets), 0);
    assert_eq!(offset_of!(Counter, bytes), 8);
    assert_eq!(offset_of!(RequestCounter, passed), 0);
    assert_eq!(offset_of!(RequestCounter, dropped), 16);
    assert_eq!(offset_of!(Counters, reasons), 0);
    assert_eq!(offset_of!(Counters, requests), 256);
    assert_eq!(offset_of!(Counters, sampler), 2304);
    assert_eq!(offset_of!(SourceEntry, prefix), 0);
    assert_eq!(offset_of!(SourceEntry, packets), 8);
    assert_eq!(offset_of!(SourceEntry, excess), 16);
    assert_eq!(offset_of!(SourceEntry, bytes), 24);
    assert_eq!(offset_of!(Cell, arrival), 8);
    assert_eq!(offset_of!(Limit, period), 0);
    assert_eq!(offset_of!(Limit, tolerance), 8);
    assert_eq!(offset_of!(Limit, packets), 16);
    assert_eq!(offset_of!(Limit, seconds), 20);
    assert_eq!(offset_of!(Limit, burst), 24);
    assert_eq!(offset_of!(Limits, source), 0);
    assert_eq!(offset_of!(Limits, neighbourhood), 32);
    assert_eq!(offset_of!(Limits, total), 64);
    assert_eq!(offset_of!(PrefixEntry, before), 0);
    assert_eq!(offset_of!(PrefixEntry, after), 4);
    assert_eq!(offset_of!(PrefixEntry, epoch), 8);
    assert_eq!(offset_of!(PrefixEntry, length), 12);
    assert_eq!(offset_of!(End, until), 0);
    assert_eq!(offset_of!(End, verdict), 8);
    assert_eq!(offset_of!(End, version), 12);
    assert_eq!(offset_of!(HostsV4, addresses), 0);
    assert_eq!(offset_of!(HostsV4, overflowed), 20);
    assert_eq!(offset_of!(HostsV4, words), 24);
    assert_eq!(offset_of!(HostsV6, addresses), 0);
    assert_eq!(offset_of!(HostsV6, overflowed), 80);
    assert_eq!(offset_of!(HostsV6, words), 88);
    assert_eq!(offset_of!(Settings, flags), 0);
    assert_eq!(offset_of!(Settings, hit_slots_used), 4);
    assert_eq!(offset_of!(Settings, prefixes), 8);
    assert_eq!(offset_of!(Settings, long), 24);
    assert_eq!(offset_of!(Settings, limits), 40);
    assert_eq!(offset_of!(Settings, procedures), 136);
    assert_eq!(offset_of!(Settings, ports), 144);
    assert_eq!(offset_of!(State, abi_version), 0);
    assert_eq!(offset_of!(State, epoch), 4);
    assert_eq!(offset_of!(State, attached_at), 8);
    assert_eq!(offset_of!(State, netns), 16);
    assert_eq!(offset_of!(State, changing), 24);
    assert_eq!(offset_of!(State, next), 28);
    assert_eq!(offset_of!(State, events_until), 32);
    assert_eq!(offset_of!(State, seed), 40);
    assert_eq!(offset_of!(State, few_ports), 48);
    assert_eq!(offset_of!(State, settings), 64);
}

#[test]
#[cfg_attr(miri, ignore = "looks at every port again and again")]
fn a_port_set_holds_exactly_what_was_inserted() {
    for port in [0, 1, 63, 64, 111, 112, 175, 2049, 0x6f00, 65534, 65535] {
        let mut ports = PortSet::EMPTY;
        ports.insert(port);
        assert!(ports.iter().eq([port]), "{port}");
    }
    assert_eq!(PortSet::EMPTY.iter().next(), None);
    let mut ports = PortSet::EMPTY;
    for port in [2049, 111, 69, 111] {
        ports.insert(port);
    }
    assert!(ports.iter().eq([69, 111, 2049]));
}

#[test]
#[cfg_attr(miri, ignore = "looks at every port again and again")]
fn few_ports_are_known_and_many_are_not() {
    let set = |ports: &[u16]| {
        let mut set = PortSet::EMPTY;
        ports.iter().for_each(|port| set.insert(*port));
        set
    };
    let may_contain = |ports: &[u16]| -> Vec<u16> {
        let word = FewPorts::of(&set(ports)).word();
        (0..=u16::MAX)
            .filter(|port| FewPorts::may_contain(word, *port))
            .collect()
    };
    for ports in [&[111][..], &[0, 65535], &[69, 111, 2049, 20048]] {
        assert_eq!(may_contain(ports), ports);
    }
    // A word of port 0 alone is that of no port: the set is asked.
    for unknown in [&[][..], &[0], &[1, 2, 3, 4, 5]] {
        assert_eq!(FewPorts::of(&set(unknown)), FewPorts::UNKNOWN);
        assert_eq!(may_contain(unknown).len(), 1 << 16);
    }
}

#[test]
fn a_decision_is_verdict_slot_and_whether_it_is_listed() {
    for verdict in [Verdict::Unlisted, Verdict::Allow, Verdict::Deny] {
        for slot in [0, 1, 65_536] {
            let listed = Decision::listed(verdict, slot);
            let inherited = listed.inherited();
            assert!(listed.is_listed() && !inherited.is_listed());
            for decision in [listed, inherited] {
                assert_eq!(decision.verdict(), verdict);
                assert_eq!(decision.hit_slot(), slot);
                assert_eq!(decision.end(), 0);
                for end in [1, MAX_ENDS] {
                    let ending = decision.until(end);
                    assert_eq!((ending.end(), ending.hit_slot()), (end, slot));
                    assert_eq!(ending.until(0), decision);
                    let counted = ending.counted_in(7);
                    assert_eq!((counted.end(), counted.hit_slot()), (end, 7));
                    assert_eq!(counted.counted_in(slot), ending);
                }
            }
        }
    }
    assert!(!Decision::UNLISTED.is_listed());
    assert_eq!(Decision::UNLISTED, Decision::default());
}

#[test]
fn an_entry_changes_in_its_epoch_and_a_settled_one_never() {
    let [before, after] =
        [Verdict::Allow, Verdict::Deny].map(|verdict| Decision::listed(verdict, 7));
    let changing = PrefixEntry {
        before,
        after,
        epoch: 5,
        length: 24,
    };
    let settled = PrefixEntry::settled(24, before);
    for epoch in [0, 4, 5, 6, u32::MAX] {
        let expected = if epoch < 5 { before } else { after };
        assert_eq!(changing.at(epoch), expected, "epoch {epoch}");
        assert_eq!(settled.at(epoch), before, "epoch {epoch}");
    }
}

#[test]
fn epochs_take_turns_with_the_two_settings() {
    let mut state = State {
        abi_version: 1,
        epoch: 0,
        attached_at: 0,
        netns: 0,
        changing: 0,
        next: 0,
        events_until: 0,
        seed: 0,
        few_ports: FewPorts::UNKNOWN,
        settings: [Settings::EMPTY; 2],
        vacant_v4: VacantBlocks::NONE,
        vacant_v6: VacantBlocks::NONE,
        vacant_of_short_v4: VacantBlocks::NONE,
        vacant_of_short_v6: VacantBlocks::NONE,
    };
    state.settings[1].flags = 9;
    for (epoch, flags) in [(0, 0), (1, 9), (2, 0), (u32::MAX, 9)] {
        state.epoch = epoch;
        assert_eq!(state.current().flags, flags, "epoch {epoch}");
    }
}

#[test]
fn a_prefix_occupies_the_blocks_that_it_touches_and_no_others() {
    let cases = [
        ([10, 0], 8, 0x0a00..=0x0aff),
        ([192, 168], 16, 0xc0a8..=0xc0a8),
        ([192, 168], 24, 0xc0a8..=0xc0a8),
        ([192, 168], 32, 0xc0a8..=0xc0a8),
        ([0x20, 0x01], 128, 0x2001..=0x2001),
        ([0, 0], 0, 0..=0xffff),
        ([128, 0], 1, 0x8000..=0xffff),
        ([255, 254], 15, 0xfffe..=0xffff),
    ];
    for (first, length, touched) in cases {
        let mut vacant = VacantBlocks::ALL;
        vacant.occupy(first, length);
        for block in (0..=u16::MAX).step_by(if cfg!(miri) { 251 } else { 1 }) {
            let expected = !touched.contains(&block);
            assert_eq!(vacant.contains(block), expected, "{first:?}/{length}");
        }
    }
    assert!(
        (0..=u16::MAX)
            .step_by(if cfg!(miri) { 251 } else { 1 })
            .all(|block| !VacantBlocks::NONE.contains(block))
    );
}

#[test]
fn an_event_is_read_as_the_kernel_wrote_it() {
    let mut bytes = Vec::new();
    bytes.extend(7_u64.to_ne_bytes());
    bytes.extend(8_u64.to_ne_bytes());
    bytes.extend(1..=16);
    bytes.extend(9_u32.to_ne_bytes());
    bytes.extend([6, 4, 19, 1]);
    let event = Event {
        time: 7,
        drops: 8,
        source: std::array::from_fn(|index| index as u8 + 1),
        length: 9,
        version: 6,
        reason: 4,
        request: 19,
        observed: 1,
    };
    assert_eq!(Event::from_bytes(&bytes), Some(event));
    assert_eq!(Event::from_bytes(&bytes[..39]), None);
}

/// No two CPUs, and no two things that a CPU counts, share an element.
#[test]
fn every_cpu_counts_in_a_part_of_its_own() {
    const CPUS: u32 = 3;
    let slots = [0, 1, 65_536];
    let hits: Vec<_> = (0..CPUS)
        .flat_map(|cpu| slots.map(|slot| hits_index(cpu, slot)))
        .collect();
    assert!(hits.is_sorted_by(|one, next| one < next));
    assert!(*hits.last().unwrap() < hits_len(CPUS));
    let sources: Vec<_> = (0..CPUS)
        .flat_map(|cpu| (0..4).map(move |aggregate| (cpu, aggregate)))
        .flat_map(|(cpu, aggregate)| {
            [0, SOURCE_SETS - 1].map(|hash| sources_index(cpu, aggregate, hash))
        })
        .collect();
    assert!(sources.is_sorted_by(|one, next| one < next));
    assert_eq!(*sources.last().unwrap(), sources_len(CPUS) - 1);
}
