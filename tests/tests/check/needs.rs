//! The needs for a real portmapper: what `disable` believes, and what `attach` proposes.

use std::{
    fs::File,
    os::fd::AsRawFd as _,
    time::{Duration, Instant},
};

use nix::mount::{MsFlags, mount};
use rpcguard_tests::lab::{Finished, rpcguard_binary, skip};
use serde_json::Value;

use crate::{
    scene::{Scene, register, replace_file, rpcguard},
    services::start_nfs,
};

/// The need whose text begins with this.
#[track_caller]
fn need<'a>(plan: &'a Value, text: &str) -> &'a Value {
    let mut needs = plan["needs"].as_array().unwrap().iter();
    let found = needs.find(|need| need["text"].as_str().unwrap().starts_with(text));
    found.unwrap_or_else(|| panic!("{text} is not in {plan:#}"))
}

#[test]
fn what_anybody_registers_over_loopback_stops_nothing() {
    let test = "what_anybody_registers_over_loopback_stops_nothing";
    let Some(scene) = Scene::or_skip(test, &["rpc.statd", "rpc.mountd"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    // Root's own port, on which another program answers, and one on which nobody does.
    register(&scene.host, 536_870_913, 1, 111);
    register(&scene.host, 536_870_914, 1, 4000);
    let plan = || rpcguard(&scene.host, "disable --json").succeeded().json();
    let strangers = plan();
    for program in ["program 536870913", "program 536870914"] {
        let need = need(&strangers, program);
        assert_eq!(need["blocks"], false, "{need:#}");
    }
    let _nfs = start_nfs(&scene.host);
    let served = plan();
    for program in ["mountd is registered", "status is registered"] {
        let need = need(&served, program);
        assert_eq!(need["blocks"], true, "{need:#}");
    }
}

#[test]
fn a_row_of_fstab_is_shown_with_its_line_and_reason() {
    let test = "a_row_of_fstab_is_shown_with_its_line_and_reason";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    replace_file(
        &scene.host,
        "/etc/fstab",
        "# x\nnas:/a\\033[2J /a nfs vers=3 0 0\n",
    );
    let plan = scene.does("disable").stdout;
    assert!(
        plan.contains("nas:/a\\u{1b}[2J on /a with NFSv3 (/etc/fstab:2)"),
        "{plan}"
    );
    assert!(plan.contains("because NFSv3 servers ask the portmapper of their client"));
}

#[test]
fn attach_proposes_nfsv3_servers_that_are_on_no_list() {
    let test = "attach_proposes_nfsv3_servers_that_are_on_no_list";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let mounts = "nas:/a /a nfs rw,vers=3,addr=192.0.2.7,mountaddr=192.0.2.8 0 0\n\
                  nas:/b /b nfs rw,vers=3,addr=198.51.100.7 0 0\n\
                  nas:/c /c nfs4 rw,vers=4.2,addr=203.0.113.7 0 0\n\
                  nas:/d /d nfs rw,vers=3,nolock,addr=203.0.113.8 0 0\n\
                  nas:/e /e nfs rw,vers=3,addr=2001:db8::7 0 0\n\
                  nas:/f /f nfs rw,vers=3,addr=203.0.113.9 0 0\n";
    scene
        .host
        .enter(|| std::fs::write("/run/mounts", mounts).unwrap());
    // The number of the shell becomes that of the command.
    let script = "mount --bind /run/mounts /proc/$$/mounts && exec \"$@\"";
    let mut command = scene.host.command("sh");
    command.args(["-c", script, "sh"]).arg(rpcguard_binary());
    command.args(["attach", "eth0", "--allow", "198.51.100.0/24"]);
    command.args(["--deny", "203.0.113.9"]);
    let attached = Finished::wait_for(&mut command).succeeded();
    let expected = "`rpcguard allow add 192.0.2.7 192.0.2.8 2001:db8::7 -i eth0`";
    assert!(attached.stderr.contains(expected), "{attached}");
    scene.does("allow add 192.0.2.7 192.0.2.8 2001:db8::7 -i eth0");
    scene.does("detach eth0");
}

/// A file system in user space whose server never answers, where a file is read.
#[test]
fn a_file_on_a_dead_file_system_does_not_hang_disable() {
    let test = "a_file_on_a_dead_file_system_does_not_hang_disable";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let Ok(server) = File::options().read(true).write(true).open("/dev/fuse") else {
        skip(test, "there is no /dev/fuse");
        return;
    };
    let data = format!(
        "fd={},rootmode=100000,user_id=0,group_id=0",
        server.as_raw_fd()
    );
    let mounted = scene.host.enter(|| {
        mount(
            Some("dead"),
            "/etc/fstab",
            Some("fuse"),
            MsFlags::empty(),
            Some(data.as_str()),
        )
    });
    if let Err(error) = mounted {
        skip(test, &format!("cannot mount: {error}"));
        return;
    }
    let begin = Instant::now();
    let plan = scene.does("disable --json").json();
    assert!(begin.elapsed() < Duration::from_secs(10));
    let unread = need(&plan, "cannot be read: nothing came within 2 s");
    assert_eq!(unread["place"], "/etc/fstab");
    assert_eq!(unread["blocks"], true);
    drop(server);
}
