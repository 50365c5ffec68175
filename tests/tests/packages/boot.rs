//! systemd: the package is installed at one boot, and at the next one the portmapper is guarded before it answers
//! anybody, by either of the units. In the virtual machine of the tests of `disable`, by `cargo xtask vm`.

use std::{
    env, fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rpcguard_tests::{
    lab::{Finished, Tun, is_boot_or_skip},
    packet::Frame,
};

/// All is emulated.
const PATIENCE: Duration = Duration::from_secs(120);

/// The unit of an interface guards this one: a tunnel, at whose other end [`asks_until_it_is_stopped`] is.
const BY_UNIT: Wire = Wire {
    interface: "tun0",
    host: Ipv4Addr::new(192, 0, 2, 1),
    stranger: Ipv4Addr::new(198, 51, 100, 7),
};

/// And the daemon this one.
const BY_DAEMON: Wire = Wire {
    interface: "tun1",
    host: Ipv4Addr::new(192, 0, 2, 129),
    stranger: Ipv4Addr::new(198, 51, 100, 135),
};

const WIRES: [&Wire; 2] = [&BY_UNIT, &BY_DAEMON];

/// What guards the wires, in their order.
const UNITS: [&str; 2] = ["rpcguard@tun0.service", "rpcguard.service"];

/// Set for whoever asks: the directory where it writes down how often it has asked, and how often it was answered.
const TALLIES: &str = "RPCGUARD_ASKED";

/// Asks from early on. Its own interfaces appear when it does, and are there before the daemon is.
const STRANGER: &str = "\
[Unit]
DefaultDependencies=no
After=systemd-udevd.service
Before=rpcguard.service rpcbind.socket rpcbind.service

[Service]
Environment=RPCGUARD_ASKED=/run/asked
RuntimeDirectory=asked
ExecStart=/run/rpcguard/packages --exact boot::asks_until_it_is_stopped
ExecStartPost=/bin/sh -c 'until [ -e /run/asked/tun1 ]; do sleep 0.1; done'

[Install]
WantedBy=multi-user.target
";

/// So that whatever does not wait for the filter has plenty of time to be first.
const LATE: &str = "[Service]\nExecStartPre=/bin/sleep 10\n";

/// What the daemon keeps.
const CONFIGURATION: &str = "\
[[guard]]
interfaces = [\"tun1\"]
allow = [\"203.0.113.0/24\"]
deny = [\"203.0.113.9\"]
";

/// A tunnel, and who is at its two ends.
struct Wire {
    interface: &'static str,
    host: Ipv4Addr,
    stranger: Ipv4Addr,
}

#[track_caller]
fn run(line: &str) -> Finished {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    Finished::wait_for(command.args(words))
}

#[track_caller]
fn wait_for(what: &str, condition: impl Fn() -> bool) {
    rpcguard_tests::lab::wait_for(what, PATIENCE, condition);
}

impl Wire {
    /// How often was asked, and how often answered, so far.
    fn tally(&self) -> (u64, u64) {
        let text = fs::read_to_string(Path::new("/run/asked").join(self.interface)).unwrap();
        let (asked, answered) = text.trim().split_once(' ').unwrap();
        (asked.parse().unwrap(), answered.parse().unwrap())
    }

    #[track_caller]
    fn guard(&self) -> serde_json::Value {
        let status = run(&format!(
            "/usr/bin/rpcguard status {} --json",
            self.interface
        ));
        status.succeeded().json()["interfaces"][0].take()
    }

    /// The tunnel, with its address and the way to the stranger.
    fn make(&self) -> Tun {
        let Self { interface, .. } = self;
        let tunnel = Tun::here(interface).unwrap();
        for line in [
            format!("address add {}/25 dev {interface}", self.host),
            format!("link set {interface} up"),
            format!("route add {} dev {interface}", self.stranger),
        ] {
            let _ = run(&format!("/run/rpcguard/busybox ip {line}")).succeeded();
        }
        tunnel
    }
}

#[test]
fn boot_2_the_package_is_installed_and_its_unit_enabled() {
    if !is_boot_or_skip("2", "boot::boot_2_the_package_is_installed") {
        return;
    }
    let _ = run("dpkg --install /run/rpcguard/rpcguard.deb").succeeded();
    let write = |path: &str, text: &str| {
        fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "/etc/rpcguard/tun0.conf",
        "OPTIONS=--allow 203.0.113.0/24 --deny 203.0.113.9\n",
    );
    write("/etc/rpcguard/rpcguard.toml", CONFIGURATION);
    write("/etc/systemd/system/stranger.service", STRANGER);
    for unit in UNITS {
        write(&format!("/etc/systemd/system/{unit}.d/late.conf"), LATE);
    }
    let _ = run(&format!(
        "systemctl enable stranger.service {}",
        UNITS.join(" ")
    ))
    .succeeded();
}

#[test]
fn boot_3_the_portmapper_was_guarded_before_it_answered_anybody() {
    if !is_boot_or_skip(
        "3",
        "boot::boot_3_the_portmapper_was_guarded_before_it_answered",
    ) {
        return;
    }
    for unit in UNITS {
        wait_for("the unit has started or failed", || {
            let state = run(&format!("systemctl is-active {unit}")).stdout;
            matches!(state.trim(), "active" | "failed")
        });
        let journal = run(&format!("journalctl --boot --no-pager --unit {unit}"));
        let is_active = run(&format!("systemctl is-active {unit}")).is_success();
        assert!(is_active, "{journal}");
    }
    wait_for("rpcbind answers", || {
        run("rpcinfo -T tcp 127.0.0.1 portmapper").is_success()
    });
    let guards = WIRES.map(|wire| {
        let interface = wire.interface;
        let (asked, _) = wire.tally();
        wait_for("it was asked again", || wire.tally().0 > asked + 100);
        let (asked, answered) = wire.tally();
        assert_eq!(answered, 0, "{interface}, of {asked}");
        let guard = wire.guard();
        for list in ["allow", "deny"] {
            assert_eq!(guard["prefixes"][list]["v4"], 1, "{interface}");
        }
        let dropped = guard["counters"]["unlisted"]["packets"].as_u64().unwrap();
        let (asked, _) = wire.tally();
        assert!(
            dropped > 0 && dropped < asked,
            "{interface}: asked {asked} times, and dropped {dropped}"
        );
        guard
    });
    // Stopping it takes nothing off. Starting it again renews the program, and the daemon takes on what is there.
    let _ = run(&format!("systemctl restart {}", UNITS.join(" "))).succeeded();
    for (wire, (before, is_renewed)) in WIRES.iter().zip(guards.iter().zip([true, false])) {
        let again = wire.guard();
        assert_eq!(again["link_id"], before["link_id"]);
        assert_eq!(again["program_id"] != before["program_id"], is_renewed);
        assert_eq!(wire.tally().1, 0);
    }

    // They would have been answered.
    let _ = run("systemctl stop rpcguard.service").succeeded();
    let _ = run("/usr/bin/rpcguard detach --all").succeeded();
    for wire in WIRES {
        wait_for("it is answered", || wire.tally().1 > 0);
    }
    let purged = run("dpkg --purge rpcguard").succeeded();
    assert!(!purged.stderr.contains("not guarded any more"), "{purged}");
    let left = run("find /etc/systemd/system /etc/rpcguard -name *rpcguard*.service");
    assert_eq!(left.stdout, "");
}

/// Not a test, but somebody in no list, whom systemd starts early and stops late.
#[test]
fn asks_until_it_is_stopped() {
    let Some(tallies) = env::var_os(TALLIES).map(PathBuf::from) else {
        return;
    };
    let mut askers = WIRES.map(|wire| Asker {
        tunnel: wire.make(),
        call: Frame::layer3()
            .ipv4(wire.stranger)
            .to_v4(wire.host)
            .dump()
            .build(),
        file: tallies.join(wire.interface),
        asked: 0,
        answered: 0,
    });
    loop {
        for asker in &mut askers {
            asker.ask();
        }
    }
}

/// The stranger of one wire.
struct Asker {
    tunnel: Tun,
    call: Vec<u8>,
    file: PathBuf,
    asked: u64,
    answered: u64,
}

impl Asker {
    fn ask(&mut self) {
        let mut buffer = [0; 2048];
        self.tunnel.send(&self.call).unwrap();
        self.asked += 1;
        let moment = Duration::from_millis(10);
        while let Some(packet) = self.tunnel.next(&mut buffer, moment).unwrap() {
            // UDP from port 111: not the news that nobody listens there.
            let is_answer = packet[0] == 0x45 && packet[9] == 17 && packet[20..22] == [0, 111];
            self.answered += u64::from(is_answer);
        }
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{} {}\n", self.asked, self.answered)).unwrap();
        fs::rename(&new, &self.file).unwrap();
    }
}
