//! Reloads: all of the file, or nothing.

use std::{fs, os::unix::fs::symlink, thread, time::Duration};

use nix::sys::signal::Signal;

use crate::harness::{Scene, quoted, table};

#[test]
fn a_reload_changes_everything_that_the_file_says_at_once() {
    let test = "a_reload_changes_everything_that_the_file_says_at_once";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    for name in ["eth1", "eth2", "eth3"] {
        scene.site.add_interface(name);
    }
    let daemon =
        scene.start(&(table("\"eth0\", \"eth1\"", "\"192.0.2.1\"") + &table("\"eth2\"", "")));
    let links = ["eth0", "eth1", "eth2"].map(|name| scene.status(name)["link_id"].clone());
    // Of eth1 and eth2, the tables change; eth0 goes, and eth3 comes.
    let next = table("\"eth1\", \"eth3\"", "\"192.0.2.2\"")
        + "deny = [\"192.0.2.3\"]\nports = [7]\ntcp = true\nrate = \"9/m\"\n"
        + &table("\"eth2\"", "\"192.0.2.4\"")
        + "observe = true\n";
    fs::write(scene.config(), next).unwrap();
    daemon.reload();
    assert_eq!(scene.guarded(), ["eth1", "eth2", "eth3"]);
    for name in ["eth1", "eth3"] {
        assert_eq!(scene.allowed(name), ["192.0.2.2/32"]);
        let policy = &scene.status(name)["policy"];
        assert_eq!(policy["ports"], serde_json::json!([7]));
        assert_eq!(
            (&policy["tcp"], &policy["unlisted"]),
            (&true.into(), &"rate".into())
        );
        assert_eq!(scene.status(name)["prefixes"]["deny"]["v4"], 1);
    }
    assert_eq!(scene.allowed("eth2"), ["192.0.2.4/32"]);
    assert_eq!(scene.status("eth2")["policy"]["observe"], true);
    assert_eq!(scene.status("eth1")["link_id"], links[1], "without a gap");
    assert_eq!(scene.status("eth2")["link_id"], links[2], "without a gap");
    daemon.end();
    scene.detach_all();
}

#[test]
fn a_prefix_may_go_from_one_list_to_the_other() {
    let Some(scene) = Scene::or_skip("a_prefix_may_go_from_one_list_to_the_other") else {
        return;
    };
    let with = |allow: &str, deny: &str| table("\"eth0\"", allow) + &format!("deny = [{deny}]\n");
    let daemon = scene.start(&with("\"192.0.2.0/24\", \"10.0.0.1\"", "\"192.0.2.7\""));
    scene.write(
        "rpcguard.toml",
        &with("\"192.0.2.7\"", "\"192.0.2.0/24\", \"10.0.0.1\""),
    );
    daemon.reload();
    assert_eq!(scene.allowed("eth0"), ["192.0.2.7/32"]);
    assert_eq!(scene.status("eth0")["prefixes"]["deny"]["v4"], 2);
    let verdicts = scene
        .site
        .verdicts(&["192.0.2.7", "192.0.2.8"].map(|source| source.parse().unwrap()));
    use rpcguard_common::reason::Action::{Drop, Pass};
    assert_eq!(verdicts, [Pass, Drop]);
    daemon.end();
    scene.detach_all();
}

#[test]
fn changes_of_the_files_are_noticed() {
    let Some(scene) = Scene::or_skip("changes_of_the_files_are_noticed") else {
        return;
    };
    fs::create_dir(scene.path("lists")).unwrap();
    fs::write(scene.path("lists/one"), "192.0.2.1\n").unwrap();
    symlink("lists/one", scene.path("list")).unwrap();
    let daemon = scene.start(&(table("\"eth0\"", "") + "allow_files = [\"list\"]\n"));
    assert_eq!(scene.allowed("eth0"), ["192.0.2.1/32"]);
    let comes = |address: &str| {
        scene.wait_until(address, || {
            scene.allowed("eth0") == [format!("{address}/32")]
        });
    };
    // Written in place, behind a link; another file in its place; another link in the place of this one.
    fs::write(scene.path("lists/one"), "192.0.2.2\n").unwrap();
    comes("192.0.2.2");
    scene.write("lists/one", "192.0.2.3\n");
    comes("192.0.2.3");
    fs::write(scene.path("lists/two"), "192.0.2.4\n").unwrap();
    symlink("lists/two", scene.path("next")).unwrap();
    fs::rename(scene.path("next"), scene.path("list")).unwrap();
    comes("192.0.2.4");
    // The file itself, and a list that it names only now.
    fs::write(scene.path("other"), "192.0.2.5\n").unwrap();
    scene.write(
        "rpcguard.toml",
        &(table("\"eth0\"", "") + "allow_files = [\"other\"]\n"),
    );
    comes("192.0.2.5");
    scene.write("other", "192.0.2.6\n");
    comes("192.0.2.6");
    daemon.end();
    scene.detach_all();
}

#[test]
fn a_bad_file_is_refused_with_line_and_column_and_the_old_state_stays() {
    let test = "a_bad_file_is_refused_with_line_and_column_and_the_old_state_stays";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    fs::write(scene.path("list"), "192.0.2.1\n").unwrap();
    let good =
        |address: &str| table("\"eth0\"", &format!("\"{address}\"")) + "allow_files = [\"list\"]\n";
    let daemon = scene.start(&good("192.0.2.2"));
    let before = scene.status("eth0");
    let config = scene.config();
    let list = scene.path("list");
    for (text, list_text, said) in [
        (
            "[[guard]\n".to_owned(),
            "192.0.2.1\n",
            format!("{}:1:9: ", config.display()),
        ),
        (
            good("192.0.2.300"),
            "192.0.2.1\n",
            format!("{}:3:10: `192.0.2.300` is not", config.display()),
        ),
        (
            good("192.0.2.3"),
            "192.0.2.9\n x\n",
            format!("{}:2:2: `x` is not", list.display()),
        ),
        (
            good("192.0.2.3") + &table("\"e*\"", ""),
            "192.0.2.9\n",
            format!(
                "{}:5:1: the interface `eth0` is matched by",
                config.display()
            ),
        ),
        (
            format!("metrics_listen = \"203.0.113.77:1\"\n{}", good("192.0.2.3")),
            "192.0.2.9\n",
            "cannot serve metrics at 203.0.113.77:1".to_owned(),
        ),
    ] {
        fs::write(&list, list_text).unwrap();
        fs::write(&config, &text).unwrap();
        daemon.signal(Signal::SIGHUP);
        scene.wait_until(&said, || daemon.log().contains(&said));
        let log = daemon.log();
        assert!(
            log.contains("the former configuration stays in force"),
            "{log}"
        );
        assert_eq!(scene.status("eth0"), before, "{said}");
    }
    // A list that is missing is one more.
    fs::remove_file(&list).unwrap();
    fs::write(&config, good("192.0.2.3")).unwrap();
    scene.wait_until("refused", || daemon.log().contains("list` does not exist"));
    assert_eq!(scene.status("eth0"), before);
    // As soon as it is there, all of it is taken over.
    fs::write(&list, "192.0.2.9\n").unwrap();
    scene.wait_until("reloaded", || {
        scene.allowed("eth0") == ["192.0.2.3/32", "192.0.2.9/32"]
    });
    daemon.end();
    scene.detach_all();
}

#[test]
fn what_has_not_changed_costs_no_change() {
    let Some(scene) = Scene::or_skip("what_has_not_changed_costs_no_change") else {
        return;
    };
    let list: String = (0..2000)
        .map(|n| format!("10.0.{}.{}\n", n / 250, n % 250))
        .collect();
    fs::write(scene.path("list"), list).unwrap();
    let text = table("\"eth0\"", "") + "allow_files = [\"list\"]\n";
    let daemon = scene.start(&text);
    let epoch = || {
        scene
            .site
            .guard(|guard| guard.prefix_counts().unwrap().allow_v4)
    };
    assert_eq!(epoch(), 2000);
    let before = daemon.log();
    fs::write(scene.config(), text).unwrap();
    daemon.reload();
    thread::sleep(Duration::from_millis(600));
    let log = daemon.log();
    assert!(!log[before.len()..].contains("changed"), "{log}");
    daemon.end();
    scene.detach_all();
}

#[test]
fn a_list_may_be_named_by_its_whole_path() {
    let Some(scene) = Scene::or_skip("a_list_may_be_named_by_its_whole_path") else {
        return;
    };
    fs::write(scene.path("list"), "192.0.2.1\n").unwrap();
    let name = quoted(&scene.path("list"));
    let daemon = scene.start(&(table("\"eth0\"", "") + &format!("deny_files = [{name}]\n")));
    assert_eq!(scene.status("eth0")["prefixes"]["deny"]["v4"], 1);
    daemon.end();
    scene.detach_all();
}
