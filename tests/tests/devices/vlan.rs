//! VLAN devices: the kernel's own, on both sides.

use rpcguard_tests::lab::{Host, in_vm, skip};

use crate::town::{ALLOW, HOST, NEIGHBOUR, Town};

/// Puts a VLAN device on top of `eth0` and gives it the addresses, untagged traffic having none; says
/// why not, if there are no such devices here.
fn add_vlan(host: &Host, addresses: &[&str]) -> Result<(), String> {
    host.ip("link add link eth0 name eth0.100 type vlan id 100")
        .map_err(|error| error.to_string())?;
    host.ip("address flush dev eth0").unwrap();
    host.ip("link set eth0.100 up").unwrap();
    for address in addresses {
        host.add_address("eth0.100", address).unwrap();
    }
    Ok(())
}

fn town_with_vlan(test: &str) -> Option<Town> {
    let town = Town::or_skip(test)?.with_veth();
    for (host, addresses) in [(&town.host, &HOST[..]), (&town.neighbour, &NEIGHBOUR[..])] {
        if let Err(why) = add_vlan(host, addresses) {
            assert!(!in_vm(), "{why}");
            skip(test, &format!("no VLAN devices here: {why}"));
            return None;
        }
    }
    town.wait_until_answered();
    Some(town)
}

#[test]
fn a_guard_of_the_parent_guards_its_vlans() {
    let Some(town) = town_with_vlan("a_guard_of_the_parent_guards_its_vlans") else {
        return;
    };
    for mode in ["native", "generic"] {
        // With the tag beside the frame, as most hardware has it, and in it.
        for offload in ["on", "off"] {
            for host in [&town.host, &town.neighbour] {
                host.ethtool(&format!("-K eth0 txvlan {offload} rxvlan {offload}"))
                    .unwrap();
            }
            let _ = town
                .rpcguard(&format!("attach eth0 --mode {mode} {ALLOW}"))
                .succeeded();
            town.wait_until_answered();
            let about = format!("{mode}, offload {offload}");
            assert_eq!(town.answered(), (true, false), "{about}");
            for (packets, bytes) in town.counters("eth0") {
                assert_eq!(packets, 2, "{about}");
                let untagged = 2 * (14 + 8 + 40) + 20 + 40;
                let tagged = untagged + 2 * 4;
                // A tag that is beside the frame is not in its length.
                let expected = if offload == "on" {
                    untagged..=tagged
                } else {
                    tagged..=tagged
                };
                assert!(expected.contains(&bytes), "{bytes} bytes: {about}");
            }
            let _ = town.rpcguard("detach eth0").succeeded();
            assert_eq!(town.answered(), (true, true), "{about}");
        }
    }
}

#[test]
fn a_vlan_device_is_guarded_in_generic_mode() {
    let Some(town) = town_with_vlan("a_vlan_device_is_guarded_in_generic_mode") else {
        return;
    };
    let said = town.is_guarded_by("eth0.100", "auto", "generic");
    assert!(said.contains("`eth0.100` in native mode"), "{said}");
    let refused = town
        .rpcguard("attach eth0.100 --mode native")
        .exited_with(1);
    assert!(refused.stderr.contains("eth0.100"), "{refused}");
}

/// Two VLANs, of which one is guarded.
#[test]
fn a_guard_of_a_vlan_device_leaves_the_parent_alone() {
    let Some(town) = town_with_vlan("a_guard_of_a_vlan_device_leaves_the_parent_alone") else {
        return;
    };
    let _ = town
        .rpcguard(&format!("attach eth0.100 {ALLOW}"))
        .succeeded();
    assert_eq!(town.answered(), (true, false));
    for (host, addresses) in [(&town.host, &HOST[..]), (&town.neighbour, &NEIGHBOUR[..])] {
        host.ip("address flush dev eth0.100").unwrap();
        for address in addresses {
            host.add_address("eth0", address).unwrap();
        }
    }
    assert_eq!(town.answered(), (true, true));
    let _ = town.rpcguard("detach eth0.100").succeeded();
}
