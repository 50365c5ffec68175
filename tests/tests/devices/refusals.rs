//! What drivers say when they refuse a program, and that what rpcguard then advises helps.

use rpcguard_tests::{
    lab::{Cards, Lab, Model, has_wires_or_skip, in_vm_or_skip},
    release::kernel_version,
    site::CleanLab,
};

use crate::{
    jumbo::VIRTIO_NET_WITH_FRAGS,
    town::{Town, foresees},
};

const ATTACH: &str = "attach eth0 --mode native --allow 203.0.113.2 --allow 2001:db8::2";

/// The first command in backticks after `hint:`.
fn advice(said: &str) -> Vec<&str> {
    let (_, hint) = said.split_once("hint: ").expect("a hint");
    let command = hint.split('`').nth(1).expect("a command");
    command.split(' ').collect()
}

#[test]
fn virtio_net_refuses_large_frames_until_the_advice_is_taken() {
    let test = "virtio_net_refuses_large_frames_until_the_advice_is_taken";
    if !in_vm_or_skip(test) {
        return;
    }
    let Some(town) = Town::or_skip(test) else {
        return;
    };
    let town = town.with_cards(Model::VirtioNet);
    town.host.ip("link set eth0 mtu 9000").unwrap();
    if kernel_version() >= VIRTIO_NET_WITH_FRAGS {
        let _ = town.rpcguard(ATTACH).succeeded();
        let _ = town.rpcguard("detach eth0").succeeded();
        return;
    }
    let refused = town.rpcguard(ATTACH).exited_with(1);
    foresees(&town.host, "eth0", "generic");
    let doctor = town.rpcguard("doctor eth0").succeeded().stdout;
    assert!(
        doctor.ends_with("next: ip link set eth0 mtu 1500\n"),
        "{doctor}"
    );
    assert!(refused.stderr.contains("MTU too large"), "{refused}");
    let advice = advice(&refused.stderr);
    assert_eq!(advice, ["ip", "link", "set", "eth0", "mtu", "1500"]);
    town.host.run(advice[0], &advice[1..]).unwrap();
    town.is_guarded_by("eth0", "native", "native");
}

/// Before 5.13 that was refused, for want of queues to send on; Debian's 5.10 has what was done about it.
#[test]
fn virtio_net_is_guarded_with_all_of_its_queues_in_use() {
    let test = "virtio_net_is_guarded_with_all_of_its_queues_in_use";
    if !has_wires_or_skip(test) {
        return;
    }
    let Some(town) = Town::or_skip(test) else {
        return;
    };
    let town = town.with_cards(Model::VirtioNetQueues);
    town.host.ethtool("-L eth0 combined 4").unwrap();
    town.is_guarded_by("eth0", "native", "native");
}

#[test]
fn virtio_net_refuses_while_its_offloads_are_fixed_and_is_guarded_in_generic_mode() {
    let test = "virtio_net_refuses_while_its_offloads_are_fixed";
    if !has_wires_or_skip(test) {
        return;
    }
    let Some(lab) = Lab::or_skip(test) else {
        return;
    };
    let lab = CleanLab::new(lab);
    let host = lab.host();
    let _card = Cards::connect(Model::VirtioNetOffload, &[(&host, ("eth0", &[]))]).unwrap();
    let attach = |arguments: &str| host.rpcguard(arguments.split(' '));
    foresees(&host, "eth0", "generic");
    let refused = attach(ATTACH).exited_with(1);
    assert!(
        refused.stderr.contains("while host is implementing"),
        "{refused}"
    );
    // GRO_HW, or LRO on older kernels.
    let advice = advice(&refused.stderr);
    assert_eq!(advice[..3], ["ethtool", "-K", "eth0"], "{refused}");
    // It does not help, as the advice says: this card's are [fixed].
    let _ = host.run(advice[0], &advice[1..]);
    let _ = attach(ATTACH).exited_with(1);
    let attached = attach("attach eth0").succeeded();
    assert!(
        attached.stderr.contains("while host is implementing"),
        "{attached}"
    );
    let status = attach("status --json").succeeded().json();
    assert_eq!(status["interfaces"][0]["mode"], "generic");
    let _ = attach("detach eth0").succeeded();
}
