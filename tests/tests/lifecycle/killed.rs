//! Killed while it replaces a long list.

use std::{
    net::IpAddr,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use rpcguard::prefix::Prefix;
use rpcguard_tests::{lab::rpcguard_binary, site::Site};

use crate::{
    effort::{amount, is_exhaustive},
    lists::{address, file, hosts},
    snapshot::Snapshot,
};

#[test]
fn a_replacement_of_a_long_list_is_all_or_nothing_at_any_moment() {
    let Some(site) = Site::or_skip("a_replacement_of_a_long_list_is_all_or_nothing_at_any_moment")
    else {
        return;
    };
    let length: u32 = amount(50_000, 5_000);
    let lists = [hosts(0..length), hosts(length / 2..length / 2 * 3)];
    let files = [file(&lists[0]), file(&lists[1])];
    let replace = |list: usize| {
        let mut command = site.host.command(rpcguard_binary());
        command.args(["allow", "replace"]).arg(files[list].path());
        command.stdout(Stdio::null());
        command
    };
    let samples = [
        0,
        1,
        length / 2,
        length - 1,
        length,
        length / 2 * 3 - 1,
        length * 2,
    ];
    let samples = samples.map(|number| IpAddr::from(address(number)));
    let listed = || -> Vec<Prefix> {
        let snapshot = Snapshot::of(&site, &samples).expect("it stays guarded");
        snapshot.prefixes.into_iter().map(|(p, _)| p).collect()
    };

    site.rpcguard(&format!(
        "attach eth0 --allow-file {}",
        files[0].path().display()
    ));
    assert!(listed() == lists[0]);
    let start = Instant::now();
    assert!(replace(1).status().unwrap().success());
    let whole = start.elapsed();
    assert!(listed() == lists[1]);

    let kills = if is_exhaustive() { 100 } else { amount(14, 5) };
    let mut current = 1;
    let mut changes = 0;
    for kill in 0..kills {
        let mut process = replace(1 - current).spawn().unwrap();
        // From before it has begun to after it has ended.
        thread::sleep(whole * kill / (kills - 1) + Duration::from_millis(1));
        process.kill().unwrap();
        process.wait().unwrap();
        let found = listed();
        if found == lists[1 - current] {
            current = 1 - current;
            changes += 1;
        } else {
            assert!(
                found == lists[current],
                "kill {kill}: {} prefixes",
                found.len()
            );
        }
    }
    eprintln!("killed {kills} times within {whole:?}, {changes} times after the fact");
    assert!(replace(1 - current).status().unwrap().success());
    assert!(listed() == lists[1 - current]);
    site.rpcguard("detach eth0");
}
