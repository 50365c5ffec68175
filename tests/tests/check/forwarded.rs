//! Rules of the kernel that forward port 111: what other hosts reach then listens nowhere on this
//! host.

use rpcguard_tests::lab::Host;

use crate::{
    documents::{LocalDocument, Verdict},
    scene::{Scene, rpcguard},
};

/// Loads rules into a chain of nat that packets of others meet first.
fn nat(host: &Host, rules: &str) {
    let ruleset = format!(
        "table ip nat {{\n chain pre {{\n type nat hook prerouting priority dstnat; {rules}\n }}\n }}"
    );
    host.run("nft", &[&ruleset]).unwrap();
}

const DNAT: &str = "fib daddr type local udp dport 111 dnat to 198.51.100.7:111";

fn forwards(found: &LocalDocument) -> Vec<String> {
    let forwards = found.forwards.iter();
    let line = |found: &crate::documents::Forward| {
        let certain = if found.certain { ">" } else { "?" };
        let ports = found.ports.join(",");
        format!("{} {ports} {certain} {}", found.transport, found.to)
    };
    forwards.map(line).collect()
}

#[test]
fn a_port_that_nft_forwards_is_never_called_not_exposed() {
    let test = "a_port_that_nft_forwards_is_never_called_not_exposed";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    nat(&scene.host, "udp dport 53 dnat to 198.51.100.7");
    assert_eq!(scene.check(0).summary, "not exposed: no portmapper listens");
    scene.host.run("nft", &["flush ruleset"]).unwrap();
    nat(&scene.host, DNAT);
    let found = scene.check(1);
    assert_eq!(found.verdict, Verdict::Unknown);
    assert_eq!(forwards(&found), ["udp 111 > 198.51.100.7:111"]);
    assert_eq!(
        found.summary,
        "could not tell: UDP port 111 is forwarded to 198.51.100.7:111 by nft table ip nat, chain \
         pre, handle 2 (through eth0); what answers there was not asked"
    );
    let next = found.next_step.unwrap();
    assert_eq!(next, "rpcguard attach eth0 --allow YOUR_NETWORK");
    let text = rpcguard(&scene.host, "check").exited_with(1).stdout;
    assert!(
        text.contains("forwarded: UDP port 111 to 198.51.100.7:111, by nft"),
        "{text}"
    );

    // The guard sees the packet before the rule does: the step that is named works.
    scene.does(
        &next
            .replace("rpcguard ", "")
            .replace("YOUR_NETWORK", "198.51.100.1"),
    );
    let guarded = scene.check(0);
    assert_eq!(guarded.verdict, Verdict::NotExposed);
    assert!(
        guarded.summary.contains("guards stand before the rules"),
        "{}",
        guarded.summary
    );
    scene.does("detach --all");
}

/// The promise of the next step: XDP drops what a rule would forward.
#[test]
fn a_guard_drops_what_a_rule_would_forward() {
    let test = "a_guard_drops_what_a_rule_would_forward";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    nat(&scene.host, "udp dport 1111 redirect to :111");
    let found = scene.check(3);
    assert_eq!(forwards(&found), ["udp 1111 ? port 111 of this host"]);
    let asked = |port: u16| {
        let socket = scene
            .asker
            .enter(|| std::net::UdpSocket::bind("0.0.0.0:0"))
            .unwrap();
        socket.connect((crate::scene::HOST[0], port)).unwrap();
        socket
            .set_read_timeout(Some(std::time::Duration::from_millis(500)))
            .unwrap();
        socket.send(&rpcguard_tests::packet::rpc::DUMP).unwrap();
        socket.recv(&mut [0; 2048]).is_ok()
    };
    assert!(asked(1111));
    // A guard of port 111 alone is walked around, and that is said.
    scene.does("attach eth0 --allow 198.51.100.1 --tcp");
    assert!(asked(1111) && !asked(111));
    let found = scene.check(1);
    assert!(
        found
            .summary
            .contains("UDP port 1111 may be forwarded to port 111"),
        "{}",
        found.summary
    );
    let next = found.next_step.unwrap();
    assert_eq!(next, "rpcguard set eth0 --port 111 --port 1111");
    scene.does(next.strip_prefix("rpcguard ").unwrap());
    assert!(!asked(1111));
    assert_eq!(scene.check(0).verdict, Verdict::NotExposed);
    scene.does("detach --all");
}

#[test]
fn a_port_that_iptables_forwards_is_never_called_not_exposed() {
    let test = "a_port_that_iptables_forwards_is_never_called_not_exposed";
    for program in ["iptables-nft", "iptables-legacy"] {
        let save = format!("{program}-save");
        let Some(scene) = Scene::or_skip(test, &[program, &save]) else {
            return;
        };
        let add = |rule: &str| {
            let words: Vec<_> = rule.split_whitespace().collect();
            scene.host.run(program, &words)
        };
        if add("-t nat -N DOCKER").is_err() {
            // Kernels do without the old one.
            eprintln!("{program} is not to be had here");
            continue;
        }
        add("-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER").unwrap();
        add("-t nat -A DOCKER ! -i docker0 -p udp -m udp --dport 111 -j DNAT --to-destination 172.17.0.2:111").unwrap();
        let found = scene.check(1);
        assert_eq!(found.verdict, Verdict::Unknown, "{program}");
        assert_eq!(forwards(&found), ["udp 111 > 172.17.0.2:111"], "{program}");
        let text = rpcguard(&scene.host, "check").exited_with(1).stdout;
        assert!(text.contains("docker ps --filter publish=111"), "{text}");
    }
}

#[test]
fn a_loopback_that_the_link_reaches_is_not_called_this_hosts_only() {
    let test = "a_loopback_that_the_link_reaches_is_not_called_this_hosts_only";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _socket = rpcguard_tests::lab::bind(&scene.host, "127.0.0.1:111").unwrap();
    let alone = scene.check(0);
    assert_eq!(
        alone.summary,
        "not exposed: the portmapper listens for this host only"
    );
    scene
        .host
        .sysctl("net/ipv4/conf/eth0/route_localnet=1")
        .unwrap();
    let found = scene.check(1);
    assert_eq!(forwards(&found), ["udp 111 ? 127.0.0.1:111"]);
    assert_eq!(
        found.next_step.as_deref(),
        Some("rpcguard attach eth0 --allow YOUR_NETWORK")
    );
}

/// Where a command is missing, rules that are there are not taken for none.
#[test]
fn rules_that_cannot_be_read_are_never_taken_for_none() {
    let test = "rules_that_cannot_be_read_are_never_taken_for_none";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    nat(&scene.host, DNAT);
    // The very file, whatever links lead to it.
    let Some(program) = ["/usr/sbin/nft", "/sbin/nft"]
        .iter()
        .find_map(|path| std::fs::canonicalize(path).ok())
    else {
        return;
    };
    crate::scene::replace_file(&scene.host, program.to_str().unwrap(), "");
    let found = scene.check(1);
    assert_eq!(found.verdict, Verdict::Unknown);
    assert!(
        found.summary.starts_with(
            "could not tell: rules that may forward port 111 could not be read (rules"
        ),
        "{}",
        found.summary
    );
    assert_eq!(found.next_step, None);
}
