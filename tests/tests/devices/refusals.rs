//! What drivers say when they refuse a program, and that what rpcguard then advises helps.

use rpcguard_tests::{
    lab::{Model, in_vm_or_skip},
    release::kernel_version,
};

use crate::{drivers::VIRTIO_NET_WITH_ANY_QUEUES, jumbo::VIRTIO_NET_WITH_FRAGS, town::Town};

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
    let attach = "attach eth0 --mode native --allow 203.0.113.2 --allow 2001:db8::2";
    if kernel_version() >= VIRTIO_NET_WITH_FRAGS {
        let _ = town.rpcguard(attach).succeeded();
        let _ = town.rpcguard("detach eth0").succeeded();
        return;
    }
    let refused = town.rpcguard(attach).exited_with(1);
    assert!(refused.stderr.contains("MTU too large"), "{refused}");
    let advice = advice(&refused.stderr);
    assert_eq!(advice, ["ip", "link", "set", "eth0", "mtu", "1500"]);
    town.host.run(advice[0], &advice[1..]).unwrap();
    if kernel_version() >= VIRTIO_NET_WITH_ANY_QUEUES {
        town.is_guarded_by("eth0", "native", "native");
    } else {
        let refused = town.rpcguard(attach).exited_with(1);
        assert!(
            refused.stderr.contains("Too few free TX rings"),
            "{refused}"
        );
    }
}
