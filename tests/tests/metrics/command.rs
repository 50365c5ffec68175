//! `rpcguard metrics --output`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use rpcguard_tests::site::Site;

#[test]
fn a_file_has_what_is_printed_and_can_be_read_by_others() {
    let Some(site) = Site::or_skip("a_file_has_what_is_printed") else {
        return;
    };
    site.rpcguard("attach eth0");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rpcguard.prom");
    let write = format!("metrics --output {}", path.display());
    for _ in 0..2 {
        assert_eq!(site.rpcguard(&write), "");
        let written = fs::read_to_string(&path).unwrap();
        assert_eq!(written, site.rpcguard("metrics"));
        assert!(written.contains("rpcguard_guards 1\n"));
    }
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    site.rpcguard("detach eth0");
}

#[test]
fn a_file_that_cannot_be_written_is_named_and_the_old_one_stays() {
    let Some(site) = Site::or_skip("a_file_that_cannot_be_written_is_named") else {
        return;
    };
    let refused = site
        .host
        .rpcguard(["metrics", "--output", "/no/such/directory/rpcguard.prom"])
        .exited_with(1);
    let said = "error: cannot write metrics to /no/such/directory/rpcguard.prom: ";
    assert!(refused.stderr.starts_with(said), "{refused}");

    // The collection fails: there is no bpffs.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rpcguard.prom");
    fs::write(&path, "old\n").unwrap();
    let mut command = site.host.command(rpcguard_tests::lab::rpcguard_binary());
    command.args(["metrics", "--output"]).arg(&path);
    command.env("RPCGUARD_BPFFS", directory.path());
    let refused = rpcguard_tests::lab::Finished::wait_for(&mut command).exited_with(1);
    assert!(
        refused.stderr.contains("there is no BPF file system"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}
