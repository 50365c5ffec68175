//! Rules as programs of others make them.

use std::net::IpAddr;

use rpcguard_common::parse::Transport;

use super::{Arrival, Forward, collect, ipvs, nft, rules::Ruleset, xtables};

/// The forwards on a host with eth0 and Docker's bridge.
fn forwards(rules: &Ruleset) -> Vec<Forward> {
    let arrivals: Vec<Arrival> = ["eth0", "docker0"]
        .map(|name| (name.to_owned(), vec![name.to_owned()]))
        .into();
    let own: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let mut found = Vec::new();
    assert!(collect(rules, &arrivals, &own, &mut found));
    found
}

/// As people read them: `udp 111 > 172.17.0.2:111 eth0`, with a `?` for one that is only possible.
fn lines(rules: &Ruleset) -> Vec<String> {
    let line = |found: Forward| {
        let transport = match found.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        };
        let ports = found.ports_text().replace("port ", "");
        let arrow = if found.certain { ">" } else { "?" };
        format!(
            "{transport} {ports} {arrow} {} {}",
            found.to,
            found.interfaces.join(",")
        )
    };
    forwards(rules).into_iter().map(line).collect()
}

fn nat(rules: &str) -> Vec<String> {
    let text = format!("*nat\n:PREROUTING ACCEPT [0:0]\n{rules}\nCOMMIT\n");
    lines(&xtables::read(&text, false, "iptables"))
}

#[test]
fn rules_of_iptables_that_forward_111_are_found() {
    let docker = "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p udp -m udp --dport 111 -j DNAT --to-destination 172.17.0.2:111
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80";
    let hostport = "-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A CNI-HOSTPORT-DNAT -p udp -m comment --comment \"dnat name: \\\"x\\\" id: \\\"-j RETURN\\\"\" -m multiport --dports 53,111 -j CNI-DN-1
-A CNI-DN-1 -s 10.88.0.0/16 -p udp -m udp --dport 111 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-1 -p udp -m udp --dport 111 -j DNAT --to-destination 10.88.0.5:111";
    let kube = "-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.96.3.4/32 -p tcp -m tcp --dport 111 -j KUBE-SVC-1
-A KUBE-SVC-1 -m statistic --mode random --probability 0.5 -j KUBE-SEP-1
-A KUBE-SEP-1 -s 10.244.1.5/32 -j KUBE-MARK-MASQ
-A KUBE-SEP-1 -p tcp -m tcp -j DNAT --to-destination 10.244.1.5:111";
    for (rules, found) in [
        (docker, &["udp 111 > 172.17.0.2:111 eth0"][..]),
        (hostport, &["udp 111 > 10.88.0.5:111 eth0,docker0"]),
        (kube, &["tcp 111 ? 10.244.1.5:111 eth0,docker0"]),
        (
            "-A PREROUTING -p udp -m udp --dport 100:200 -j REDIRECT --to-ports 1111",
            &["udp 111 > port 1111 of this host eth0,docker0"],
        ),
        (
            "-A PREROUTING -p udp -m multiport ! --dports 22,53 -j DNAT --to-destination 10.0.0.2",
            &["udp 111 > 10.0.0.2 eth0,docker0"],
        ),
        // Everything that comes in from outside.
        (
            "-A PREROUTING -i eth+ -j DNAT --to-destination 10.0.0.2",
            &["udp 111 > 10.0.0.2 eth0", "tcp 111 > 10.0.0.2 eth0"],
        ),
        (
            "-A PREROUTING -s 10.0.0.0/8 -p udp -m udp --dport 111 -j DNAT --to-destination 10.0.0.2",
            &["udp 111 ? 10.0.0.2 eth0,docker0"],
        ),
        // To another address than this host's.
        (
            "-A PREROUTING -d 198.51.100.7/32 -p udp -m udp --dport 111 -j DNAT --to-destination 10.0.0.2",
            &["udp 111 ? 10.0.0.2 eth0,docker0"],
        ),
        // From another port to this host's portmapper.
        (
            "-A PREROUTING -p udp -m udp --dport 1111 -j REDIRECT --to-ports 111",
            &["udp 1111 ? port 111 of this host eth0,docker0"],
        ),
        (
            "-A PREROUTING -i lo -p udp -m udp --dport 111 -j DNAT --to-destination 10.0.0.2",
            &[],
        ),
        (
            "-A OUTPUT -p udp -m udp --dport 111 -j DNAT --to-destination 10.0.0.2",
            &[],
        ),
        (
            "-A PREROUTING -p udp -m udp --dport 112 -j DNAT --to-destination 10.0.0.2:111",
            &[],
        ),
        (
            "-A PREROUTING -p udp -m udp --dport 111 -j ACCEPT
-A PREROUTING -p udp -j DNAT --to-destination 10.0.0.2",
            &[],
        ),
    ] {
        assert_eq!(nat(rules), found, "{rules}");
    }
}

/// A rule of nft in a chain of nat, as nft 1.0.6 prints it.
fn rule(expressions: &str) -> String {
    format!(
        r#"{{"rule": {{"family": "ip", "table": "nat", "chain": "pre", "handle": 9, "expr": [{expressions}]}}}}"#
    )
}

fn ruleset(objects: &str) -> Ruleset {
    let text = format!(
        r#"{{"nftables": [{{"metainfo": {{"version": "1.0.6"}}}},
        {{"chain": {{"family": "ip", "table": "nat", "name": "pre", "handle": 2, "type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept"}}}},
        {{"set": {{"family": "ip", "name": "ports", "table": "nat", "type": "inet_service", "handle": 4, "flags": ["interval"], "elem": [53, {{"range": [100, 200]}}]}}}},
        {{"set": {{"family": "ip", "name": "timed", "table": "nat", "type": "inet_service", "elem": [{{"elem": {{"val": 111, "timeout": 3600}}}}]}}}},
        {{"map": {{"family": "ip", "name": "services", "table": "nat", "type": ["ipv4_addr", "inet_proto", "inet_service"], "map": "verdict", "elem": [[{{"concat": ["192.0.2.1", "udp", 111]}}, {{"goto": {{"target": "svc"}}}}]]}}}},
        {{"rule": {{"family": "ip", "table": "nat", "chain": "svc", "handle": 8, "expr": [{{"dnat": {{"addr": "10.0.0.7"}}}}]}}}},
        {objects}]}}"#
    );
    let (rules, xtables) = nft::read(&text).unwrap();
    assert!(!xtables);
    rules
}

const UDP_111: &str = r#"{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 111}}"#;

#[test]
fn rules_of_nft_that_forward_111_are_found() {
    let port = |right: &str| UDP_111.replace("\"right\": 111", &format!("\"right\": {right}"));
    let dnat = r#"{"dnat": {"addr": "172.17.0.2", "port": 111}}"#;
    let local = r#"{"match": {"op": "==", "left": {"fib": {"result": "type", "flags": ["daddr"]}}, "right": "local"}}"#;
    let to_docker = "172.17.0.2:111 eth0,docker0";
    for (expressions, found) in [
        (format!("{local}, {UDP_111}, {dnat}"), vec![format!("udp 111 > {to_docker}")]),
        (format!("{}, {dnat}", port("\"@ports\"")), vec![format!("udp 111 > {to_docker}")]),
        (format!("{}, {dnat}", port("\"@timed\"")), vec![format!("udp 111 > {to_docker}")]),
        (format!("{}, {dnat}", port(r#"{"set": [80, 111]}"#)), vec![format!("udp 111 > {to_docker}")]),
        (format!("{}, {dnat}", port(r#"{"range": [1, 200]}"#)), vec![format!("udp 111 > {to_docker}")]),
        (format!("{}, {dnat}", port("112")), vec![]),
        (
            format!(r#"{UDP_111}, {{"match": {{"op": "!=", "left": {{"meta": {{"key": "iifname"}}}}, "right": "docker0"}}}}, {dnat}"#),
            vec!["udp 111 > 172.17.0.2:111 eth0".to_owned()],
        ),
        (
            format!(r#"{UDP_111}, {{"match": {{"op": "==", "left": {{"payload": {{"protocol": "ip", "field": "saddr"}}}}, "right": "10.0.0.1"}}}}, {dnat}"#),
            vec![format!("udp 111 ? {to_docker}")],
        ),
        (
            r#"{"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": {"set": ["tcp", "udp"]}}}, {"match": {"op": "==", "left": {"payload": {"protocol": "th", "field": "dport"}}, "right": 111}}, {"redirect": {"port": 1111}}"#.to_owned(),
            vec![
                "udp 111 > port 1111 of this host eth0,docker0".to_owned(),
                "tcp 111 > port 1111 of this host eth0,docker0".to_owned(),
            ],
        ),
        (
            r#"{"dnat": {"addr": {"map": {"key": {"payload": {"protocol": "udp", "field": "dport"}}, "data": {"set": [[111, "10.0.0.3"], [112, "10.0.0.4"]]}}}}}"#.to_owned(),
            vec!["udp 111 > 10.0.0.3 eth0,docker0".to_owned()],
        ),
        (
            r#"{"vmap": {"key": {"concat": [{"payload": {"protocol": "ip", "field": "daddr"}}, {"meta": {"key": "l4proto"}}, {"payload": {"protocol": "th", "field": "dport"}}]}, "data": "@services"}}"#.to_owned(),
            vec!["udp 111 > 10.0.0.7 eth0,docker0".to_owned()],
        ),
        (
            r#"{"vmap": {"key": {"payload": {"protocol": "udp", "field": "dport"}}, "data": {"set": [[{"range": [100, 110]}, {"accept": null}], [111, {"jump": {"target": "svc"}}]]}}}"#.to_owned(),
            vec!["udp 111 > 10.0.0.7 eth0,docker0".to_owned()],
        ),
        (
            format!(r#"{UDP_111}, {{"mangle": {{"key": {{"payload": {{"protocol": "ip", "field": "daddr"}}}}, "value": "10.0.0.1"}}}}"#),
            vec!["udp 111 > 10.0.0.1 eth0,docker0".to_owned()],
        ),
        (format!(r#"{UDP_111}, {{"accept": null}}"#), vec![]),
        (
            format!(r#"{UDP_111}, "jump {{\n\t\t\tdnat to 10.0.0.7\n\t\t}}""#),
            vec![
                "udp 111 ? somewhere, as a chain without a name says eth0,docker0".to_owned(),
                "udp 111 ? port 111 of this host eth0,docker0".to_owned(),
            ],
        ),
        (format!(r#"{UDP_111}, "jump {{\n\t\t\tcounter\n\t\t}}""#), vec![]),
    ] {
        assert_eq!(lines(&ruleset(&rule(&expressions))), found, "{expressions}");
    }
    // Rules that only iptables-save shows are not taken for none.
    let xt = rule(&format!(
        r#"{UDP_111}, {{"xt": {{"type": "target", "name": "DNAT"}}}}"#
    ));
    let (_, xtables) = nft::read(&format!(r#"{{"nftables": [{xt}]}}"#)).unwrap();
    assert!(xtables);
}

#[test]
fn services_of_ipvs_are_found() {
    let text = "IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
UDP  C0000201:006F rr
  -> 0A000001:0070      Masq    1      0          0
  -> 0A000002:006F      Masq    1      0          0
TCP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0000 rr persistent 360
  -> [fd00:0000:0000:0000:0000:0000:0000:0002]:0000      Route   1      0          0
TCP  C0000263:006F rr
  -> 0A000003:006F      Masq    1      0          0
UDP  C0000201:0035 rr
  -> 0A000001:0035      Masq    1      0          0
";
    assert_eq!(
        lines(&ipvs::read(text)),
        [
            "udp 111 > 10.0.0.1:112 eth0,docker0",
            "tcp 111 ? 10.0.0.3:111 eth0,docker0",
            "tcp 111 > fd00::2 eth0,docker0",
        ]
    );
}

/// Any of the addresses of a host can be asked at.
#[test]
fn a_rule_about_one_of_several_addresses_says_nothing_of_the_others() {
    let arrivals: Vec<Arrival> = vec![("eth0".to_owned(), vec!["eth0".to_owned()])];
    let own: Vec<IpAddr> = ["192.0.2.1", "192.0.2.3", "2001:db8::1"]
        .map(|address| address.parse().unwrap())
        .into();
    let found = |rules: &Ruleset| {
        let mut found = Vec::new();
        assert!(collect(rules, &arrivals, &own, &mut found));
        let found = found
            .iter()
            .map(|found| (found.certain, found.ports_text()));
        found.collect::<Vec<_>>()
    };
    let redirect = r#"{"redirect": {"port": 111}}"#;
    let port = UDP_111.replace("\"right\": 111", "\"right\": 1111");
    let to = |operator: &str, address: &str| {
        format!(
            r#"{{"match": {{"op": "{operator}", "left": {{"payload": {{"protocol": "ip", "field": "daddr"}}}}, "right": "{address}"}}}}"#
        )
    };
    let away = r#"{"dnat": {"addr": "10.0.0.7", "port": 111}}"#;
    let any = |rules: &[String]| {
        let rules: Vec<_> = rules.iter().map(|expressions| rule(expressions)).collect();
        found(&ruleset(&rules.join(",")))
    };
    let other_than = format!("{}, {port}, {redirect}", to("!=", "192.0.2.1"));
    assert_eq!(any(&[other_than]), [(false, "port 1111".to_owned())]);
    let dnat = format!("{UDP_111}, {away}");
    for stop in ["accept", "return"] {
        for address in ["192.0.2.1", "192.0.2.3"] {
            let stop = format!("{}, {{\"{stop}\": null}}", to("==", address));
            assert_eq!(any(&[stop, dnat.clone()]), [(true, "port 111".to_owned())]);
        }
    }
    let text = "*nat\n-A PREROUTING ! -d 192.0.2.1/32 -p udp -m udp --dport 111 -j DNAT \
                --to-destination 10.0.0.7\nCOMMIT\n";
    assert_eq!(
        found(&xtables::read(text, false, "iptables")),
        [(true, "port 111".to_owned())]
    );
    // Each of them is left alone, and broadcasts are not.
    let none = format!("{}, {{\"accept\": null}}", to("==", "192.0.2.1"));
    let neither = format!("{}, {{\"accept\": null}}", to("==", "192.0.2.3"));
    assert_eq!(any(&[none, neither, dnat]), [(true, "port 111".to_owned())]);
}

#[test]
fn chains_that_jump_in_circles_end() {
    let rules = "-A PREROUTING -j A\n-A A -j B\n-A B -j A\n-A B -j PREROUTING";
    assert_eq!(nat(rules), [""; 0]);
}

#[test]
fn who_made_a_rule_is_told_by_its_chain() {
    let text = "*nat\n-A PREROUTING -j DOCKER\n-A DOCKER -p udp -m udp --dport 111 -j DNAT --to-destination 172.17.0.2:111\n";
    let found = forwards(&xtables::read(text, false, "iptables"));
    assert_eq!(found[0].origin, "iptables table nat, chain DOCKER");
    assert!(found[0].maker().unwrap().contains("docker ps"));
}
