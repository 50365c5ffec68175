//! Each network card's driver, native where it can be.

use rpcguard_tests::{
    lab::{Model, in_vm_or_skip},
    release::{Version, kernel_version},
};

use crate::town::Town;

fn town_with(test: &str, model: Model) -> Option<Town> {
    if !in_vm_or_skip(test) {
        return None;
    }
    let town = Town::or_skip(test)?.with_cards(model);
    town.wait_until_answered();
    assert_eq!(town.answered(), (true, true), "before anything is attached");
    Some(town)
}

/// The first kernel with XDP in vmxnet3.
const VMXNET3: Version = (6, 6);

#[test]
fn virtio_net_is_guarded() {
    let Some(town) = town_with("virtio_net_is_guarded", Model::VirtioNet) else {
        return;
    };
    for (mode, runs_in) in [
        ("native", "native"),
        ("auto", "native"),
        ("generic", "generic"),
    ] {
        town.is_guarded_by("eth0", mode, runs_in);
    }
}

#[test]
fn vmxnet3_is_guarded() {
    let Some(town) = town_with("vmxnet3_is_guarded", Model::Vmxnet3) else {
        return;
    };
    if kernel_version() >= VMXNET3 {
        town.is_guarded_by("eth0", "native", "native");
        town.is_guarded_by("eth0", "auto", "native");
    } else {
        let said = town.is_guarded_by("eth0", "auto", "generic");
        assert!(said.contains("generic mode"), "{said}");
    }
    town.is_guarded_by("eth0", "generic", "generic");
}

#[test]
fn e1000_is_guarded_in_generic_mode() {
    let Some(town) = town_with("e1000_is_guarded_in_generic_mode", Model::E1000) else {
        return;
    };
    let said = town.is_guarded_by("eth0", "auto", "generic");
    assert!(said.contains("in native mode"), "{said}");
    let refused = town.rpcguard("attach eth0 --mode native").exited_with(1);
    assert!(refused.stderr.contains("without --mode"), "{refused}");
}
