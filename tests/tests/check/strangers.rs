//! Processes of accounts without privileges, and others that are no portmapper: whatever they are
//! called and listen on, they change nothing of what root is told, and of what root guards.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    time::{Duration, Instant},
};

use rpcguard_tests::lab::{Host, STRANGERS_TOOLS, Stranger, find_tool};
use serde_json::{Value, json};

use crate::scene::{Scene, rpcguard};

/// The script of a stranger that wants to be taken for rpcbind.
const LIKE_RPCBIND: &str = r#"
$0 = "rpcbind";
deaf("/run/theirs/rpcbind.sock"); deaf("/run/theirs/portmap.sock");
deaf("/run/theirs/\xff\x1b[2J\n0: 2 0 10000 1 1");
udp(40053); udp(40054); tcp(40055);
"#;

/// A scene with strangers.
fn scene(test: &str) -> Option<Scene> {
    Scene::or_skip(test, &STRANGERS_TOOLS)
}

/// A program of root's of this name that runs Perl: where it is.
fn perl_called(scene: &Scene, name: &str) -> String {
    perl_in(&scene.host, name)
}

fn perl_in(host: &Host, name: &str) -> String {
    let (perl, copy) = (find_tool("perl").unwrap(), format!("/run/{name}"));
    host.enter(|| {
        fs::copy(&perl, &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    });
    copy
}

/// Everything that `check` says about the host, and what `attach --rpcbind-ports` would guard, each
/// in time.
#[track_caller]
fn told(scene: &Scene) -> [Value; 3] {
    let started = Instant::now();
    let found = rpcguard(&scene.host, "check --json").json();
    let attached = scene.does("attach eth0 --rpcbind-ports --json").json();
    let status = scene.does("status --json").json();
    scene.does("detach eth0");
    assert!(started.elapsed() < Duration::from_secs(10));
    let guarded = attached["interfaces"][0]["policy"]["ports"].clone();
    assert!(guarded.is_array(), "{attached}");
    let unguarded = status["interfaces"][0]["unguarded_rpcbind_ports"].clone();
    [found, guarded, unguarded]
}

#[test]
fn a_stranger_called_rpcbind_is_no_portmapper() {
    let Some(scene) = scene("a_stranger_called_rpcbind_is_no_portmapper") else {
        return;
    };
    let before = told(&scene);
    assert_eq!(before[0]["summary"], "not exposed: no portmapper listens");
    let _stranger = Stranger::start(&scene.host, LIKE_RPCBIND).unwrap();
    assert_eq!(told(&scene), before);
    let said = scene.does("attach eth0 --rpcbind-ports").stderr;
    assert!(said.starts_with("note: no rpcbind listens here"), "{said}");
    scene.does("detach eth0");
}

#[test]
fn a_stranger_adds_nothing_to_a_real_portmapper() {
    let Some(scene) = scene("a_stranger_adds_nothing_to_a_real_portmapper") else {
        return;
    };
    let _rpcbind = scene.rpcbind("-r");
    let before = told(&scene);
    assert_eq!(before[0]["verdict"], "exposed");
    assert_eq!(before[1].as_array().unwrap().len(), 3);
    assert_eq!(before[2], json!([]));
    let _stranger = Stranger::start(&scene.host, LIKE_RPCBIND).unwrap();
    assert_eq!(told(&scene), before);
}

/// A mount namespace of their own shows them another `/run`.
#[test]
fn a_socket_at_the_portmappers_path_in_other_mounts_is_not_the_portmappers() {
    let test = "a_socket_at_the_portmappers_path_in_other_mounts_is_not_the_portmappers";
    let Some(scene) = scene(test) else {
        return;
    };
    let _rpcbind = scene.rpcbind("-r");
    let before = told(&scene);
    let script = r#"$0 = "rpcbind"; udp(40053); deaf("/run/rpcbind.sock")"#;
    let _stranger = Stranger::start_in_own_mounts(&scene.host, script).unwrap();
    assert_eq!(told(&scene), before);
}

/// The name of a socket has the end of a line in it, and then what looks like root's own socket.
fn forged(inode: &str) -> String {
    format!(
        r#"socket(my $socket, AF_UNIX, SOCK_STREAM, 0) or die $!;
        held($socket, pack_sockaddr_un("\0x\n0 2 0 10000 1 1 {inode} /run/rpcbind.sock"));
        listen($socket, 5) or die $!"#
    )
}

#[test]
fn a_line_made_up_in_the_table_of_sockets_makes_no_portmapper() {
    let Some(scene) = scene("a_line_made_up_in_the_table_of_sockets_makes_no_portmapper") else {
        return;
    };
    // Root's rpcbind of another network namespace, as of a container.
    let copy = perl_in(&scene.asker, "rpcbind");
    let other = Stranger::start_as(&scene.asker, 0, &copy, "udp(40053)").unwrap();
    let descriptors = fs::read_dir(format!("/proc/{}/fd", other.id())).unwrap();
    let inode = descriptors.flatten().find_map(|descriptor| {
        let target = fs::read_link(descriptor.path()).ok()?;
        let target = target.to_str()?.strip_prefix("socket:[")?;
        Some(target.strip_suffix(']')?.to_owned())
    });
    // One that ended has left its path behind.
    let left = scene.host.enter(|| fs::write("/run/rpcbind.sock", ""));
    left.unwrap();
    let before = told(&scene);
    assert_eq!(before[0]["summary"], "not exposed: no portmapper listens");
    for inode in [inode.unwrap().as_str(), "7"] {
        let _stranger = Stranger::start(&scene.host, &forged(inode)).unwrap();
        assert_eq!(told(&scene), before, "{inode}");
    }
}

/// A forwarder, a proxy, an embedded portmapper: its other ports are not the portmapper's.
const FORWARDER: &str = "udp(53); udp(111); udp(5000); tcp(111); tcp(8080)";

#[test]
fn hints_name_no_port_of_a_forwarder_besides_111() {
    let Some(scene) = scene("hints_name_no_port_of_a_forwarder_besides_111") else {
        return;
    };
    let copy = perl_called(&scene, "rpcbind");
    // Under any name; also one that is proven to be a portmapper. Of another, it cannot be told
    // what answers.
    for (program, verdict, code) in [("perl", "unknown", 1), (&copy, "exposed", 3)] {
        let _forwarder = Stranger::start_as(&scene.host, 0, program, FORWARDER).unwrap();
        let [found, guarded, unguarded] = told(&scene);
        assert_eq!(found["verdict"], verdict, "{found:#}");
        let ports = found["exposures"].as_array().unwrap().iter();
        let ports: Vec<_> = ports.map(|exposure| &exposure["port"]).collect();
        assert_eq!(ports, [&json!(111), &json!(111)]);
        assert_eq!((guarded, unguarded), (json!([111]), json!([])));
        for begun in ["attach eth0 --port 2049", "attach eth0"] {
            scene.does(begun);
            let found = rpcguard(&scene.host, "check --json")
                .exited_with(code)
                .json();
            let next = found["next_step"].as_str().unwrap();
            assert!(next.starts_with("rpcguard set eth0 --tcp on"), "{next}");
            for port in ["53", "5000", "8080"] {
                let named = next.split_whitespace().any(|word| word == port);
                assert!(!named, "{next}");
            }
            scene.does("detach eth0");
        }
    }
}

#[test]
fn a_port_of_the_portmapper_counts_once_it_was_heard_there() {
    let Some(scene) = scene("a_port_of_the_portmapper_counts_once_it_was_heard_there") else {
        return;
    };
    let copy = perl_called(&scene, "rpcbind");
    let script =
        "udp(5000); my @s = (udp(53), udp(111), udp(40053), udp(40054)); ready(); answer(@s)";
    let _portmapper = Stranger::start_as(&scene.host, 0, &copy, script).unwrap();
    let [found, guarded, unguarded] = told(&scene);
    // It is exposed on port 53 too, which nobody should guard for that.
    let ports = found["exposures"].as_array().unwrap().iter();
    let ports: Vec<_> = ports.map(|exposure| &exposure["port"]).collect();
    assert_eq!(json!(ports), json!([53, 111, 40053, 40054]));
    assert_eq!(guarded, json!([111, 40053, 40054]));
    assert_eq!(unguarded, json!([53]));
    let summary = found["summary"].as_str().unwrap();
    assert!(
        summary.contains("no command is proposed for port 53"),
        "{summary}"
    );
    let said = scene.does("attach eth0 --rpcbind-ports --tcp").stderr;
    assert!(said.contains("answers on UDP port 53 too"), "{said}");
    let found_then = rpcguard(&scene.host, "check --json").exited_with(3).json();
    assert_eq!(found_then["next_step"], Value::Null, "{found_then:#}");
    scene.does("detach eth0");
    // Another process takes one of the ports, in another way. In TCP, it does not keep a guard of
    // UDP from the other one.
    let _stranger = Stranger::start(&scene.host, "udp6_loopback(40053); tcp(40054)").unwrap();
    let [found, guarded, unguarded] = told(&scene);
    assert_eq!(guarded, json!([111, 40054]));
    assert_eq!(unguarded, json!([53, 40053]));
    let said = scene.does("attach eth0 --rpcbind-ports --tcp").stderr;
    assert!(
        said.contains("answers on UDP port 53, 40053, 40054 too"),
        "{said}"
    );
    let status = scene.does("status --json").json();
    let unguarded = &status["interfaces"][0]["unguarded_rpcbind_ports"];
    assert_eq!(*unguarded, json!([53, 40053, 40054]));
    scene.does("detach eth0");
    let shown = found["exposures"].as_array().unwrap().len();
    assert_eq!(shown, 4, "the portmapper answers there all the same");
}

#[test]
fn a_portmapper_that_answers_nothing_is_given_up_in_time() {
    let Some(scene) = scene("a_portmapper_that_answers_nothing_is_given_up_in_time") else {
        return;
    };
    let copy = perl_called(&scene, "portmap");
    let script = r#"deaf("/run/rpcbind.sock"); tcp(111); udp(111); udp($_) for 40000 .. 40020"#;
    let _deaf = Stranger::start_as(&scene.host, 0, &copy, script).unwrap();
    let started = Instant::now();
    let found = rpcguard(&scene.host, "check --json").exited_with(3).json();
    assert!(started.elapsed() < Duration::from_secs(6));
    assert!(found["registrations_error"].is_string(), "{found:#}");
    // It listens at all of them, and was heard at none.
    let sockets = found["sockets"].as_array().unwrap();
    assert_eq!(sockets.len(), 3 + 21, "{found:#}");
    assert_eq!(found["exposures"].as_array().unwrap().len(), 2);
    let text = rpcguard(&scene.host, "check").exited_with(3).stdout;
    assert!(text.contains("not port 111, and did not answer"), "{text}");
}

/// Where everybody may have port 111, as in many containers.
#[test]
fn a_portmapper_is_roots_program_run_by_root_or_by_its_account() {
    /// That of rpcbind in the lab.
    const ACCOUNT: u32 = 65532;
    let Some(scene) = scene("a_portmapper_is_roots_program_run_by_root_or_by_its_account") else {
        return;
    };
    scene
        .host
        .sysctl("net/ipv4/ip_unprivileged_port_start=0")
        .unwrap();
    let program = perl_called(&scene, "rpcbind");
    let another = perl_called(&scene, "rpcbind2");
    let owned_by = |user: u32, mode: u32| {
        scene.host.enter(|| {
            chown(&program, Some(user), None).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        });
    };
    for (user, program, owner, mode, proven) in [
        (0, &program, 0, 0o755, true),
        (ACCOUNT, &program, 0, 0o755, true),
        (Stranger::ID, &program, 0, 0o755, false),
        (0, &program, Stranger::ID, 0o755, false),
        (0, &program, 0, 0o777, false),
        (0, &another, 0, 0o755, false),
    ] {
        owned_by(owner, mode);
        let script = r#"$0 = "rpcbind"; my @s = (udp(111), udp(40053)); ready(); answer(@s)"#;
        let _process = Stranger::start_as(&scene.host, user, program, script).unwrap();
        let [found, guarded, _] = told(&scene);
        let expected = if proven {
            json!([111, 40053])
        } else {
            json!([111])
        };
        assert_eq!(guarded, expected, "{user} {program} {owner} {mode:o}");
        let ports = found["exposures"].as_array().unwrap().iter();
        let ports: Vec<_> = ports.map(|exposure| &exposure["port"]).collect();
        assert_eq!(json!(ports), expected, "{user} {program} {owner} {mode:o}");
    }
}
