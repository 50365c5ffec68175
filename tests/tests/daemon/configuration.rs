//! `rpcguard config check` and `rpcguard config show`.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, chown},
};

use rpcguard_tests::site::Site;
use tempfile::tempdir;

use crate::harness::Scene;

#[test]
fn a_good_file_is_said_to_be_good_with_what_it_is_about() {
    let Some(site) = Site::or_skip("a_good_file_is_said_to_be_good_with_what_it_is_about") else {
        return;
    };
    let directory = tempdir().unwrap();
    let file = directory.path().join("c.toml");
    fs::write(
        directory.path().join("clients"),
        "192.0.2.7\n198.51.100.0/24\n",
    )
    .unwrap();
    let text =
        "[[guard]]\ninterfaces = [\"*\", \"lan0\"]\nallow_files = [\"clients\"]\nrate = \"5/s\"\n";
    fs::write(&file, text).unwrap();
    let checked = site
        .host
        .rpcguard(["config", "check", file.to_str().unwrap()])
        .succeeded();
    assert_eq!(
        checked.stdout,
        "line 1: *, lan0: UDP port 111, allowed from 2 prefixes, others at 5/s each and 200/s in all\n  \
         here and now: eth0\n  `lan0` is not there: it is guarded when it appears\n"
    );
    assert_eq!(checked.stderr, "");
}

#[test]
fn the_example_is_good_as_it_is_and_with_everything_in_it_in_force() {
    let Some(site) =
        Site::or_skip("the_example_is_good_as_it_is_and_with_everything_in_it_in_force")
    else {
        return;
    };
    let example = include_str!("../../../deploy/examples/rpcguard.toml");
    let directory = tempdir().unwrap();
    fs::write(directory.path().join("clients.txt"), "192.0.2.7\n").unwrap();
    let file = directory.path().join("rpcguard.toml");
    let check = || site.rpcguard(&format!("config check {}", file.display()));
    fs::write(&file, example).unwrap();
    assert_eq!(check(), "no [[guard]] table: nothing is to be guarded\n");
    let in_force: String = example
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(&file, &in_force).unwrap();
    let checked = check();
    assert!(
        checked.contains("allowed from 2 prefixes") && checked.contains("here and now: eth0"),
        "{checked}"
    );
}

#[test]
fn everything_that_is_wrong_is_said_and_the_status_is_one() {
    let Some(site) = Site::or_skip("everything_that_is_wrong_is_said_and_the_status_is_one") else {
        return;
    };
    let directory = tempdir().unwrap();
    let file = directory.path().join("c.toml");
    let list = directory.path().join("list");
    fs::write(&list, "192.0.2.7\n\n x\n").unwrap();
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        site.host
            .rpcguard(["config", "check", file.to_str().unwrap()])
            .exited_with(1)
            .stderr
    };
    let said = check("[[guard]]\ninterfaces = [\"a\"]\nallow = [\"x\"]\ndeny_files = [\"list\"]\n");
    assert!(
        said.contains(&format!("{}:3:10: `x` is not", file.display())),
        "{said}"
    );
    assert!(
        said.contains(&format!("{}:3:2: `x` is not", list.display())),
        "{said}"
    );
    let said = check("[[guard]]\ninterfaces = [\"e*\"]\n[[guard]]\ninterfaces = [\"*0\"]\n");
    let place = format!("{}:3:1: the interface `eth0` is matched by", file.display());
    assert!(said.contains(&place), "{said}");
    let missing = directory.path().join("missing.toml");
    let missing = site
        .host
        .rpcguard(["config", "check", missing.to_str().unwrap()])
        .exited_with(1);
    assert!(
        missing
            .stderr
            .contains("missing.toml cannot be read: No such file"),
        "{missing}"
    );
}

#[test]
fn what_is_attached_is_shown_as_a_file_that_is_good() {
    let Some(site) = Site::or_skip("what_is_attached_is_shown_as_a_file_that_is_good") else {
        return;
    };
    let nothing = site.host.rpcguard(["config", "show"]).exited_with(1);
    assert!(nothing.stderr.contains("is guarded"), "{nothing}");
    site.add_interface("eth1");
    site.add_interface("eth2");
    site.rpcguard("attach eth0 eth2 --allow 192.0.2.0/24 --allow 2001:db8::/32 --deny 192.0.2.7");
    site.rpcguard(
        "attach eth1 --port 111 --port 2049 --tcp --observe --rate 7/m --burst 3 --procedures NULL",
    );
    let directory = tempdir().unwrap();
    let clients = directory.path().join("clients");
    let prefixes: String = (0..200).map(|host| format!("10.0.0.{host}\n")).collect();
    fs::write(&clients, &prefixes).unwrap();
    site.rpcguard(&format!("allow replace {} -i eth1", clients.display()));

    let shown = site
        .host
        .rpcguard(["config", "show", "eth0", "eth2"])
        .succeeded();
    assert_eq!(
        shown.stdout,
        "[[guard]]\ninterfaces = [\"eth0\", \"eth2\"]\nallow = [\n    \"192.0.2.0/24\",\n    \
         \"2001:db8::/32\",\n]\ndeny = [\"192.0.2.7/32\"]\n"
    );
    let inline = site.host.rpcguard(["config", "show"]).succeeded();
    assert!(inline.stderr.contains("--lists DIR"), "{inline}");
    assert_eq!(inline.stdout.matches("    \"10.0.0.").count(), 200);

    let lists = directory.path().join("lists");
    fs::create_dir(&lists).unwrap();
    let with_lists = ["config", "show", "--lists", lists.to_str().unwrap()];
    let outside = site.host.rpcguard(with_lists).succeeded();
    let written = fs::read_to_string(lists.join("allow-eth1.txt")).unwrap();
    assert_eq!(written, prefixes_in_order(&prefixes));
    assert!(outside.stdout.contains(&format!(
        "allow_files = [\"{}/allow-eth1.txt\"]",
        lists.display()
    )));
    for line in [
        "ports = [111, 2049]",
        "tcp = true",
        "observe = true",
        "rate = \"7/m\"",
        "burst = 3",
        "rate_prefix = \"40/s\"",
        "procedures = \"v2.NULL,v3.NULL,v4.NULL,v0.NULL\"",
    ] {
        assert!(
            outside.stdout.lines().any(|shown| shown == line),
            "{line}: {outside}"
        );
    }
    let again = site.host.rpcguard(with_lists).exited_with(1);
    assert!(
        again.stderr.contains("allow-eth1.txt"),
        "a list is never overwritten: {again}"
    );

    for text in [&inline.stdout, &outside.stdout] {
        let file = directory.path().join("c.toml");
        fs::write(&file, text).unwrap();
        site.rpcguard(&format!("config check {}", file.display()));
    }
    site.rpcguard("detach --all");
}

/// Addresses as prefixes, in ascending order.
fn prefixes_in_order(addresses: &str) -> String {
    let mut prefixes: Vec<rpcguard::prefix::Prefix> = addresses
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    prefixes.sort();
    prefixes
        .iter()
        .map(|prefix| format!("{prefix}\n"))
        .collect()
}

#[test]
fn a_file_that_others_can_change_is_warned_of_by_check_and_by_the_daemon() {
    let test = "a_file_that_others_can_change_is_warned_of_by_check_and_by_the_daemon";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    let config = "[[guard]]\ninterfaces = [\"lan0\"]\nallow_files = [\"clients\"]\n";
    scene.write("clients", "192.0.2.7\n");
    scene.write("rpcguard.toml", config);
    let check = || {
        let file = scene.config();
        scene
            .site
            .host
            .rpcguard(["config", "check", file.to_str().unwrap()])
            .succeeded()
            .stderr
    };
    assert_eq!(check(), "");
    chown(scene.path("clients"), Some(65534), None).unwrap();
    fs::set_permissions(scene.config(), Permissions::from_mode(0o666)).unwrap();
    let list = format!(
        "{}: others than root can change this list: it belongs to user 65534\n",
        scene.path("clients").display()
    );
    let configuration = "others than root can change this configuration: everybody can write it\n";
    assert_eq!(check(), format!("note: {configuration}note: {list}"));
    let daemon = scene.start_again();
    let log = daemon.log();
    for note in [configuration, &list] {
        assert!(log.contains(note), "{log}");
    }
}
