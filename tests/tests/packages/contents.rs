//! What is in the package.

use std::fs;

use crate::package::{deb_or_skip, dpkg_deb};

#[test]
fn the_package_has_all_that_people_look_for_and_is_root_s() {
    let Some(deb) = deb_or_skip("the_package_has_all_that_people_look_for") else {
        return;
    };
    let listed = dpkg_deb(&["--contents"], &[&deb]);
    for line in listed.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        assert!(["root/root", "0/0"].contains(&words[1]), "{line}");
        let mode = words[0];
        let executable = line.ends_with("/rpcguard/renew") || line.ends_with("/usr/bin/rpcguard");
        let expected = match mode.chars().next() {
            Some('d') => "drwxr-xr-x",
            _ if executable => "-rwxr-xr-x",
            _ => "-rw-r--r--",
        };
        assert_eq!(mode, expected, "{line}");
    }
    for path in [
        "/usr/bin/rpcguard",
        "/usr/lib/systemd/system/rpcguard.service",
        "/usr/lib/systemd/system/rpcguard@.service",
        "/etc/rpcguard/rpcguard.toml",
        "/usr/share/man/man8/rpcguard.8.gz",
        "/usr/share/man/man8/rpcguard-attach.8.gz",
        "/usr/share/bash-completion/completions/rpcguard",
        "/usr/share/zsh/vendor-completions/_rpcguard",
        "/usr/share/fish/vendor_completions.d/rpcguard.fish",
        "/usr/share/doc/rpcguard/changelog.gz",
        "/usr/share/doc/rpcguard/copyright",
        "/usr/share/doc/rpcguard/LICENSE-APACHE",
        "/usr/share/doc/rpcguard/LICENSE-MIT",
        "/usr/share/doc/rpcguard/LICENSES-THIRD-PARTY.gz",
        "/usr/share/doc/rpcguard/examples/rpcguard.toml",
        "/usr/share/doc/rpcguard/examples/interface.conf",
        "/usr/share/doc/rpcguard/prometheus/rpcguard.rules.yml",
        "/usr/share/doc/rpcguard/grafana/rpcguard.json",
    ] {
        let there = listed
            .lines()
            .any(|line| line.ends_with(&format!(" .{path}")));
        assert!(there, "no {path} in\n{listed}");
    }
    let control = dpkg_deb(&["--field"], &[&deb]);
    let version = concat!("Version: ", env!("CARGO_PKG_VERSION"), "-1\n");
    for field in ["Package: rpcguard\n", version, "Architecture: amd64\n"] {
        assert!(control.contains(field), "{control}");
    }
}

/// From elf(5).
const PT_INTERP: u32 = 3;

#[test]
fn the_command_needs_no_library_and_tells_nothing_of_where_it_was_built() {
    let Some(deb) = deb_or_skip("the_command_needs_no_library") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    dpkg_deb(&["--extract"], &[&deb, directory.path()]);
    let elf = fs::read(directory.path().join("usr/bin/rpcguard")).unwrap();
    let word = |at: usize, length: usize| -> u64 {
        let bytes = elf[at..at + length].iter().rev();
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    assert_eq!(&elf[..5], b"\x7fELF\x02", "64 bits");
    // Program headers: where, how large, how many.
    let (offset, size, count) = (word(32, 8), word(54, 2), word(56, 2));
    assert!(count > 2, "{count} program headers");
    let kinds: Vec<_> = (0..count)
        .map(|number| word((offset + number * size) as usize, 4))
        .collect();
    assert!(
        !kinds.contains(&u64::from(PT_INTERP)),
        "it asks for a dynamic linker"
    );

    let home = std::env::var("HOME").unwrap();
    let workspace = rpcguard_ebpf::build::workspace().display().to_string();
    for place in [
        format!("{home}/.cargo"),
        format!("{home}/.rustup"),
        workspace,
    ] {
        let found = elf
            .windows(place.len())
            .any(|bytes| bytes == place.as_bytes());
        assert!(!found, "it names {place}");
    }
}
