//! Kernels that do not describe their own types, as those that are built small.

use std::path::Path;

use crate::town::Town;

#[test]
fn a_kernel_that_hides_its_types_is_no_obstacle() {
    const TYPES: &str = "/sys/kernel/btf";
    let Some(town) = Town::or_skip("a_kernel_that_hides_its_types_is_no_obstacle") else {
        return;
    };
    let town = town.with_veth();
    let has_types = || {
        town.host
            .enter(|| Path::new(TYPES).join("vmlinux").exists())
    };
    if has_types() {
        town.host
            .run("mount", &["-t", "tmpfs", "hidden", TYPES])
            .unwrap();
    }
    assert!(!has_types());
    town.is_guarded_by("eth0", "native", "native");
}
