//! Filters that are broken on purpose are caught.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
};

use rpcguard_common::parse::LinkLayer;
use rpcguard_ebpf::build::{self, Flavour, workspace};
use rpcguard_tests::{
    hunt::{
        fixture,
        hunter::{Hunt, Hunter, Report},
        terrain::Device,
    },
    lab::{Lab, in_vm, skip},
};

use crate::{
    breaks::{ALL, Break},
    found,
};

/// Each must be caught within so many frames.
const FRAMES: u64 = 20_000;

/// What the object is built from, of the workspace. Its manifest is cut to the packages that are there.
const SOURCES: [&str; 5] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "rpcguard-common",
    "rpcguard-ebpf",
];

/// The files under the paths, by path, with what is in them.
fn sources() -> Vec<(PathBuf, String)> {
    let mut pending: Vec<PathBuf> = SOURCES.map(PathBuf::from).to_vec();
    let mut files = Vec::new();
    while let Some(path) = pending.pop() {
        let full = workspace().join(&path);
        if full.is_dir() {
            let entries = fs::read_dir(full).unwrap();
            pending.extend(entries.map(|entry| path.join(entry.unwrap().file_name())));
        } else {
            let text = fs::read_to_string(full).unwrap();
            files.push((path, text));
        }
    }
    files.sort();
    files
}

/// Makes the mistake in the sources.
fn make(mistake: &Break, sources: &mut [(PathBuf, String)]) {
    for (path, text) in sources {
        if path == Path::new("Cargo.toml") {
            *text = members_that_are_there(text);
        } else if path == Path::new(mistake.file) {
            let Break { name, right, .. } = mistake;
            let count = text.matches(right).count();
            assert_eq!(count, 1, "{name}: `{right}` is there {count} times");
            *text = text.replace(right, mistake.wrong);
        }
    }
}

fn members_that_are_there(manifest: &str) -> String {
    let lines = manifest
        .lines()
        .filter_map(|line| match line.split_once(' ') {
            Some(("members", _)) => Some(r#"members = ["rpcguard-common", "rpcguard-ebpf"]"#),
            Some(("default-members", _)) => None,
            _ => Some(line),
        });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The object with a mistake; what was built before from the same sources is taken as it is.
fn object(mistake: &Break) -> Vec<u8> {
    let directory = workspace().join("target/broken");
    let mut sources = sources();
    make(mistake, &mut sources);
    let mut hasher = DefaultHasher::new();
    sources.hash(&mut hasher);
    let built = directory.join(format!("{}-{:016x}.o", mistake.name, hasher.finish()));
    if let Ok(object) = fs::read(&built) {
        return object;
    }
    let root = directory.join("workspace");
    for (path, text) in &sources {
        let path = root.join(path);
        // What has not changed keeps its time, and is not compiled again.
        if fs::read_to_string(&path).is_ok_and(|there| there == *text) {
            continue;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let linker = build::linker(&root);
    if !linker.exists() {
        fs::create_dir_all(linker.parent().unwrap()).unwrap();
        fs::copy(build::linker(workspace()), linker).unwrap();
    }
    let objects = build::build_in(&root, &directory.join("target"), Flavour::Embedded)
        .unwrap_or_else(|error| panic!("{}: {error}", mistake.name));
    let object = fs::read(objects.join("rpcguard")).unwrap();
    fs::write(built, &object).unwrap();
    object
}

fn place(follow_up: bool) -> Hunt {
    Hunt {
        seed: 1,
        device: Device::Veth,
        mtu: 1500,
        mode: "native",
        follow_up,
    }
}

/// Whether there is something wrong of the kind that the mistake leads to.
fn caught(report: &Report, mistake: &Break) -> bool {
    let mut findings = report.findings.iter();
    findings.any(|finding| finding.wrong.kind == mistake.kind)
}

/// By the frames that are kept as a fixture, and by frames at random. With `UPDATE_EXPECT` set, what
/// catches each of them becomes the fixture.
#[test]
fn every_mistake_is_caught() {
    let test = "every_mistake_is_caught";
    if in_vm() {
        return skip(test, "broken programs cannot be built in a virtual machine");
    }
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let shots = if update { Vec::new() } else { found::all() };
    for mistake in &ALL {
        let Some(lab) = Lab::or_skip(test) else {
            return;
        };
        let name = mistake.name;
        let mut hunter = Hunter::with_object(lab, place(update), &object(mistake)).unwrap();
        if !update {
            let (_, _, shot) = shots
                .iter()
                .find(|(fixture, ..)| fixture == name)
                .unwrap_or_else(|| panic!("{name} has no fixture: set UPDATE_EXPECT"));
            let wrongs = hunter.try_shot(shot).unwrap();
            let again = wrongs.iter().any(|wrong| wrong.kind == mistake.kind);
            assert!(again, "{name} is not caught by its fixture: {wrongs:?}");
        }
        let report = hunter
            .hunt(FRAMES, |report| !caught(report, mistake))
            .unwrap();
        assert!(caught(&report, mistake), "{name} is not caught");
        eprintln!("{test}: {name}, within {} frames", report.frames);
        if update {
            keep(mistake, &report);
        }
    }
}

fn keep(mistake: &Break, report: &Report) {
    let mut findings = report.findings.iter();
    let finding = findings.find(|finding| finding.wrong.kind == mistake.kind);
    let finding = finding.expect("it was caught");
    let comment = format!(
        "{}: {}\nof a filter that {}",
        finding.wrong.kind,
        finding.wrong.delivery,
        mistake.name.replace('-', " ")
    );
    let text = fixture::write(&comment, LinkLayer::Ethernet, &finding.shot);
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/hunt");
    fs::write(format!("{directory}/{}.txt", mistake.name), text).unwrap();
}
