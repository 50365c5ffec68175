//! Rules of this repository that no compiler or linter checks.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rpcguard_ebpf::build::{self, Flavour, workspace};

/// The files that may contain `unsafe`. Each says in itself what for.
const UNSAFE: &[&str] = &[
    "rpcguard-common/src/pod.rs",
    "rpcguard-ebpf/src/bin/lab/bytes.rs",
    "rpcguard-ebpf/src/bin/lab/flood.rs",
    "rpcguard-ebpf/src/bin/lab/main.rs",
    "rpcguard-ebpf/src/bin/lab/reflections.rs",
    "rpcguard-ebpf/src/bin/lab/replay.rs",
    "rpcguard-ebpf/src/ctx.rs",
    "rpcguard-ebpf/src/filter.rs",
    "rpcguard-ebpf/src/limiter.rs",
    "rpcguard-ebpf/src/main.rs",
    "rpcguard-ebpf/src/maps.rs",
    "rpcguard-ebpf/src/sampling.rs",
    "rpcguard-ebpf/src/tables.rs",
    "rpcguard/src/sys/bpf.rs",
    "rpcguard/src/sys/ethtool.rs",
    "rpcguard/src/sys/icmp.rs",
    "rpcguard/src/sys/mapped.rs",
    "rpcguard/src/sys/packets.rs",
    "rpcguard/src/sys/own_firewall.rs",
    "rpcguard/src/sys/unix_socket.rs",
    "tests/src/lab/host.rs",
    "tests/src/lab/namespace.rs",
    "tests/src/lab/packet_socket.rs",
    "tests/src/lab/tuntap.rs",
    "tests/tests/lifecycle/traced.rs",
    "tests/tests/cli/tun.rs",
    "tests/tests/lifecycle/traced.rs",
];

/// Signs of work that is not finished; in pieces, so that they are not found here.
const UNFINISHED: &[&str] = &[
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
    concat!("#[", "ignore"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

fn read(path: impl AsRef<Path>) -> String {
    let path = workspace().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust sources, relative to the workspace, with their text.
fn sources() -> Vec<(String, String)> {
    let mut sources = Vec::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(workspace().join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if entry.file_type().unwrap().is_dir() {
                if !hidden && path != Path::new("target") {
                    directories.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push((path.to_str().unwrap().to_owned(), read(&path)));
            }
        }
    }
    assert!(sources.len() > 20, "the sources are not where they were");
    sources
}

/// Whether the code, comments aside, has the keyword.
fn has_unsafe(source: &str) -> bool {
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .any(|line| {
            [
                "unsafe {",
                "unsafe fn",
                "unsafe impl",
                "unsafe extern",
                "#[unsafe(",
            ]
            .iter()
            .any(|form| line.contains(form))
        })
}

/// The names and lines of a table of a Cargo.toml, each with whether a comment is above it.
fn dependencies(table: &str) -> Vec<(String, bool)> {
    let manifest = read("Cargo.toml");
    let header = format!("[{table}]");
    let mut commented = false;
    let mut found = Vec::new();
    for line in manifest.lines().skip_while(|line| *line != header).skip(1) {
        if line.starts_with('[') {
            break;
        }
        if let Some((name, _)) = line.split_once(" = ") {
            found.push((name.to_owned(), commented));
        }
        commented = line.starts_with('#');
    }
    found
}

#[test]
fn unsafe_is_confined_to_the_files_listed_here() {
    let found: Vec<_> = sources()
        .into_iter()
        .filter(|(path, source)| path != "tests/tests/repository.rs" && has_unsafe(source))
        .map(|(path, _)| path)
        .collect();
    for path in &found {
        assert!(
            UNSAFE.contains(&path.as_str()),
            "{path} has unsafe and is not listed"
        );
    }
    for path in UNSAFE {
        assert!(
            found.iter().any(|found| found == path),
            "{path} needs not be listed"
        );
    }
}

#[test]
fn every_exception_from_the_unsafe_lint_is_expected_and_gives_its_reason() {
    let lint = concat!("unsafe", "_code");
    for (path, source) in sources() {
        let words = source.split_whitespace().collect::<Vec<_>>().join(" ");
        for (at, _) in words.match_indices(lint) {
            let before = words[..at].trim_end();
            let after = &words[at + lint.len()..];
            assert!(
                before.ends_with("expect(") && after.starts_with(", reason = \""),
                "{path}: `{lint}` without expect or without a reason"
            );
        }
    }
}

#[test]
fn nothing_is_left_unfinished() {
    for (path, source) in sources() {
        for sign in UNFINISHED {
            assert!(!source.contains(sign), "{path} contains {sign}");
        }
    }
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let dependencies = dependencies("workspace.dependencies");
    assert!(!dependencies.is_empty());
    for (name, commented) in dependencies {
        assert!(
            commented || name.starts_with("rpcguard"),
            "Cargo.toml: no comment above {name} says what it is for"
        );
    }
}

#[test]
fn every_package_takes_the_lints_of_the_workspace() {
    for package in [
        "rpcguard",
        "rpcguard-common",
        "rpcguard-ebpf",
        "tests",
        "tests/fuzz",
        "xtask",
    ] {
        let manifest = read(format!("{package}/Cargo.toml"));
        assert!(manifest.contains("[lints]\nworkspace = true"), "{package}");
    }
}

/// They embed the BPF object, for which there is no linker before `cargo xtask setup`.
#[test]
fn xtask_depends_on_nothing_that_must_be_set_up() {
    let manifest = read("xtask/Cargo.toml");
    for package in ["rpcguard.workspace", "rpcguard-tests.workspace"] {
        assert!(!manifest.contains(package), "{package}");
    }
}

#[test]
fn every_task_is_in_the_contributors_guide() {
    let main = read("xtask/src/main.rs");
    let (_, tasks) = main.split_once("enum Task {").unwrap();
    let (tasks, _) = tasks.split_once("\n}").unwrap();
    let variants = tasks
        .lines()
        .filter_map(|line| line.trim().split(['(', ',']).next())
        .filter(|word| word.starts_with(|first: char| first.is_ascii_uppercase()));
    let guide = read("CONTRIBUTING.md");
    let mut count = 0;
    for variant in variants {
        let mut name = String::new();
        for letter in variant.chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        assert!(
            guide.contains(&format!("| `cargo xtask {name}` |")),
            "{name}"
        );
        count += 1;
    }
    assert!(count >= 8, "only {count} tasks found");
}

#[test]
fn ci_runs_the_tests_and_nothing_else() {
    let script = read(".ci/run");
    let commands: Vec<_> = script
        .lines()
        .filter(|line| {
            !["#", "set ", "cd "]
                .iter()
                .any(|start| line.starts_with(start))
        })
        .collect();
    assert_eq!(commands, ["exec cargo xtask test"]);
    let mode = fs::metadata(workspace().join(".ci/run"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o111, 0o111);
}

#[test]
fn the_pinned_toolchain_is_the_version_that_packages_ask_for() {
    let quoted_after = |text: &str, key: &str| {
        let (_, rest) = text.split_once(&format!("{key} = \"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let pinned = quoted_after(&read("rust-toolchain.toml"), "channel");
    let asked = quoted_after(&read("Cargo.toml"), "rust-version");
    assert_eq!(pinned, format!("{asked}.0"));
}

#[test]
fn a_build_without_set_up_says_how_to_set_up() {
    let empty = tempfile::tempdir().unwrap();
    let error = build::build_in(empty.path(), empty.path(), Flavour::Embedded).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot build the BPF object: bpf-linker is missing; run `cargo xtask setup`"
    );
}
