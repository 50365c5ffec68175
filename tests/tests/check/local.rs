//! What a host finds out about itself.

use rpcguard_tests::lab::Host;

use crate::{
    documents::{Cover, LocalDocument, Reach, Verdict},
    rpcinfo::{as_lines, as_port_lines, rpcinfo, rpcinfo_p},
    scene::{Scene, check, replace_file},
};

/// What ss(8) says about who listens on IP: kind, address, port, process id.
fn ss(host: &Host) -> Vec<(String, String, u16, u32)> {
    let text = host.run("ss", &["-Hlntup"]).unwrap();
    let mut found: Vec<_> = text
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let (address, port) = words[4].rsplit_once(':').unwrap();
            let pid = line.split("pid=").nth(1).unwrap();
            let pid = pid.split(',').next().unwrap();
            (
                words[0].to_owned(),
                address.trim_matches(['[', ']']).to_owned(),
                port.parse().unwrap(),
                pid.parse().unwrap(),
            )
        })
        .collect();
    found.sort();
    found
}

/// The same, of what rpcguard found.
fn as_ss(found: &LocalDocument) -> Vec<(String, String, u16, u32)> {
    let mut found: Vec<_> = found
        .sockets
        .iter()
        .filter_map(|socket| {
            let pid = socket.processes[0].pid;
            assert_eq!(socket.processes.len(), 1, "{socket:?}");
            Some((
                socket.kind.clone(),
                socket.address.clone(),
                socket.port?,
                pid,
            ))
        })
        .collect();
    found.sort();
    found
}

fn exposed(found: &LocalDocument) -> Vec<(&str, u16)> {
    let exposures = found.exposures.iter();
    exposures
        .map(|exposure| {
            assert_eq!(exposure.interfaces, ["eth0"]);
            assert_eq!(exposure.cover, Cover::None);
            (&*exposure.transport, exposure.port)
        })
        .collect()
}

/// Asserts that the table of registrations is what rpcinfo says, field by field.
#[track_caller]
fn assert_like_rpcinfo(host: &Host, found: &LocalDocument) {
    let registrations = || {
        let services = found.registrations.as_ref().unwrap();
        services.iter().map(|service| &service.registration)
    };
    assert_eq!(as_lines(registrations()), rpcinfo(host, &[]));
    assert_eq!(as_port_lines(registrations()), rpcinfo_p(host, &[]));
}

#[test]
fn where_nothing_listens_nothing_is_exposed() {
    let test = "where_nothing_listens_nothing_is_exposed";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    // Somebody else's portmapper is not this host's.
    let other = scene.lonely_host();
    let _theirs = rpcguard_tests::lab::Rpcbind::start(&other).unwrap();
    let found = scene.check(0);
    assert_eq!(found.verdict, Verdict::NotExposed);
    assert_eq!(found.sockets, []);
    assert_eq!(found.registrations, None);
    assert_eq!(found.summary, "not exposed: no portmapper listens");
    // It has no interface, and so it is not exposed either.
    let theirs = check(&other, 0);
    assert!(!theirs.sockets.is_empty());
    assert!(
        theirs.summary.contains("no interface"),
        "{}",
        theirs.summary
    );
}

#[test]
fn plain_rpcbind_is_exposed_and_shown_as_ss_and_rpcinfo_show_it() {
    let test = "plain_rpcbind_is_exposed_and_shown_as_ss_and_rpcinfo_show_it";
    let Some(scene) = Scene::or_skip(test, &["ss"]) else {
        return;
    };
    let rpcbind = scene.rpcbind("");
    let found = scene.check(3);
    assert_eq!(found.verdict, Verdict::Exposed);
    assert_eq!(as_ss(&found), ss(&scene.host));
    assert_like_rpcinfo(&scene.host, &found);
    assert_eq!(exposed(&found), [("udp", 111), ("tcp", 111)]);
    assert_eq!(found.insecure_options, []);
    assert_eq!(found.units, []);
    let unix = found
        .sockets
        .iter()
        .find(|socket| socket.kind == "unix")
        .unwrap();
    assert_eq!(unix.address, "/run/rpcbind.sock");
    assert_eq!((unix.reach, unix.port), (Reach::Host, None));
    assert_eq!(unix.processes[0].pid, rpcbind.id());
    assert_eq!(unix.processes[0].name, "rpcbind");
    for service in found.registrations.as_ref().unwrap() {
        assert_eq!(service.processes[0].pid, rpcbind.id());
        let local = service.registration.netid == "local";
        let reach = if local { Reach::Host } else { Reach::Outside };
        assert_eq!(service.reach, Some(reach));
    }
    // Nothing but itself is registered.
    assert_eq!(found.next_step.as_deref(), Some("rpcguard disable"));

    // The same for people: the verdict and the next step are the last lines.
    let text = scene.host.rpcguard(["check"]).exited_with(3).stdout;
    assert!(
        text.contains(&format!("0.0.0.0:111        rpcbind[{}]", rpcbind.id())),
        "{text}"
    );
    assert!(
        text.contains("100000   2-4      tcp    0.0.0.0.0.111"),
        "{text}"
    );
    let [verdict, next] = text.lines().rev().take(2).collect::<Vec<_>>()[..] else {
        panic!("{text}");
    };
    assert_eq!(verdict, "next: rpcguard disable");
    assert_eq!(
        next,
        "EXPOSED: unless a firewall is in front, anybody can use UDP port 111 and TCP port 111 \
         (through eth0)"
    );
}

#[test]
fn the_ports_of_a_relaying_rpcbind_are_found_and_the_option_is_named() {
    let test = "the_ports_of_a_relaying_rpcbind_are_found_and_the_option_is_named";
    let Some(scene) = Scene::or_skip(test, &["ss"]) else {
        return;
    };
    let rpcbind = scene.rpcbind("-r");
    let found = scene.check(3);
    assert_eq!(as_ss(&found), ss(&scene.host));
    let mut ports: Vec<_> = ss(&scene.host)
        .into_iter()
        .filter(|(kind, _, port, _)| kind == "udp" && *port != 111)
        .map(|(_, _, port, _)| port)
        .collect();
    assert_eq!(ports.len(), 2, "one in each family");
    ports.sort_unstable();
    assert_eq!(
        exposed(&found),
        [
            ("udp", 111),
            ("udp", ports[0]),
            ("udp", ports[1]),
            ("tcp", 111)
        ]
    );
    let [option] = &found.insecure_options[..] else {
        panic!("{found:?}");
    };
    assert_eq!((option.pid, &*option.option), (rpcbind.id(), "-r"));
}

#[test]
fn an_rpcbind_that_lets_anybody_register_is_named() {
    let test = "an_rpcbind_that_lets_anybody_register_is_named";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let rpcbind = scene.rpcbind("-i");
    let found = scene.check(3);
    assert_like_rpcinfo(&scene.host, &found);
    let [option] = &found.insecure_options[..] else {
        panic!("{found:?}");
    };
    assert_eq!((option.pid, &*option.option), (rpcbind.id(), "-i"));
}

/// The option is for UDP alone: connections are taken at every address all the same.
#[test]
fn an_rpcbind_bound_to_an_address_is_shown_where_it_listens() {
    let test = "an_rpcbind_bound_to_an_address_is_shown_where_it_listens";
    let Some(scene) = Scene::or_skip(test, &["ss"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("-h 192.0.2.1");
    let found = scene.check(3);
    assert_eq!(as_ss(&found), ss(&scene.host));
    assert_like_rpcinfo(&scene.host, &found);
    let reach = |kind: &str, address: &str| {
        let mut sockets = found.sockets.iter();
        let found = sockets.find(|socket| socket.kind == kind && socket.address == address);
        found.map(|socket| socket.reach)
    };
    assert_eq!(reach("udp", "192.0.2.1"), Some(Reach::Outside));
    assert_eq!(reach("udp", "127.0.0.1"), Some(Reach::Loopback));
    assert_eq!(reach("udp", "::1"), Some(Reach::Loopback));
    assert_eq!(reach("tcp", "0.0.0.0"), Some(Reach::Outside));
    assert_eq!(exposed(&found), [("udp", 111), ("tcp", 111)]);
}

#[test]
fn an_rpcbind_of_ipv6_alone_is_asked_over_ipv6() {
    let test = "an_rpcbind_of_ipv6_alone_is_asked_over_ipv6";
    let Some(scene) = Scene::or_skip(test, &["ss"]) else {
        return;
    };
    replace_file(&scene.host, "/etc/netconfig", IPV6_ALONE);
    let _rpcbind = scene.rpcbind("");
    let found = scene.check(3);
    assert_eq!(as_ss(&found), ss(&scene.host));
    assert!(as_ss(&found).iter().all(|(_, address, ..)| address == "::"));
    let services = found.registrations.as_ref().unwrap();
    let registrations = services.iter().map(|service| &service.registration);
    assert_eq!(as_lines(registrations), rpcinfo(&scene.host, &[]));
}

/// A netconfig(5) without IPv4.
pub(crate) const IPV6_ALONE: &str = "\
udp6  tpi_clts      v  inet6     udp  -  -
tcp6  tpi_cots_ord  v  inet6     tcp  -  -
local tpi_cots_ord  -  loopback  -    -  -
";

/// The table of the host that a process runs in is not that of the host whose files it sees.
#[test]
fn the_portmapper_of_this_network_is_asked_and_not_that_of_the_file_system() {
    let test = "the_portmapper_of_this_network_is_asked_and_not_that_of_the_file_system";
    let Some(scene) = Scene::or_skip(test, &["nsenter"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    // The files of the host, and the network of who asks.
    let network = scene
        .asker
        .enter(|| std::fs::File::open("/proc/thread-self/ns/net").unwrap());
    let mut command = scene.host.command("nsenter");
    let descriptor = format!("/proc/{}/fd/{}", std::process::id(), {
        use std::os::fd::AsRawFd as _;
        network.as_raw_fd()
    });
    command.arg(format!("--net={descriptor}"));
    command.arg(rpcguard_tests::lab::rpcguard_binary());
    let finished = rpcguard_tests::lab::Finished::wait_for(command.arg("check"));
    let text = finished.exited_with(0).stdout;
    assert!(
        text.contains("not exposed: no portmapper listens"),
        "{text}"
    );
}

#[test]
fn without_a_bpf_file_system_there_is_no_guard_but_an_answer() {
    let test = "without_a_bpf_file_system_there_is_no_guard_but_an_answer";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    scene.host.run("umount", &["/sys/fs/bpf"]).unwrap();
    let found = scene.check(3);
    assert_eq!(exposed(&found), [("udp", 111), ("tcp", 111)]);
}

/// Guards and other people's processes cannot be looked at by everybody.
#[test]
fn who_is_not_root_is_told_as_much_as_can_be() {
    let test = "who_is_not_root_is_told_as_much_as_can_be";
    let Some(scene) = Scene::or_skip(test, &["setpriv"]) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("rpcguard");
    std::fs::copy(rpcguard_tests::lab::rpcguard_binary(), &copy).unwrap();
    for path in [directory.path(), &copy] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let check = || {
        let mut command = scene.host.command("setpriv");
        command.args(["--reuid=65533", "--regid=65533", "--clear-groups"]);
        rpcguard_tests::lab::Finished::wait_for(command.arg(&copy).arg("check"))
    };
    // Rules that forward the port are root's to read.
    let nothing = check().exited_with(1).stdout;
    assert!(
        nothing.contains("could not tell: rules that may forward port 111 could not be read (")
            && nothing.ends_with("next: sudo rpcguard check\n"),
        "{nothing}"
    );
    let _rpcbind = scene.rpcbind("");
    let something = check().exited_with(1).stdout;
    let lines: Vec<_> = something.lines().rev().take(2).collect();
    assert_eq!(lines[0], "next: sudo rpcguard check");
    assert!(
        lines[1].starts_with(
            "could not tell: a portmapper listens, but guards cannot be looked at: not permitted"
        ),
        "{something}"
    );
    assert!(
        something.contains("0.0.0.0:111        ?        outside"),
        "{something}"
    );
}

/// Two halves that are allowed are everybody, and no address of the host is forgotten.
#[test]
fn a_guard_that_leaves_somebody_in_is_not_called_one() {
    let test = "a_guard_that_leaves_somebody_in_is_not_called_one";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    let attach = |options: &str| {
        scene.does(&format!("attach eth0 --tcp {options}"));
    };
    attach("--allow 0.0.0.0/1 --allow 128.0.0.0/1");
    assert_eq!(scene.check(3).verdict, Verdict::Exposed);
    scene.does("detach eth0");

    attach("--allow 198.51.100.1 --only-to 192.0.2.1 --only-to 2001:db8::1");
    // The neighbours' broadcasts, and networks that a route makes the host's own.
    let found = scene.check(3);
    assert_eq!(exposed(&found), [("udp", 111)]);
    let next = "rpcguard set eth0 --only-to 192.0.2.1/32 --only-to 192.0.2.255/32 \
                --only-to 2001:db8::1/128";
    assert_eq!(found.next_step.as_deref(), Some(next));
    scene.does(next.strip_prefix("rpcguard ").unwrap());
    let found = scene.check(0);
    assert_eq!(found.verdict, Verdict::NotExposed);
    assert!(found.summary.contains("(fe80::/10)"), "{}", found.summary);
    for route in ["203.0.113.0/24", "2001:db8:1::/64"] {
        scene
            .host
            .ip(&format!("route add local {route} dev lo"))
            .unwrap();
    }
    let found = scene.check(3);
    assert_eq!(exposed(&found), [("udp", 111), ("tcp", 111)]);
    let text = scene.host.rpcguard(["check"]).exited_with(3).stdout;
    assert!(
        text.contains("leaves out 203.0.113.0/24, 2001:db8:1::/64"),
        "{text}"
    );
    scene.does(found.next_step.unwrap().strip_prefix("rpcguard ").unwrap());
    assert_eq!(scene.check(0).verdict, Verdict::NotExposed);
    scene.does("detach --all");
}

/// Siblings in bridge mode send to each other past the interface that they are stacked on.
#[test]
fn a_guard_below_siblings_does_not_cover_what_they_send_to_each_other() {
    let test = "a_guard_below_siblings_does_not_cover_what_they_send_to_each_other";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    scene.does("attach eth0 --allow 198.51.100.1 --tcp");
    for (kind, code) in [
        ("macvlan mode bridge", 3),
        ("macvlan mode private", 0),
        ("ipvlan mode l2", 3),
        ("ipvlan mode l2 private", 0),
        ("vlan id 7", 0),
    ] {
        let add = format!("link add link eth0 name above0 type {kind}");
        if scene.host.ip(&add).is_err() {
            eprintln!("{kind} is not to be had here");
            continue;
        }
        scene.host.ip("link set above0 up").unwrap();
        let found = scene.check(code);
        if code != 0 {
            assert!(
                found.summary.contains("(through above0)"),
                "{kind}: {found:?}"
            );
        }
        scene.host.ip("link delete above0").unwrap();
    }
    scene.does("detach --all");
}
