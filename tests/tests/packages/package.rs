//! The Debian package of these sources.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rpcguard_ebpf::build::workspace;
use rpcguard_tests::lab::{Finished, skip};

/// The one that `cargo xtask test` has made; if there is none, `test` is skipped.
pub(crate) fn deb_or_skip(test: &str) -> Option<PathBuf> {
    let name = concat!("rpcguard_", env!("CARGO_PKG_VERSION"), "-1_amd64.deb");
    let path = workspace().join("target/dist").join(name);
    if path.is_file() {
        return Some(path);
    }
    let make = "cargo xtask dist --target x86_64-unknown-linux-musl --format deb";
    skip(test, &format!("there is no package: `{make}` makes it"));
    None
}

/// Runs `dpkg-deb`, which has to succeed.
#[track_caller]
pub(crate) fn dpkg_deb(arguments: &[&str], paths: &[&Path]) -> String {
    let mut command = Command::new("dpkg-deb");
    Finished::wait_for(command.args(arguments).args(paths))
        .succeeded()
        .stdout
}

/// The same package with another version, in a directory.
pub(crate) fn with_version(deb: &Path, version: &str, directory: &Path) -> PathBuf {
    let tree = directory.join(version);
    dpkg_deb(&["--raw-extract"], &[deb, &tree]);
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control).unwrap();
    let old = text
        .lines()
        .find(|line| line.starts_with("Version: "))
        .unwrap();
    fs::write(&control, text.replace(old, &format!("Version: {version}"))).unwrap();
    let path = directory.join(format!("rpcguard_{version}_amd64.deb"));
    dpkg_deb(&["--build", "-Znone"], &[&tree, &path]);
    path
}
