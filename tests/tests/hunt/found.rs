//! Shots that were once judged wrongly: by the filter, or by one that was broken on purpose.

use std::{fs, path::PathBuf};

use rpcguard_common::parse::LinkLayer;
use rpcguard_tests::{
    hunt::{
        fixture,
        hunter::{Hunt, Hunter},
        shot::Shot,
        terrain::Device,
    },
    lab::{Lab, Tun, in_vm, skip},
};

/// All that is kept, by name.
pub(crate) fn all() -> Vec<(String, LinkLayer, Shot)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/hunt");
    let files = fs::read_dir(directory).expect("the directory of fixtures");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let shots = paths.iter().map(|path| {
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(path).expect("a text");
        let (link, shot) = fixture::read(&text).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        (name, link, shot)
    });
    shots.collect()
}

#[test]
fn what_was_found_once_is_judged_rightly() {
    let test = "what_was_found_once_is_judged_rightly";
    if in_vm() {
        return skip(test, "the fixtures are not in the virtual machine");
    }
    let shots = all();
    assert!(!shots.is_empty());
    for (device, mode) in [
        (Device::Veth, "native"),
        (Device::Veth, "generic"),
        (Device::Tun, "generic"),
    ] {
        let Some(lab) = Lab::or_skip(test) else {
            return;
        };
        if device == Device::Tun && Tun::new(&lab.host().expect("a host"), "tun0").is_err() {
            return skip(test, "tun devices cannot be made here (/dev/net/tun)");
        }
        let place = Hunt {
            seed: 0,
            device,
            mtu: 9000,
            mode,
            follow_up: true,
        };
        let mut hunter = Hunter::new(lab, place).expect("two twins");
        for (name, _, shot) in shots.iter().filter(|(_, link, _)| *link == device.link()) {
            let wrongs = hunter.try_shot(shot).expect("the twins answer");
            assert!(wrongs.is_empty(), "{name}, {mode}: {wrongs:?}");
        }
    }
}
