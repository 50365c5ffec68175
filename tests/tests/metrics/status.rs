//! Metrics beside `status --json`.

use std::net::IpAddr;

use rpcguard_common::{abi::ABI_VERSION, reason::Reason, rpc::Request};
use rpcguard_tests::{
    packet::{
        peers::{FOE_V4, FRIEND_V4, FRIEND_V6, STRANGER_V4, STRANGER_V6},
        rpc,
    },
    site::Site,
};
use serde_json::Value;

use crate::exposition::{self, Series};

/// A site whose guard has had something of most reasons to count.
pub(crate) fn busy_site(test: &str) -> Option<Site> {
    let site = Site::or_skip(test)?;
    site.add_interface("eth1");
    site.rpcguard("attach eth1 --observe --port 2049 --port 111");
    site.rpcguard(
        "attach eth0 --allow 192.0.2.0/24 --allow 2001:db8:a::/48 --deny 192.0.2.64/26 --rate 2/m \
         --burst 3 --tcp",
    );
    let send = |source: IpAddr, payload: &[u8]| site.send_datagram(source, 111, payload);
    for _ in 0..7 {
        send(FRIEND_V4.into(), &rpc::DUMP);
    }
    send(FRIEND_V6.into(), &rpc::whole_call(4, 3));
    send(FOE_V4.into(), &rpc::whole_call(2, 3));
    for _ in 0..5 {
        send(STRANGER_V4.into(), &rpc::whole_call(2, 3));
    }
    send(STRANGER_V6.into(), &rpc::DUMP);
    send(STRANGER_V6.into(), b"no call at all");
    let stranger = || site.packet_from(STRANGER_V4.into());
    const SYN: u8 = 2;
    site.send(&stranger().tcp(111, SYN).build());
    site.send(
        &stranger()
            .first_fragment()
            .udp(111)
            .payload(&[0; 64])
            .build(),
    );
    site.settle();
    Some(site)
}

fn value(series: &Series, name: &str) -> f64 {
    *series
        .get(name)
        .unwrap_or_else(|| panic!("no {name} in {series:#?}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn every_counter_is_that_of_status() {
    let Some(site) = busy_site("every_counter_is_that_of_status") else {
        return;
    };
    let series = exposition::read(&site.rpcguard("metrics"));
    let status: Value = serde_json::from_str(&site.rpcguard("status --json")).unwrap();
    let guards = status["interfaces"].as_array().unwrap();
    assert_eq!(guards.len(), 2);
    let mut compared = 0;
    let mut busy = 0;
    for guard in guards {
        let name = guard["name"].as_str().unwrap();
        let mut compare = |metric: &str, labels: &str, counter: &Value| {
            for (unit, field) in [("", "packets"), ("bytes", "bytes")] {
                let metric = match (metric, unit) {
                    ("requests", "bytes") => "request_bytes",
                    (_, "bytes") => "bytes",
                    _ => metric,
                };
                let series_name = format!("rpcguard_{metric}_total{{{labels}}}");
                let expected = number(&counter[field]);
                assert_eq!(value(&series, &series_name), expected, "{series_name}");
                compared += 1;
                busy += usize::from(expected > 0.0);
            }
        };
        for reason in Reason::ALL {
            let action = format!("{:?}", reason.action()).to_lowercase();
            let labels = format!(
                r#"action="{action}",interface="{name}",reason="{}""#,
                reason.name()
            );
            compare("packets", &labels, &guard["counters"][reason.name()]);
        }
        for request in Request::all() {
            for outcome in ["passed", "dropped"] {
                let labels = format!(
                    r#"interface="{name}",outcome="{outcome}",procedure="{}""#,
                    request.name()
                );
                compare(
                    "requests",
                    &labels,
                    &guard["procedures"][request.name()][outcome],
                );
            }
        }
    }
    let counters = series.keys().filter(|name| name.contains("_total{"));
    assert_eq!(counters.count(), compared, "counters that status has not");
    assert!(busy >= 24, "only {busy} counters are not zero");
    site.rpcguard("detach --all");
}

#[test]
fn the_settings_are_those_of_status() {
    let Some(site) = busy_site("the_settings_are_those_of_status") else {
        return;
    };
    let series = exposition::read(&site.rpcguard("metrics"));
    let status: Value = serde_json::from_str(&site.rpcguard("status --json")).unwrap();
    for guard in status["interfaces"].as_array().unwrap() {
        let name = guard["name"].as_str().unwrap();
        let of = |metric: &str, labels: &str| {
            let labels = labels.replace("IFACE", &format!(r#"interface="{name}""#));
            value(&series, &format!("rpcguard_{metric}{{{labels}}}"))
        };
        for list in ["allow", "deny"] {
            for (family, field) in [("ipv4", "v4"), ("ipv6", "v6")] {
                let labels = format!(r#"family="{family}",IFACE,list="{list}""#);
                let expected = number(&guard["prefixes"][list][field]);
                assert_eq!(of("prefixes", &labels), expected, "{labels}");
            }
        }
        let mode = guard["mode"].as_str().unwrap();
        for other in ["native", "generic"] {
            let is = f64::from(u8::from(other == mode));
            assert_eq!(of("guard_mode", &format!(r#"IFACE,mode="{other}""#)), is);
        }
        let policy = &guard["policy"];
        for (metric, field) in [("guard_observing", "observe"), ("guard_tcp", "tcp")] {
            let is = f64::from(u8::from(policy[field].as_bool().unwrap()));
            assert_eq!(of(metric, "IFACE"), is, "{field}");
        }
        let ports = policy["ports"].as_array().unwrap().len();
        assert_eq!(of("guard_ports", "IFACE"), ports as f64);
        let attached: jiff::Timestamp = guard["attached_at"].as_str().unwrap().parse().unwrap();
        let seconds = of("attached_timestamp_seconds", "IFACE");
        assert_eq!(seconds, attached.as_second() as f64);
        for other in ["drop", "rate"] {
            let is = f64::from(u8::from(policy["unlisted"] == other));
            assert_eq!(
                of("guard_policy", &format!(r#"IFACE,policy="{other}""#)),
                is
            );
        }
    }
    let labels = r#"interface="eth0",scope="source""#;
    let limit = format!("rpcguard_rate_limit_packets_per_second{{{labels}}}");
    assert_eq!(value(&series, &limit), 2.0 / 60.0);
    let burst = format!("rpcguard_rate_limit_burst_packets{{{labels}}}");
    assert_eq!(value(&series, &burst), 3.0);
    let of_drop = series.keys().filter(|name| name.contains("_limit_"));
    assert!(of_drop.clone().all(|name| !name.contains("eth1")));
    assert_eq!(of_drop.count(), 6);
    assert_eq!(value(&series, "rpcguard_guards"), 2.0);
    let build = format!(
        r#"rpcguard_build_info{{abi_version="{ABI_VERSION}",version="{}"}}"#,
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(value(&series, &build), 1.0);
    site.rpcguard("detach --all");
}
