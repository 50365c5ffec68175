//! systemd: the package is installed at one boot, and at the next one the portmapper is guarded before it answers
//! anybody. In the virtual machine of the tests of `disable`, by `cargo xtask vm`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rpcguard_tests::{
    lab::{Finished, Tun, is_boot_or_skip},
    packet::{Frame, peers::STRANGER_V4},
};

/// All is emulated.
const PATIENCE: Duration = Duration::from_secs(120);

/// The interface: a tunnel, at whose other end [`asks_until_it_is_stopped`] is.
const INTERFACE: &str = "tun0";

/// Of the machine.
const ADDRESS: [u8; 4] = [192, 0, 2, 1];

/// Set for whoever asks: where it writes down how often it has asked, and how often it was answered.
const TALLY: &str = "RPCGUARD_ASKED";

/// Asks from early on. Its own interface appears when it does.
const STRANGER: &str = "\
[Unit]
DefaultDependencies=no
After=systemd-udevd.service
Before=rpcbind.socket rpcbind.service

[Service]
Environment=RPCGUARD_ASKED=/run/asked
ExecStart=/run/rpcguard/packages --exact boot::asks_until_it_is_stopped

[Install]
WantedBy=multi-user.target
";

/// So that whatever does not wait for the filter has plenty of time to be first.
const LATE: &str = "[Service]\nExecStartPre=/bin/sleep 10\n";

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

/// How often was asked, and how often answered, so far.
fn tally() -> (u64, u64) {
    let text = fs::read_to_string("/run/asked").unwrap();
    let (asked, answered) = text.trim().split_once(' ').unwrap();
    (asked.parse().unwrap(), answered.parse().unwrap())
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
    write("/etc/systemd/system/stranger.service", STRANGER);
    write(
        "/etc/systemd/system/rpcguard@tun0.service.d/late.conf",
        LATE,
    );
    let _ = run("systemctl enable stranger.service rpcguard@tun0.service").succeeded();
}

#[test]
fn boot_3_the_portmapper_was_guarded_before_it_answered_anybody() {
    if !is_boot_or_skip(
        "3",
        "boot::boot_3_the_portmapper_was_guarded_before_it_answered",
    ) {
        return;
    }
    wait_for("the unit has started or failed", || {
        let state = run("systemctl is-active rpcguard@tun0").stdout;
        matches!(state.trim(), "active" | "failed")
    });
    let journal = run("journalctl --boot --no-pager --unit rpcguard@tun0.service");
    let is_active = run("systemctl is-active rpcguard@tun0").is_success();
    assert!(is_active, "{journal}");
    let status = run("/usr/bin/rpcguard status tun0 --json")
        .succeeded()
        .json();
    let guard = &status["interfaces"][0];
    assert_eq!(guard["prefixes"]["allow"]["v4"], 1, "{journal}");
    assert_eq!(guard["prefixes"]["deny"]["v4"], 1, "{journal}");
    wait_for("rpcbind answers", || {
        run("rpcinfo -T tcp 127.0.0.1 portmapper").is_success()
    });
    let (asked, _) = tally();
    wait_for("it was asked again", || tally().0 > asked + 100);
    let (asked, answered) = tally();
    assert_eq!(answered, 0, "of {asked}");
    let status = run("/usr/bin/rpcguard status tun0 --json").succeeded();
    let dropped = &status.json()["interfaces"][0]["counters"]["unlisted"]["packets"];
    let dropped = dropped.as_u64().unwrap();
    assert!(
        dropped > 0 && dropped < asked,
        "asked {asked} times, and dropped {dropped}"
    );
    // Stopping it takes nothing off, and starting it again renews the program.
    let _ = run("systemctl restart rpcguard@tun0.service").succeeded();
    let again = run("/usr/bin/rpcguard status tun0 --json")
        .succeeded()
        .json();
    let again = &again["interfaces"][0];
    assert_eq!(again["link_id"], guard["link_id"]);
    assert_ne!(again["program_id"], guard["program_id"]);
    assert_eq!(tally().1, 0);

    // It would have been answered.
    let _ = run("/usr/bin/rpcguard detach tun0").succeeded();
    wait_for("it is answered", || tally().1 > 0);
    let purged = run("dpkg --purge rpcguard").succeeded();
    assert!(!purged.stderr.contains("not guarded any more"), "{purged}");
    let left = run("find /etc/systemd/system /etc/rpcguard -name *rpcguard*.service");
    assert_eq!(left.stdout, "");
}

/// Not a test, but somebody in no list, whom systemd starts early and stops late.
#[test]
fn asks_until_it_is_stopped() {
    let Some(file) = env::var_os(TALLY).map(PathBuf::from) else {
        return;
    };
    let tunnel = Tun::here(INTERFACE).unwrap();
    let busybox = "/run/rpcguard/busybox";
    let _ = run(&format!(
        "{busybox} ip address add 192.0.2.1/24 dev {INTERFACE}"
    ))
    .succeeded();
    let _ = run(&format!("{busybox} ip link set {INTERFACE} up")).succeeded();
    let _ = run(&format!(
        "{busybox} ip route add 198.51.100.0/24 dev {INTERFACE}"
    ))
    .succeeded();
    let call = Frame::layer3()
        .ipv4(STRANGER_V4)
        .to_v4(ADDRESS.into())
        .udp(111)
        .dump()
        .build();
    let (mut asked, mut answered) = (0_u64, 0_u64);
    let mut buffer = [0; 2048];
    loop {
        tunnel.send(&call).unwrap();
        asked += 1;
        while let Some(packet) = tunnel.next(&mut buffer, Duration::from_millis(10)).unwrap() {
            // UDP from port 111: not the news that nobody listens there.
            answered +=
                u64::from(packet[0] == 0x45 && packet[9] == 17 && packet[20..22] == [0, 111]);
        }
        let new = file.with_extension("new");
        fs::write(&new, format!("{asked} {answered}\n")).unwrap();
        fs::rename(&new, &file).unwrap();
    }
}
