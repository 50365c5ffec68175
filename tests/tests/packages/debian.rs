//! The package on a Debian: installed, renewed, removed and purged, with the filter attached and a flood under way.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use rpcguard_tests::{
    lab::{Bounds, Finished, Flood, Host, Lab, PacketSocket, Sources},
    packet::{Frame, peers::STRANGER_V4},
};

use crate::{
    container::Container,
    package::{deb_or_skip, with_version},
};

/// A system with init scripts: what is tested does not depend on what starts services.
const TREE: &str = "sysv";

/// Of the system's end of the wire.
const ADDRESS: [u8; 4] = [192, 0, 2, 1];

/// What is sent from addresses in no list, a second.
const RATE: u64 = 100_000;

/// A Debian with an interface `eth0`, and who is at the other end of it.
struct Machine {
    debian: Container,
    neighbour: Host,
    files: tempfile::TempDir,
    deb: PathBuf,
}

impl Machine {
    fn or_skip(test: &str) -> Option<Self> {
        let deb = deb_or_skip(test)?;
        let debian = Container::boot_or_skip(TREE, test)?;
        let neighbour = Lab::or_skip(test)?.host().unwrap();
        let network = format!("/proc/{}/ns/net", debian.first_process());
        neighbour
            .ip(&format!(
                "link add eth0 type veth peer name eth0 netns {network}"
            ))
            .unwrap();
        neighbour.ip("link set eth0 up").unwrap();
        for arguments in ["address add 192.0.2.1/24 dev eth0", "link set eth0 up"] {
            let mut ip = Command::new("nsenter");
            ip.arg(format!("--net={network}")).arg("ip");
            let _ = Finished::wait_for(ip.args(arguments.split(' '))).succeeded();
        }
        debian.shell(
            "rm /usr/local/bin/rpcguard
             mount -t sysfs sysfs /sys
             mount -t bpf bpf /sys/fs/bpf",
        );
        Some(Self {
            debian,
            neighbour,
            files: tempfile::tempdir().unwrap(),
            deb,
        })
    }

    /// `dpkg` of a package, or of what is installed.
    #[track_caller]
    fn install(&self, deb: &Path) -> Finished {
        let mut copy = self.debian.command(&["sh", "-c", "cat >/tmp/rpcguard.deb"]);
        let _ = Finished::wait_for(copy.stdin(File::open(deb).unwrap())).succeeded();
        self.debian
            .run(&["dpkg", "--install", "/tmp/rpcguard.deb"])
            .succeeded()
    }

    /// Datagrams that have come through to UDP, whether or not somebody was there to read them.
    fn arrived(&self) -> u64 {
        let counters = self.debian.shell("grep ^Udp: /proc/net/snmp");
        let mut lines = counters.lines().map(|line| line.split(' ').skip(1));
        let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
        names
            .zip(values)
            .filter(|(name, _)| ["InDatagrams", "NoPorts", "InErrors"].contains(name))
            .map(|(_, value)| value.parse::<u64>().unwrap())
            .sum()
    }

    /// What somebody in no list would send.
    fn frame(&self) -> Vec<u8> {
        let mac = self.debian.shell("cat /sys/class/net/eth0/address");
        let mut bytes = mac
            .trim()
            .split(':')
            .map(|byte| u8::from_str_radix(byte, 16).unwrap());
        let mac = std::array::from_fn(|_| bytes.next().unwrap());
        Frame::ethernet()
            .to_mac(mac)
            .ipv4(STRANGER_V4)
            .to_v4(ADDRESS.into())
            .dump()
            .build()
    }

    /// Sends one datagram; returns how many came through.
    fn come_through(&self) -> u64 {
        let before = self.arrived();
        let wire = PacketSocket::open(&self.neighbour, "eth0").unwrap();
        wire.send(&self.frame()).unwrap();
        let start = Instant::now();
        while self.arrived() == before && start.elapsed() < Duration::from_secs(1) {
            thread::sleep(Duration::from_millis(10));
        }
        self.arrived() - before
    }

    /// Runs `body` under a flood, and returns how many packets of it the guard has dropped meanwhile and how
    /// many came through.
    fn flooded(&self, body: impl FnOnce()) -> (u64, u64) {
        let sources = Sources::any_of("198.51.100.0/24".parse().unwrap());
        let flood = Flood::new(&self.neighbour, "eth0", self.frame(), sources).unwrap();
        let bounds = Bounds {
            packets: u64::MAX,
            time: Duration::from_secs(60),
            rate: Some(RATE),
        };
        let (dropped, arrived) = (self.dropped(), self.arrived());
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let sending = scope.spawn(|| flood.run(bounds, &stop));
            while self.dropped() == dropped {
                thread::sleep(Duration::from_millis(10));
            }
            body();
            stop.store(true, Ordering::Relaxed);
            sending.join().unwrap().unwrap();
        });
        (self.dropped() - dropped, self.arrived() - arrived)
    }

    /// What the guard of eth0 has dropped since it was attached.
    fn dropped(&self) -> u64 {
        let status = self
            .debian
            .run(&["rpcguard", "status", "--json"])
            .succeeded();
        let counters = &status.json()["interfaces"][0]["counters"];
        counters["unlisted"]["packets"].as_u64().unwrap()
    }

    fn guard(&self) -> serde_json::Value {
        let status = self
            .debian
            .run(&["rpcguard", "status", "--json"])
            .succeeded();
        status.json()["interfaces"][0].clone()
    }
}

#[test]
fn an_upgrade_under_a_flood_lets_nothing_through_and_renews_the_program() {
    let test = "debian::an_upgrade_under_a_flood_lets_nothing_through";
    let Some(machine) = Machine::or_skip(test) else {
        return;
    };
    if !Flood::is_possible_or_skip(test) {
        return;
    }
    machine.install(&machine.deb);
    assert_eq!(machine.come_through(), 1, "without a filter");
    let attach = ["rpcguard", "attach", "eth0", "--allow", "203.0.113.0/24"];
    let _ = machine.debian.run(&attach).succeeded();
    assert_eq!(machine.come_through(), 0);
    let before = machine.guard();
    let newer = with_version(&machine.deb, "9.0-1", machine.files.path());
    let mut said = String::new();
    let (dropped, leaked) = machine.flooded(|| {
        let upgraded = machine.install(&newer);
        said = upgraded.stdout + &upgraded.stderr;
    });
    assert_eq!(leaked, 0, "of {dropped}");
    assert!(dropped > RATE / 10, "only {dropped} packets were dropped");
    let after = machine.guard();
    assert_ne!(after["program_id"], before["program_id"], "{said}");
    assert_eq!(after["link_id"], before["link_id"]);
    assert_eq!(after["attached_at"], before["attached_at"]);
    assert_eq!(after["prefixes"], before["prefixes"]);

    // What cannot be renewed stays in force, and the upgrade is done all the same.
    let newest = with_version(&machine.deb, "9.1-1", machine.files.path());
    machine.debian.shell("chown 1 /sys/fs/bpf/rpcguard");
    machine.install(&newest);
    assert_eq!(machine.come_through(), 0);
}

#[test]
fn a_removal_takes_the_filter_off_and_a_purge_leaves_nothing() {
    let test = "debian::a_removal_takes_the_filter_off_and_a_purge_leaves_nothing";
    let Some(machine) = Machine::or_skip(test) else {
        return;
    };
    let debian = &machine.debian;
    let files = || {
        debian.shell(
            "find / -xdev -path /proc -prune -o -path /sys -prune -o -path /tmp -prune \
             -o -path /var/lib/dpkg -prune -o -path /var/log -prune -o -path /run -prune -o -print | sort",
        )
    };
    let before = files();
    machine.install(&machine.deb);
    debian.shell("echo 10.0.0.0/8 >/etc/rpcguard/clients.txt; echo >>/etc/rpcguard/rpcguard.toml");
    let attach = "rpcguard attach eth0 --allow-file /etc/rpcguard/clients.txt";
    debian.shell(attach);
    assert_eq!(machine.come_through(), 0);

    let removed = debian.run(&["dpkg", "--remove", "rpcguard"]).succeeded();
    assert!(removed.stderr.contains("not guarded any more"), "{removed}");
    assert!(
        removed.stdout.contains("eth0: no longer guarded\n"),
        "{removed}"
    );
    assert_eq!(machine.come_through(), 1);
    let pins = debian.shell("ls /sys/fs/bpf");
    assert!(!pins.contains("rpcguard/"), "{pins}");
    // What the administrator has written is only purged.
    debian.shell("test -f /etc/rpcguard/clients.txt -a -f /etc/rpcguard/rpcguard.toml");
    debian.shell("mkdir -p /var/lib/rpcguard");
    let purged = debian.run(&["dpkg", "--purge", "rpcguard"]).succeeded();
    assert!(!purged.stderr.contains("disable"), "{purged}");
    assert_eq!(files(), before);
}

#[test]
fn a_purge_leaves_how_to_enable_a_disabled_portmapper() {
    let test = "debian::a_purge_leaves_how_to_enable_a_disabled_portmapper";
    let Some(machine) = Machine::or_skip(test) else {
        return;
    };
    let debian = &machine.debian;
    machine.install(&machine.deb);
    debian.shell("rm -f $(ls /etc/rc[S0-6].d/[SK]* | grep -v rpcbind); rpcguard disable --apply");
    let purged = debian.run(&["dpkg", "--purge", "rpcguard"]).succeeded();
    assert!(
        purged.stderr.contains("`rpcguard disable --undo`"),
        "{purged}"
    );
    machine.install(&machine.deb);
    let undone = debian.run(&["rpcguard", "disable", "--undo"]).succeeded();
    assert!(undone.stdout.contains("update-rc.d rpcbind "), "{undone}");
}
