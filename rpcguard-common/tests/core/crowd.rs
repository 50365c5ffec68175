//! Calls that come too often to be one client's.

use std::cell::Cell;

use rpcguard_common::{crowd::is_one, limiter::Word};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1000 * MILLISECOND;

/// A cell of the table, and a clock.
struct Calls {
    cell: Cell<u64>,
    now: u64,
}

impl Word for &Calls {
    fn load(&self) -> u64 {
        self.cell.get()
    }

    fn store(&self, value: u64) {
        self.cell.set(value);
    }
}

impl Calls {
    fn new() -> Self {
        Self {
            cell: Cell::new(0),
            now: 86_400 * SECOND,
        }
    }

    /// Whether the call is one of a crowd.
    fn call(&mut self, transaction: u32, pause: u64) -> bool {
        self.now += pause;
        is_one(&&*self, transaction, self.now)
    }

    /// How many of so many calls are.
    fn calls(&mut self, transaction: u32, pause: u64, count: u32) -> u32 {
        (0..count).filter(|_| self.call(transaction, pause)).count() as u32
    }
}

#[test]
fn a_client_that_asks_again_is_no_crowd() {
    // libtirpc, mount.nfs until it gives up, and one in a hurry.
    for (pause, count) in [(15 * SECOND, 4), (SECOND, 4), (MILLISECOND, 5)] {
        for transaction in [0, 1, u32::MAX] {
            let mut calls = Calls::new();
            assert_eq!(
                calls.calls(transaction, pause, count),
                0,
                "every {pause} ns"
            );
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "simulates a flood")]
fn a_call_that_comes_again_and_again_is_a_crowd_until_it_has_stopped_for_a_while() {
    for pause in [0, 200, MILLISECOND, 100 * MILLISECOND] {
        let mut calls = Calls::new();
        let count = 100_000;
        let crowd = calls.calls(7, pause, count);
        assert!(crowd >= count - 8, "{crowd} of {count}, every {pause} ns");
        assert!(calls.call(7, 2 * SECOND), "soon after");
        assert!(!calls.call(7, 60 * SECOND), "a minute later");
    }
}

#[test]
#[cfg_attr(miri, ignore = "simulates a flood")]
fn a_call_that_shares_the_cell_of_a_crowd_is_none() {
    let mut calls = Calls::new();
    for _ in 0..1000 {
        calls.calls(7, 100, 100);
        assert!(!calls.call(8, 100));
    }
    assert!(calls.call(7, 0), "and does not hide it");
}

#[test]
#[cfg_attr(miri, ignore = "simulates a flood")]
fn calls_that_are_all_different_are_no_crowd() {
    let mut calls = Calls::new();
    let crowd = (0..1_000_000).filter(|transaction| calls.call(*transaction, 100));
    assert_eq!(crowd.count(), 0);
}

/// The cell's 32 bits of time do so every 52 days.
#[test]
#[cfg_attr(miri, ignore = "simulates a flood")]
fn a_crowd_stays_one_when_the_clock_overflows() {
    let mut calls = Calls::new();
    calls.now = (1 << 52) - 3 * SECOND;
    calls.calls(7, 0, 1_000);
    // The empty cell may have passed for that of another call in the last seconds before.
    calls.now = (1 << 52) + 60 * SECOND;
    assert!(calls.calls(7, MILLISECOND, 10_000) > 9_990);
    let mut calls = Calls::new();
    calls.now = (1 << 52) - 60 * SECOND;
    assert!(calls.calls(7, MILLISECOND, 120_000) > 119_990);
}
