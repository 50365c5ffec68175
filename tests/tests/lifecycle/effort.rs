//! How thorough the tests are.

use std::env;

use rpcguard_tests::lab::in_vm;

/// Whether every fault is to be tried, as `cargo xtask faults` does, and not only a choice of them.
pub(crate) fn is_exhaustive() -> bool {
    env::var_os("RPCGUARD_EXHAUSTIVE").is_some()
}

/// How much of something is enough: less where the processor is emulated, and a command takes half a
/// second.
pub(crate) fn amount<N>(here: N, emulated: N) -> N {
    if in_vm() { emulated } else { here }
}

/// All of these if every fault is to be tried, and otherwise at most so many of them, evenly spread
/// from the first to the last.
pub(crate) fn choice<T>(all: Vec<T>, at_most: usize) -> Vec<T> {
    let count = all.len();
    if is_exhaustive() || count <= at_most {
        return all;
    }
    let chosen = |index: &usize| {
        let nth = index * (at_most - 1) / (count - 1);
        (nth * (count - 1)).div_ceil(at_most - 1) == *index
    };
    let indexed = all.into_iter().enumerate();
    indexed
        .filter(|(index, _)| chosen(index))
        .map(|(_, item)| item)
        .collect()
}

#[test]
fn a_choice_is_spread_evenly_and_has_both_ends() {
    if is_exhaustive() {
        return;
    }
    assert_eq!(choice((0..5).collect(), 5), [0, 1, 2, 3, 4]);
    assert_eq!(choice((0..10).collect(), 4), [0, 3, 6, 9]);
    let chosen = choice((0..100).collect(), 12);
    assert_eq!((chosen.len(), chosen[0], chosen[11]), (12, 0, 99));
}
