//! Frames that span buffers.

use rpcguard_tests::{
    lab::{Model, in_vm_or_skip},
    release::{FRAGS, Version, kernel_version},
};

use crate::town::Town;

/// The first kernel with virtio_net among the drivers that run programs for several buffers.
pub(crate) const VIRTIO_NET_WITH_FRAGS: Version = (6, 3);

/// In both directions.
const PAYLOAD: usize = 8_900;

fn is_guarded(mut town: Town, since: Version) {
    for host in [&town.host, &town.neighbour] {
        host.ip("link set eth0 mtu 9000").unwrap();
    }
    town.call.resize(PAYLOAD, 0x5a);
    town.wait_until_answered();
    if kernel_version() >= since {
        town.is_guarded_by("eth0", "native", "native");
    } else {
        let said = town.is_guarded_by("eth0", "auto", "generic");
        assert!(said.contains("MTU"), "{said}");
    }
    town.is_guarded_by("eth0", "generic", "generic");
}

#[test]
fn veth_is_guarded_at_an_mtu_of_9000() {
    let Some(town) = Town::or_skip("veth_is_guarded_at_an_mtu_of_9000") else {
        return;
    };
    is_guarded(town.with_veth(), FRAGS);
}

#[test]
fn virtio_net_is_guarded_at_an_mtu_of_9000() {
    let test = "virtio_net_is_guarded_at_an_mtu_of_9000";
    if !in_vm_or_skip(test) {
        return;
    }
    let Some(town) = Town::or_skip(test) else {
        return;
    };
    is_guarded(town.with_cards(Model::VirtioNet), VIRTIO_NET_WITH_FRAGS);
}
