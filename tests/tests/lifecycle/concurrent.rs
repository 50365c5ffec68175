//! Several commands at once.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use rpcguard::{guard::ListedPrefix, prefix::Prefix};
use rpcguard_tests::site::Site;

use crate::{
    effort::amount,
    lists::{address, file, hosts},
};

#[test]
fn adds_of_eight_processes_are_all_kept() {
    const PROCESSES: u32 = 8;
    let Some(site) = Site::or_skip("adds_of_eight_processes_are_all_kept") else {
        return;
    };
    let adds = amount(20, 3);
    site.rpcguard("attach eth0");
    thread::scope(|scope| {
        for process in 0..PROCESSES {
            let site = &site;
            scope.spawn(move || {
                for add in 0..adds {
                    site.rpcguard(&format!("allow add {}", address(process * adds + add)));
                }
            });
        }
    });
    let listed = site.guard(|guard| guard.prefixes().unwrap());
    let listed: Vec<Prefix> = listed.iter().map(|listed| listed.prefix).collect();
    assert_eq!(listed, hosts(0..PROCESSES * adds));
    site.rpcguard("detach eth0");
}

#[test]
fn a_reader_sees_the_whole_of_one_list_or_of_the_other() {
    let Some(site) = Site::or_skip("a_reader_sees_the_whole_of_one_list_or_of_the_other") else {
        return;
    };
    // An entry that is removed while it is read has the value of its parent.
    let parent = "10.0.0.0/8".parse().unwrap();
    let lists = [hosts(0..2_000), hosts(1_000..3_000)].map(|hosts| [vec![parent], hosts].concat());
    let files = lists.clone().map(|list| file(&list));
    let path = |list: usize| files[list].path().display();
    site.rpcguard(&format!("attach eth0 --allow-file {}", path(0)));
    let done = AtomicBool::new(false);
    let reads = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            site.guard(|guard| {
                let mut reads = [0, 0];
                while !done.load(Ordering::Relaxed) {
                    let listed: Vec<ListedPrefix> = guard.prefixes().unwrap();
                    let prefixes: Vec<Prefix> = listed.iter().map(|l| l.prefix).collect();
                    let which = lists.iter().position(|list| *list == prefixes);
                    reads[which.expect("one of the lists")] += 1;
                }
                reads
            })
        });
        for replacement in 1..=amount(40, 8) {
            site.rpcguard(&format!("allow replace {}", path(replacement % 2)));
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(reads.iter().all(|reads| *reads > 0), "{reads:?}");
    site.rpcguard("detach eth0");
}

#[test]
fn status_succeeds_while_guards_come_and_go() {
    let Some(site) = Site::or_skip("status_succeeds_while_guards_come_and_go") else {
        return;
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                site.rpcguard("status --json");
                reads += 1;
            }
            reads
        });
        for _ in 0..amount(8, 3) {
            site.rpcguard("attach eth0 --allow 192.0.2.0/24");
            site.rpcguard("attach eth0 --replace");
            site.rpcguard("detach eth0");
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > amount(8, 1));
    });
}
