//! Bonds of two wires.

use rpcguard_tests::{
    lab::{Host, connect, in_vm, skip},
    release::{Version, kernel_version},
};

use crate::town::{HOST, NEIGHBOUR, Town};

/// The first kernel on which a bond hands a program on to its drivers, in most modes.
const BOND: Version = (5, 15);

/// Bonds these wires; says why not, if there are no bonds here.
fn add_bond(host: &Host, mode: &str, wires: &[&str], addresses: &[&str]) -> Result<(), String> {
    host.ip(&format!("link add bond0 type bond mode {mode} miimon 10"))
        .map_err(|error| error.to_string())?;
    for wire in wires {
        host.ip(&format!("link set {wire} down")).unwrap();
        host.ip(&format!("link set {wire} master bond0")).unwrap();
        host.ip(&format!("link set {wire} up")).unwrap();
    }
    host.ip("link set bond0 up").unwrap();
    for address in addresses {
        host.add_address("bond0", address).unwrap();
    }
    Ok(())
}

fn is_guarded(test: &str, bonding: &str, wires: &[&str], native_since: Option<Version>) {
    let Some(town) = Town::or_skip(test) else {
        return;
    };
    for name in wires {
        connect((&town.host, (name, &[])), (&town.neighbour, (name, &[]))).unwrap();
    }
    for (host, addresses) in [(&town.host, &HOST[..]), (&town.neighbour, &NEIGHBOUR[..])] {
        if let Err(why) = add_bond(host, bonding, wires, addresses) {
            assert!(!in_vm(), "{why}");
            return skip(test, &format!("no bonds here: {why}"));
        }
    }
    town.wait_until_answered();
    if native_since.is_some_and(|since| kernel_version() >= since) {
        town.is_guarded_by("bond0", "native", "native");
    } else {
        let said = town.is_guarded_by("bond0", "auto", "generic");
        assert!(said.contains("`bond0` in native mode"), "{said}");
    }
    town.is_guarded_by("bond0", "generic", "generic");
}

#[test]
fn a_bond_with_a_backup_is_guarded() {
    is_guarded(
        "a_bond_with_a_backup_is_guarded",
        "active-backup",
        &["eth0", "eth1"],
        Some(BOND),
    );
}

#[test]
fn a_bond_that_takes_turns_is_guarded() {
    is_guarded(
        "a_bond_that_takes_turns_is_guarded",
        "balance-rr",
        &["eth0", "eth1"],
        Some(BOND),
    );
}

/// A mode whose way of sending no driver knows. One wire: of several, the other end would have to be a
/// switch.
#[test]
fn a_bond_that_balances_by_load_is_guarded_in_generic_mode() {
    is_guarded(
        "a_bond_that_balances_by_load_is_guarded_in_generic_mode",
        "balance-tlb",
        &["eth0"],
        None,
    );
}
