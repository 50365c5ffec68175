//! Programs of rpcguard's that xdp-tools attach, alone or beside others.

use std::{fs, path::PathBuf};

use rpcguard_ebpf::build::{Flavour, build};
use rpcguard_tests::lab::{in_vm, missing_tools, skip};

use crate::town::{ALLOW, Town, foresees};

/// Where `cargo xtask vm` puts the object.
const IN_VM: &str = "/tests/rpcguard.bpf.o";

/// The object for other loaders, with room for this machine's processors.
fn object() -> PathBuf {
    if in_vm() {
        return IN_VM.into();
    }
    let cpus = aya::util::nr_cpus().unwrap();
    let cpus = u32::try_from(cpus).unwrap();
    build(Flavour::Portable { cpus }).unwrap().join("rpcguard")
}

impl Town {
    /// With virtual Ethernet, and the object loaded there.
    fn loaded_or_skip(test: &str) -> Option<Self> {
        if !missing_tools(&["xdp-loader", "xdp-filter"]).is_empty() {
            skip(test, "xdp-tools are not installed");
            return None;
        }
        let town = Self::or_skip(test)?.with_veth();
        town.wait_until_answered();
        town.load();
        Some(town)
    }

    fn load(&self) {
        let object = object();
        let object = object.to_str().unwrap();
        let arguments = ["load", "-m", "native", "-n", "rpcguard", "eth0", object];
        self.host.run("xdp-loader", &arguments).unwrap();
    }

    /// Takes everything off again, and the directory away that libxdp leaves.
    fn unload(&self) {
        self.host
            .run("xdp-loader", &["unload", "--all", "eth0"])
            .unwrap();
        self.host
            .enter(|| fs::remove_dir("/sys/fs/bpf/xdp"))
            .expect("an empty directory");
    }

    /// Whether it runs under the dispatcher: some kernels refuse that, and then it is alone.
    fn has_dispatcher(&self) -> bool {
        let links = self.host.ip("-d link show eth0").unwrap();
        links.contains("xdp_dispatcher")
    }
}

#[test]
fn a_program_that_xdp_loader_attached_is_adopted_and_guards() {
    let test = "a_program_that_xdp_loader_attached_is_adopted_and_guards";
    let Some(town) = Town::loaded_or_skip(test) else {
        return;
    };
    assert_eq!(town.answered(), (true, true), "it passes everything");
    let doctor = town.rpcguard("doctor eth0").exited_with(1).stdout;
    assert!(
        doctor.ends_with("next: rpcguard adopt eth0 --allow CIDR\n"),
        "{doctor}"
    );
    let refused = town.rpcguard("attach eth0").exited_with(1);
    assert!(refused.stderr.contains("somebody else"), "{refused}");

    let adopted = town.rpcguard(&format!("adopt eth0 {ALLOW}")).succeeded();
    assert!(
        adopted.stdout.starts_with("eth0: guarded in native mode"),
        "{adopted}"
    );
    foresees(&town.host, "eth0", "guarded");
    town.wait_until_answered();
    let before = town.counters("eth0");
    assert_eq!(town.answered(), (true, false));
    let after = town.counters("eth0");
    for (before, after) in before.iter().zip(after) {
        assert_eq!(after.0 - before.0, 2, "a packet of each family");
    }
    let _ = town
        .rpcguard("allow add 203.0.113.3 2001:db8::3")
        .succeeded();
    assert_eq!(town.answered(), (true, true));
    let list = town.rpcguard("allow list --json").succeeded().json();
    let prefixes = list["interfaces"][0]["prefixes"].as_array().unwrap();
    assert_eq!(prefixes.len(), 4);
    assert!(
        prefixes.iter().all(|listed| listed["packets"] != 0),
        "{list}"
    );
    let _ = town
        .rpcguard("allow remove 203.0.113.3 2001:db8::3")
        .succeeded();
    assert_eq!(town.answered(), (true, false));
    let _ = town.rpcguard("set eth0 --observe on").succeeded();
    assert_eq!(town.answered(), (true, true));
    let _ = town.rpcguard("set eth0 --observe off").succeeded();
    for arguments in ["set eth0 --rate 5/s", "attach eth0 --replace"] {
        let refused = town.rpcguard(arguments).exited_with(1);
        assert!(refused.stderr.contains("loaded by somebody"), "{refused}");
    }
    let refused = town.rpcguard("adopt eth0").exited_with(1);
    assert!(refused.stderr.contains("already guarded"), "{refused}");
    assert_eq!(town.answered(), (true, false));

    let detached = town.rpcguard("detach eth0").succeeded();
    assert!(detached.stdout.contains("xdp-loader unload eth0"));
    assert_eq!(town.answered(), (true, true));
    // Nothing of the first time is left.
    let _ = town.rpcguard("adopt eth0 --allow 203.0.113.2").succeeded();
    let _ = town.rpcguard("allow add 2001:db8::2").succeeded();
    assert_eq!(town.answered(), (true, false));
    town.unload();
    let status = town.rpcguard("status").succeeded().stdout;
    assert!(status.contains("eth0: not guarded"), "{status}");
    assert_eq!(town.answered(), (true, true));
    let _ = town.rpcguard("detach eth0").succeeded();
    let refused = town.rpcguard("adopt eth0").exited_with(1);
    assert!(
        refused.stderr.contains("no program of rpcguard's"),
        "{refused}"
    );
}

/// More prefixes than guards keep in tries alone.
#[test]
fn a_long_list_of_an_adopted_guard_is_in_force() {
    let test = "a_long_list_of_an_adopted_guard_is_in_force";
    let Some(town) = Town::loaded_or_skip(test) else {
        return;
    };
    let others: String = (0..1000)
        .map(|number| format!("10.0.{}.{}\n", number / 250, number % 250))
        .collect();
    let list = tempfile::NamedTempFile::new().unwrap();
    let friends = "203.0.113.2\n2001:db8::2\n";
    fs::write(&list, others + friends).unwrap();
    let file = list.path().display();
    let _ = town
        .rpcguard(&format!("adopt eth0 --allow-file {file}"))
        .succeeded();
    town.wait_until_answered();
    assert_eq!(town.answered(), (true, false));
    fs::write(&list, "203.0.113.0/24\n2001:db8::/64\n").unwrap();
    let _ = town.rpcguard(&format!("allow replace {file}")).succeeded();
    assert_eq!(town.answered(), (true, true));
    let _ = town.rpcguard("detach eth0").succeeded();
    town.unload();
}

#[test]
fn an_adopted_guard_stays_when_xdp_filter_comes_and_goes() {
    let test = "an_adopted_guard_stays_when_xdp_filter_comes_and_goes";
    let Some(town) = Town::loaded_or_skip(test) else {
        return;
    };
    if !town.has_dispatcher() {
        town.unload();
        return skip(
            test,
            "this kernel does not run several programs under xdp-tools' dispatcher",
        );
    }
    let _ = town.rpcguard(&format!("adopt eth0 {ALLOW}")).succeeded();
    town.wait_until_answered();
    assert_eq!(town.answered(), (true, false));
    let filter = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        town.host.run("xdp-filter", &arguments).unwrap();
    };
    filter("load -m native -p allow eth0");
    let programs = town.host.run("xdp-loader", &["status", "eth0"]).unwrap();
    assert!(programs.contains("rpcguard"), "{programs}");
    assert!(programs.contains("xdpfilt"), "{programs}");
    let mode = || {
        let status = town.rpcguard("status --json").succeeded().json();
        status["interfaces"][0]["mode"].clone()
    };
    assert_eq!(mode(), "native");
    assert_eq!(town.answered(), (true, false));
    let _ = town
        .rpcguard("allow add 203.0.113.3 2001:db8::3")
        .succeeded();
    assert_eq!(town.answered(), (true, true));
    // Each does its own work.
    filter("ip -m src 203.0.113.3");
    filter("ip -m src 2001:db8::3");
    assert_eq!(town.answered(), (true, false));
    filter("unload eth0");
    assert_eq!(town.answered(), (true, true));
    assert_eq!(mode(), "native");
    let _ = town.rpcguard("detach eth0").succeeded();
    town.unload();
}
