//! What real clients send is served within the rate.

use std::net::IpAddr;

use rpcguard_tests::{
    lab::{Finished, Host, Rpcbind},
    site::PATIENCE,
};

use super::town::Town;
use crate::{
    in_both_modes,
    segment::{HOST, STRANGER, Segment},
};

/// The defaults of all other limits hold.
const RATE: &str = "--rate 5/s";

/// Runs a client of the portmapper; words are separated by blanks, and `HOST` stands for the server.
/// It ends by itself, or has been waiting for an answer.
fn run(client: &Host, command: &str, server: IpAddr) -> Finished {
    let server = server.to_string();
    let mut words = command.split_whitespace();
    let mut process = client.command(words.next().unwrap());
    for word in words {
        process.arg(word.replace("HOST", &server));
    }
    Finished::wait_at_most(&mut process, PATIENCE)
}

/// Asserts that of these procedures something passed, and that nothing at all was dropped.
#[track_caller]
fn assert_passed(segment: &Segment, procedures: &[&str]) {
    let status = segment.status();
    for name in procedures {
        let passed = &status["procedures"][name]["passed"]["packets"];
        assert!(passed.as_u64().unwrap() > 0, "{name}: {status:#}");
    }
    let counters = status["counters"].as_object().unwrap();
    for (reason, counter) in counters {
        assert!(
            reason == "within_rate" || counter["packets"] == 0,
            "{reason}: {status:#}"
        );
    }
}

#[test]
fn rpcinfo_finds_a_program_and_its_versions() {
    let test = "rpcinfo_finds_a_program_and_its_versions";
    in_both_modes(test, |mode| {
        let Some(town) = Town::or_skip(test) else {
            return;
        };
        let segment = &town.segment;
        let stranger = &segment.stranger;
        for (netid, server) in [("udp", HOST[0]), ("udp6", HOST[1])] {
            segment.attach(mode, RATE);
            let versioned = format!("rpcinfo -T {netid} HOST 100000 3");
            let asked = run(stranger, &versioned, server).succeeded();
            assert!(asked.stdout.contains("version 3 ready"), "{asked}");
            assert_passed(segment, &["v4.GETADDR", "v3.NULL"]);

            // Which versions there are is the answer to a call of version 0.
            let every = format!("rpcinfo -T {netid} HOST 100000");
            let asked = run(stranger, &every, server);
            assert!(asked.stdout.contains("version 4 ready"), "{asked}");
            assert_passed(segment, &["v0.NULL", "v3.NULL", "v4.NULL"]);
            segment.rpcguard("detach eth0");
        }
        segment.attach(mode, RATE);
        let asked = run(stranger, "rpcinfo -u HOST 100000", HOST[0]).succeeded();
        assert!(asked.stdout.contains("version 2 ready"), "{asked}");
        assert_passed(segment, &["v0.NULL", "v2.NULL"]);
        let asked = run(stranger, "rpcinfo -T udp HOST nfs 3", HOST[0]).succeeded();
        assert!(asked.stdout.contains("100003 version 3 ready"), "{asked}");
        assert_passed(segment, &["v4.GETADDR"]);
        assert_eq!(town.nfs.calls(), 1);
        segment.rpcguard("detach eth0");
    });
}

#[test]
fn showmount_learns_where_mountd_is() {
    let test = "showmount_learns_where_mountd_is";
    in_both_modes(test, |mode| {
        let Some(town) = Town::with_tools_or_skip(test, &["showmount"]) else {
            return;
        };
        let segment = &town.segment;
        segment.attach(mode, RATE);
        // It asks over TCP too, first.
        let asked = run(&segment.stranger, "showmount -e HOST", HOST[0]).exited_with(1);
        assert!(asked.stderr.contains("Program not registered"), "{asked}");
        assert_passed(segment, &["v4.GETADDR"]);
        segment.rpcguard("detach eth0");
    });
}

#[test]
fn the_mount_helper_for_nfs_version_3_learns_where_nfs_and_mountd_are() {
    let test = "the_mount_helper_for_nfs_version_3_learns_where_nfs_and_mountd_are";
    in_both_modes(test, |mode| {
        let Some(town) = Town::with_tools_or_skip(test, &["mount.nfs"]) else {
            return;
        };
        let segment = &town.segment;
        let directory = "/run/mountpoint";
        segment.stranger.run("mkdir", &[directory]).unwrap();
        for options in ["proto=udp", "proto=udp,mountproto=udp", "mountproto=udp"] {
            segment.attach(mode, RATE);
            let command =
                format!("mount.nfs -v -o vers=3,nolock,retry=0,{options} HOST:/export {directory}");
            let asked = run(&segment.stranger, &command, HOST[0]).exited_with(32);
            assert!(asked.stderr.contains("Program not registered"), "{asked}");
            assert!(!asked.stderr.contains("Timed out"), "{asked}");
            assert_passed(segment, &["v2.GETPORT"]);
            segment.rpcguard("detach eth0");
        }
    });
}

#[test]
fn answers_to_the_hosts_own_queries_are_none_of_the_policys_business() {
    let test = "answers_to_the_hosts_own_queries_are_none_of_the_policys_business";
    in_both_modes(test, |mode| {
        let Some(town) = Town::or_skip(test) else {
            return;
        };
        let segment = &town.segment;
        let _theirs = Rpcbind::start(&segment.stranger).unwrap();
        // Nothing from the stranger could pass the filter for what it is.
        segment.attach(mode, "--rate 1/h --burst 1 --procedures v4.GETSTAT");
        for (netid, server) in [("udp", STRANGER[0]), ("udp6", STRANGER[1])] {
            let services = format!("rpcinfo -T {netid} -s HOST");
            let asked = run(&segment.host, &services, server).succeeded();
            assert!(asked.stdout.contains("portmapper"), "{asked}");
            let ping = format!("rpcinfo -T {netid} HOST 100000 4");
            let _ = run(&segment.host, &ping, server).succeeded();
        }
        assert_passed(segment, &[]);
        assert_eq!(segment.packets("within_rate"), 0);
        segment.rpcguard("detach eth0");
    });
}
