//! What has become of guards, and names that are hard to write.

use aya::maps::{Array, Map, MapData};
use rpcguard_common::abi::{State, map};
use rpcguard_tests::site::Site;

use crate::exposition::{self, Series};

#[track_caller]
fn is_in_state(series: &Series, interface: &str, state: &str) {
    for other in ["attached", "detached", "gone", "incompatible"] {
        let name = format!(r#"rpcguard_guard_state{{interface="{interface}",state="{other}"}}"#);
        let is = f64::from(u8::from(other == state));
        assert_eq!(series.get(&name), Some(&is), "{name} in {series:#?}");
    }
}

#[test]
fn what_is_left_of_a_guard_and_one_of_another_abi_version_are_shown() {
    let Some(site) = Site::or_skip("what_is_left_of_a_guard_is_shown") else {
        return;
    };
    let read = || exposition::read(&site.rpcguard("metrics"));
    assert_eq!(read()["rpcguard_guards"], 0.0);
    site.add_interface("eth1");
    site.add_interface("eth2");
    for interface in ["eth0", "eth1", "eth2"] {
        site.rpcguard(&format!("attach {interface}"));
    }
    let pin = site.pins_of("eth1").join(map::STATE);
    site.host.ip("link delete eth2").unwrap();
    site.host.enter(|| {
        let map = Map::from_map_data(MapData::from_pin(pin).unwrap()).unwrap();
        let mut array: Array<_, State> = map.try_into().unwrap();
        let mut state = array.get(&0, 0).unwrap();
        state.abi_version = 99;
        array.set(0, state, 0).unwrap();
    });
    let series = read();
    for (interface, state) in [
        ("eth0", "attached"),
        ("eth1", "incompatible"),
        ("eth2", "gone"),
    ] {
        is_in_state(&series, interface, state);
        let counters = format!(r#"interface="{interface}",reason="unlisted""#);
        let counted = series.keys().any(|name| name.contains(&counters));
        assert_eq!(counted, state == "attached", "{interface}");
    }
    assert_eq!(series["rpcguard_guards"], 2.0, "both filters are in force");

    site.add_interface("eth2");
    site.rpcguard("attach eth2");
    is_in_state(&read(), "eth2", "attached");
    site.rpcguard("detach eth1");
    assert!(read().keys().all(|name| !name.contains("eth1")));
    site.rpcguard("detach --all");
}

#[test]
fn names_of_interfaces_are_escaped() {
    let Some(site) = Site::or_skip("names_of_interfaces_are_escaped") else {
        return;
    };
    let name = r#"a"b\c,d{e}"#;
    site.add_interface(name);
    let attached = site.host.rpcguard(["attach", name]);
    assert!(attached.is_success(), "{attached}");
    let series = exposition::read(&site.rpcguard("metrics"));
    is_in_state(&series, r#"a\"b\\c,d{e}"#, "attached");
    site.rpcguard("detach --all");
}
