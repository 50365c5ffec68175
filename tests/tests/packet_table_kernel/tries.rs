//! The kernel's longest match against the most naive one.

use std::{cell::RefCell, collections::BTreeMap, net::IpAddr};

use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use rpcguard::prefix::Prefix;
use rpcguard_common::{
    abi::Verdict,
    parse::LinkLayer,
    policy::{Address, Tables as _},
    reason::Action,
};
use rpcguard_tests::{
    kernel::Kernel,
    packet::{Frame, Setup},
};

/// Bytes of which addresses are made: few, so that prefixes overlap and touch.
const BYTES: [u8; 5] = [0, 1, 127, 128, 255];

fn address<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    // Mostly the same first bytes, so that long prefixes meet too.
    (0..=N, vec(prop::sample::select(&BYTES[..]), N)).prop_map(|(same, bytes)| {
        let mut address = [1; N];
        address[same..].copy_from_slice(&bytes[same..]);
        address
    })
}

/// A family's prefixes with their verdicts, and addresses to look up besides the edges of those.
fn lists<const N: usize>() -> impl Strategy<Value = (Setup, Vec<IpAddr>)>
where
    IpAddr: From<[u8; N]>,
{
    let verdict = prop_oneof![Just(Verdict::Allow), Just(Verdict::Deny)];
    let prefix = (address::<N>(), 0..=N as u8 * 8)
        .prop_map(|(address, length)| Prefix::new(address.into(), length).unwrap());
    let prefixes = prop::collection::btree_map(prefix, verdict, 0..24);
    (prefixes, vec(address::<N>(), 16)).prop_map(|(prefixes, addresses)| {
        let addresses = addresses
            .into_iter()
            .map(IpAddr::from)
            .chain(prefixes.keys().flat_map(|prefix| edges(*prefix)));
        (setup(&prefixes), addresses.collect())
    })
}

fn setup(prefixes: &BTreeMap<Prefix, Verdict>) -> Setup {
    Setup {
        prefixes: prefixes
            .iter()
            .map(|(prefix, verdict)| (*prefix, *verdict))
            .collect(),
        ..Setup::default()
    }
}

/// The first and last address of a prefix, and their neighbours outside.
fn edges(prefix: Prefix) -> [IpAddr; 4] {
    match prefix.address() {
        IpAddr::V4(first) => {
            let first = u32::from(first);
            let last = first | u32::MAX.checked_shr(prefix.length().into()).unwrap_or(0);
            let all = [first.wrapping_sub(1), first, last, last.wrapping_add(1)];
            all.map(|address| IpAddr::V4(address.into()))
        }
        IpAddr::V6(first) => {
            let first = u128::from(first);
            let last = first | u128::MAX.checked_shr(prefix.length().into()).unwrap_or(0);
            let all = [first.wrapping_sub(1), first, last, last.wrapping_add(1)];
            all.map(|address| IpAddr::V6(address.into()))
        }
    }
}

fn call_from(source: IpAddr) -> (Address, Vec<u8>) {
    match source {
        IpAddr::V4(source) => (
            Address::V4(source.octets()),
            Frame::ethernet().ipv4(source).dump().build(),
        ),
        IpAddr::V6(source) => (
            Address::V6(source.octets()),
            Frame::ethernet().ipv6(source).dump().build(),
        ),
    }
}

/// The action for each address, and the hits of each prefix after all of them.
fn agrees(kernel: &mut Kernel, setup: &Setup, addresses: &[IpAddr]) -> Result<(), TestCaseError> {
    kernel.apply(setup).unwrap();
    let mut hits = vec![0; setup.prefixes.len() + 1];
    for address in addresses {
        let (source, frame) = call_from(*address);
        let decision = setup.lookup(source);
        let expected = match decision.verdict() {
            Verdict::Allow => Action::Pass,
            Verdict::Deny | Verdict::Unlisted => Action::Drop,
        };
        for program in kernel.programs().iter().copied() {
            let action = kernel.run(program, &frame).unwrap();
            prop_assert_eq!(action, expected, "{} under {:?}", address, setup.prefixes);
            hits[decision.hit_slot() as usize] += 1;
        }
    }
    for (slot, expected) in (0..).zip(hits).skip(1) {
        let prefix = setup.prefixes[slot as usize - 1].0;
        prop_assert_eq!(
            kernel.hits(slot).unwrap().packets,
            expected,
            "hits of {}",
            prefix
        );
    }
    Ok(())
}

fn random_lists_agree<const N: usize>(test: &str)
where
    IpAddr: From<[u8; N]>,
{
    let Some(kernel) = Kernel::load_or_skip(test, LinkLayer::Ethernet) else {
        return;
    };
    let kernel = RefCell::new(kernel);
    let config = ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&lists::<N>(), |(setup, addresses)| {
            agrees(&mut kernel.borrow_mut(), &setup, &addresses)
        })
        .unwrap();
}

#[test]
fn ipv4_prefixes_match_as_the_naive_search_does() {
    random_lists_agree::<4>("ipv4_prefixes_match_as_the_naive_search_does");
}

#[test]
fn ipv6_prefixes_match_as_the_naive_search_does() {
    random_lists_agree::<16>("ipv6_prefixes_match_as_the_naive_search_does");
}
