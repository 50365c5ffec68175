//! What each driver and kind of interface comes to.

use super::{
    Diagnosis, Severity, Verdict,
    facts::{Device, Facts, Guarded, Master, Program, Version},
    fixtures::{XDP, XDP_RX_SG, card, combined, facts, of_kind, offload},
};
use crate::sys::netlink::Bond;

/// Linux versions around those that matter.
const BULLSEYE: Version = (5, 10);
const BOOKWORM: Version = (6, 1);
const TRIXIE: Version = (6, 12);

fn diagnose(device: Device, version: Version) -> Diagnosis {
    Diagnosis::of(facts(device, version))
}

#[track_caller]
fn is_native(device: Device, version: Version) {
    let diagnosis = diagnose(device, version);
    assert_eq!(diagnosis.verdict, Verdict::Native, "{diagnosis:?}");
    assert_eq!(
        diagnosis.next,
        "rpcguard attach eth0 --allow CIDR --confirm 60"
    );
}

/// Native mode is refused for a reason with these words, and this command removes it, if one does.
#[track_caller]
fn is_generic(device: Device, version: Version, words: &str, command: Option<&str>) {
    let diagnosis = diagnose(device, version);
    assert_eq!(diagnosis.verdict, Verdict::Generic, "{diagnosis:?}");
    let mut findings = diagnosis.findings.iter();
    let finding = findings
        .find(|finding| finding.severity == Severity::Generic)
        .unwrap();
    assert!(finding.what.contains(words), "{finding:?}");
    assert_eq!(finding.command.as_deref(), command, "{finding:?}");
    assert_eq!(finding.cost.is_some(), command.is_some());
    assert!(diagnosis.summary().contains(words));
    assert_eq!(
        diagnosis.next,
        command.unwrap_or("rpcguard attach eth0 --allow CIDR --confirm 60")
    );
}

#[track_caller]
fn is_refused(facts: Facts, words: &str, command: &str) {
    let diagnosis = Diagnosis::of(facts);
    assert_eq!(diagnosis.verdict, Verdict::Refused, "{diagnosis:?}");
    assert!(diagnosis.summary().contains(words), "{diagnosis:?}");
    assert_eq!(diagnosis.next, command);
}

#[track_caller]
fn notes(diagnosis: &Diagnosis, words: &str) {
    let mut notes = diagnosis.findings.iter();
    assert!(
        notes.any(|finding| finding.severity == Severity::Note && finding.what.contains(words)),
        "no `{words}` in {diagnosis:?}"
    );
}

/// VIRTIO_NET_F_CSUM, GUEST_CSUM, GUEST_TSO4, and whether the driver can switch these.
fn virtio(controllable: bool) -> Option<u64> {
    Some(1 | 1 << 1 | 1 << 7 | u64::from(controllable) << 2)
}

#[test]
fn virtio_net_is_native_unless_only_the_host_can_switch_its_offloads_off() {
    for version in [BULLSEYE, BOOKWORM, TRIXIE] {
        let xdp = (version >= TRIXIE).then_some(XDP | XDP_RX_SG);
        let mut device = card("virtio_net", xdp);
        is_native(device.clone(), version);
        device.virtio = virtio(true);
        device.offloads = vec![offload("rx-gro-hw", true, false)];
        is_native(device.clone(), version);
        device.virtio = virtio(false);
        is_generic(device.clone(), version, "only the host can", None);
        // Where sysfs is that of another network namespace.
        device.virtio = None;
        is_native(device.clone(), version);
        device.offloads = vec![offload("rx-gro-hw", true, true)];
        is_generic(device.clone(), version, "only the host can", None);
        device.offloads = vec![offload("rx-gro-hw", false, true)];
        is_native(device, version);
    }
}

#[test]
fn virtio_net_takes_large_frames_since_6_3() {
    let mut device = card("virtio_net", None);
    device.mtu = 9000;
    let command = "ip link set eth0 mtu 1500";
    is_generic(device.clone(), BOOKWORM, "MTU of about 3506", Some(command));
    device.xdp = Some(XDP);
    is_native(device.clone(), TRIXIE);
    notes(&diagnose(device, TRIXIE), "the MTU is 9000");
}

#[test]
fn virtio_net_with_all_of_its_queues_in_use_may_be_refused_before_5_13() {
    let mut device = card("virtio_net", None);
    device.channels = combined(8, 8);
    let diagnosis = diagnose(device.clone(), BULLSEYE);
    assert_eq!(diagnosis.verdict, Verdict::Native);
    notes(&diagnosis, "a queue of its own for each processor");
    let command = diagnosis.findings[0].command.as_deref();
    assert_eq!(command, Some("ethtool -L eth0 combined 4"));
    assert!(diagnose(device.clone(), BOOKWORM).findings.is_empty());
    device.channels = combined(4, 8);
    assert!(diagnose(device, BULLSEYE).findings.is_empty());
}

#[test]
fn ena_wants_small_frames_and_half_of_its_queues() {
    let mut device = card("ena", None);
    device.channels = combined(4, 8);
    is_native(device.clone(), BOOKWORM);
    device.channels = combined(8, 8);
    let command = "ethtool -L eth0 combined 4";
    is_generic(device.clone(), BOOKWORM, "half of its 8", Some(command));
    device.channels = combined(1, 8);
    device.mtu = 3498;
    is_native(device.clone(), BOOKWORM);
    device.mtu = 9001;
    let command = "ip link set eth0 mtu 1500";
    is_generic(device.clone(), BOOKWORM, "3498", Some(command));
    device.xdp = Some(XDP);
    is_generic(device.clone(), TRIXIE, "3498", Some(command));
    device.xdp = Some(XDP | XDP_RX_SG);
    is_native(device, TRIXIE);
}

#[test]
fn cards_that_merge_packets_have_to_stop() {
    for driver in ["hv_netvsc", "mlx5_core", "gve"] {
        let mut device = card(driver, Some(XDP));
        is_native(device.clone(), TRIXIE);
        device.offloads = vec![offload("rx-lro", true, false)];
        let command = "ethtool -K eth0 lro off";
        is_generic(device.clone(), TRIXIE, "LRO", Some(command));
        device.offloads = vec![offload("rx-lro", true, true)];
        is_generic(device, TRIXIE, "[fixed]", None);
    }
}

#[test]
fn gve_wants_half_of_its_queues() {
    let mut device = card("gve", Some(XDP));
    device.channels = combined(16, 16);
    let command = "ethtool -L eth0 combined 8";
    is_generic(device.clone(), TRIXIE, "half of its 16", Some(command));
    device.channels = combined(8, 16);
    is_native(device, TRIXIE);
}

#[test]
fn drivers_without_xdp_are_named() {
    let since = |driver, words| is_generic(card(driver, None), BOOKWORM, words, None);
    since("vmxnet3", "`vmxnet3` has XDP since Linux 6.6");
    since("gve", "`gve` has XDP since Linux 6.4");
    since("e1000", "`e1000` has no XDP");
    is_generic(card("e1000", Some(0)), TRIXIE, "`e1000` has no XDP", None);
    is_native(card("vmxnet3", Some(XDP)), TRIXIE);
    // Even where the kernel does not tell.
    is_native(card("vmxnet3", None), TRIXIE);
}

#[test]
fn what_nobody_knows_is_to_be_tried() {
    let diagnosis = diagnose(card("atlantic", None), BOOKWORM);
    assert_eq!(diagnosis.verdict, Verdict::Either);
    assert!(diagnosis.next.starts_with("rpcguard attach eth0"));
    notes(
        &diagnosis,
        "nobody knows beforehand whether the driver `atlantic`",
    );
    is_native(card("atlantic", Some(XDP)), TRIXIE);
}

#[test]
fn veth_and_tap_are_native_and_tun_is_not() {
    for version in [BULLSEYE, BOOKWORM, TRIXIE] {
        let xdp = (version >= TRIXIE).then_some(XDP);
        is_native(of_kind("veth", "veth", xdp), version);
        let mut tap = of_kind("tun", "tun", xdp);
        is_native(tap.clone(), version);
        tap.ethernet = false;
        tap.xdp = tap.xdp.map(|_| 0);
        is_generic(tap, version, "is a tun device", None);
    }
    let mut veth = of_kind("veth", "veth", None);
    veth.mtu = 9000;
    is_native(veth.clone(), BOOKWORM);
    let command = "ip link set eth0 mtu 1500";
    is_generic(veth, BULLSEYE, "MTU", Some(command));
}

#[test]
fn interfaces_without_a_driver_are_generic() {
    for (kind, driver) in [
        ("bridge", "bridge"),
        ("wireguard", "wireguard"),
        ("gre", "gre"),
        ("macvlan", "macvlan"),
    ] {
        let words = format!("is a {kind} device");
        is_generic(of_kind(kind, driver, None), BOOKWORM, &words, None);
        is_generic(of_kind(kind, driver, Some(0)), TRIXIE, &words, None);
    }
}

#[test]
fn a_vlan_device_leads_to_the_interface_below() {
    let mut device = of_kind("vlan", "802.1Q VLAN Support", Some(0));
    device.lower = Some("wan0".to_owned());
    let diagnosis = diagnose(device, TRIXIE);
    assert_eq!(diagnosis.verdict, Verdict::Generic);
    notes(&diagnosis, "pass `wan0` first");
    assert_eq!(diagnosis.next, "rpcguard doctor wan0");
}

fn bond(mode: u8, hash: u8, ports: &[Device]) -> Device {
    let mut device = of_kind("bond", "bonding", None);
    device.bond = Some(Bond { mode, hash });
    device.ports = ports.to_vec();
    device
}

#[test]
fn bonds_are_native_from_5_15_on_by_mode_and_ports() {
    let port = of_kind("veth", "veth", None);
    let ports = [port.clone(), port.clone()];
    for (mode, hash) in [(0, 0), (1, 0), (2, 0), (4, 1)] {
        is_native(bond(mode, hash, &ports), BOOKWORM);
        is_generic(bond(mode, hash, &ports), BULLSEYE, "since Linux 5.15", None);
    }
    is_generic(bond(5, 0, &ports), BOOKWORM, "mode balance-tlb", None);
    is_generic(bond(6, 0, &ports), BOOKWORM, "mode balance-alb", None);
    is_generic(bond(3, 0, &ports), BOOKWORM, "mode broadcast", None);
    is_generic(bond(4, 5, &ports), BOOKWORM, "vlan+srcmac", None);
    let slow = [port.clone(), card("e1000", None)];
    is_generic(bond(1, 0, &slow), BOOKWORM, "`e1000` has no XDP", None);
    let mut taken = port.clone();
    taken.programs = vec![program()];
    is_generic(bond(1, 0, &[taken]), BOOKWORM, "XDP program already", None);
    let unknown = [port, card("atlantic", None)];
    assert_eq!(
        diagnose(bond(1, 0, &unknown), BOOKWORM).verdict,
        Verdict::Either
    );
}

fn program() -> Program {
    Program {
        id: 41,
        name: "xdp_dispatcher".to_owned(),
        mode: "native",
    }
}

#[test]
fn somebody_elses_program_is_in_the_way() {
    let mut device = card("ena", Some(XDP));
    device.programs = vec![program()];
    let facts = facts(device, TRIXIE);
    is_refused(
        facts.clone(),
        "id 41, name `xdp_dispatcher`",
        "xdp-loader load -m native -n rpcguard eth0 rpcguard.bpf.o",
    );
    let mut other = facts.clone();
    other.device.programs[0].name = "pass".to_owned();
    is_refused(other, "name `pass`", "ip link set dev eth0 xdp off");
    is_refused(
        Facts {
            adoptable: true,
            ..facts
        },
        "until it is adopted",
        "rpcguard adopt eth0 --allow CIDR",
    );
}

#[test]
fn the_program_of_an_interface_above_is_in_the_way_since_5_15() {
    let mut device = card("ena", None);
    device.above = vec![("bond0".to_owned(), program())];
    is_native(device.clone(), BULLSEYE);
    is_refused(
        facts(device.clone(), BOOKWORM),
        "`bond0`, which is on top",
        "ip link set dev bond0 xdp off",
    );
    device.above[0].1.name = "rpcguard".to_owned();
    is_refused(
        facts(device, BOOKWORM),
        "`bond0`, which is on top",
        "rpcguard detach bond0",
    );
}

#[test]
fn what_the_machine_lacks_is_in_the_way() {
    let usual = || facts(card("ena", Some(XDP)), TRIXIE);
    let mut lacking = usual();
    lacking.machine.missing = Some("CAP_BPF".to_owned());
    is_refused(lacking, "lacks CAP_BPF", "sudo rpcguard doctor eth0");
    let mut lacking = usual();
    lacking.machine.bpffs_error = Some("there is no BPF file system at /x".to_owned());
    lacking.machine.bpffs = "/x".into();
    is_refused(lacking, "no BPF file system", "mount -t bpf bpf /x");
    is_refused(
        facts(card("virtio_net", None), (4, 19)),
        "Linux 4.19",
        "ip -br link",
    );
    let mut strange = usual();
    strange.device.strange = Some("its link layer (776) is not supported".to_owned());
    is_refused(strange, "776", "ip -br link");
}

#[test]
fn a_guard_is_said_to_be_there() {
    let guarded = |confirmed| Facts {
        guard: Some(Guarded::Here {
            mode: Some("native"),
            confirmed,
        }),
        ..facts(of_kind("veth", "veth", Some(XDP)), TRIXIE)
    };
    let diagnosis = Diagnosis::of(guarded(true));
    assert_eq!(diagnosis.verdict, Verdict::Guarded);
    assert!(diagnosis.summary().contains("already, in native mode"));
    assert_eq!(diagnosis.next, "rpcguard status eth0");
    notes(&diagnosis, "only the queues that there were");
    assert_eq!(Diagnosis::of(guarded(false)).next, "rpcguard confirm eth0");
    is_refused(
        Facts {
            guard: Some(Guarded::Incompatible(3)),
            ..guarded(true)
        },
        "ABI version 3",
        "rpcguard detach eth0",
    );
}

#[test]
fn what_is_good_to_know_is_noted() {
    let mut device = card("ena", Some(XDP));
    device.up = false;
    device.master = Some(Master {
        name: "br0".to_owned(),
        kind: "bridge".to_owned(),
    });
    let mut facts = facts(device, BULLSEYE);
    facts.machine.jit = Some(false);
    facts.machine.memlock = Some(65_536);
    let diagnosis = Diagnosis::of(facts);
    assert_eq!(diagnosis.verdict, Verdict::Native);
    for words in [
        "is down",
        "port of the bridge `br0`",
        "interpreted",
        "locked memory",
    ] {
        notes(&diagnosis, words);
    }
}
