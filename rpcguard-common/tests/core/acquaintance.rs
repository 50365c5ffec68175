//! Who becomes an acquaintance, and for how long.

use rpcguard_common::{
    acquaintance::{NOBODY, served_as, served_in_calm, standing},
    limiter::Standing,
};

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const CLIENT: u64 = 0x1234_5678_9abc_def0;
const OTHER: u64 = 0xfedc_ba98_7654_3210;

fn knows(cell: u64, hash: u64) -> bool {
    standing(cell, hash) == Standing::Acquainted
}

#[test]
fn to_be_served_once_in_calm_is_not_enough() {
    let once = served_in_calm(NOBODY, CLIENT, MINUTE);
    assert!(!knows(once, CLIENT));
    let at_once_again = served_in_calm(once, CLIENT, MINUTE);
    assert!(!knows(at_once_again, CLIENT));
    let later = served_in_calm(at_once_again, CLIENT, MINUTE + 5 * SECOND);
    assert!(knows(later, CLIENT));
    assert!(!knows(later, OTHER));
}

#[test]
fn who_got_through_a_flood_keeps_the_standing_that_it_got_through_by() {
    for by in [
        Standing::Returned,
        Standing::ReturnedTwice,
        Standing::ReturnedThrice,
        Standing::Acquainted,
    ] {
        let cell = served_as(by, CLIENT, MINUTE);
        assert_eq!(standing(cell, CLIENT), by);
        assert_eq!(standing(cell, OTHER), Standing::Newcomer);
        assert!(knows(served_in_calm(cell, CLIENT, MINUTE), CLIENT), "later");
    }
}

#[test]
fn nobody_is_known_in_an_empty_cell() {
    for hash in [0, 1, CLIENT, u64::MAX] {
        assert_eq!(standing(NOBODY, hash), Standing::Newcomer);
    }
}

#[test]
fn an_acquaintance_keeps_its_cell_for_an_hour_since_it_was_last_served() {
    let known = served_as(Standing::Acquainted, CLIENT, MINUTE);
    let soon = served_in_calm(known, OTHER, 50 * MINUTE);
    assert!(knows(soon, CLIENT), "another source does not take it over");
    let served_again = served_in_calm(soon, CLIENT, 50 * MINUTE);
    let still = served_in_calm(served_again, OTHER, 100 * MINUTE);
    assert!(knows(still, CLIENT));
    let late = served_in_calm(still, OTHER, 120 * MINUTE);
    assert!(!knows(late, CLIENT));
    let other = served_in_calm(late, OTHER, 121 * MINUTE);
    assert!(knows(other, OTHER));
}

#[test]
fn who_was_served_once_leaves_the_cell_to_the_next() {
    let once = served_in_calm(NOBODY, CLIENT, MINUTE);
    let other = served_in_calm(once, OTHER, MINUTE);
    let again = served_in_calm(other, OTHER, 2 * MINUTE);
    assert!(knows(again, OTHER));
}
