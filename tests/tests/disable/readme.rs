//! The README's way from exposed to safe, where nobody needs the portmapper.

use rpcguard_tests::readme::commands;

use crate::container::Container;

#[test]
fn from_exposed_to_safe_by_disabling() {
    let test = "readme::from_exposed_to_safe_by_disabling";
    let Some(debian) = Container::boot_or_skip("sysv", test) else {
        return;
    };
    debian.shell("/etc/init.d/rpcbind start");
    debian.wait_for_answer();
    let mut is_disabled = false;
    let mut checks = Vec::new();
    for line in commands("From exposed to safe") {
        if line.elsewhere || line.command.starts_with("attach") {
            continue;
        }
        let words: Vec<_> = line.command.split_whitespace().collect();
        let finished = debian.run(&[&["rpcguard"], &*words].concat());
        if words == ["check"] {
            checks.push(finished.stdout.contains("no portmapper listens"));
            assert!(matches!(finished.code, Some(0 | 3)), "{finished}");
        } else {
            let _ = finished.succeeded();
        }
        is_disabled |= words == ["disable", "--apply"];
    }
    assert!(is_disabled);
    assert_eq!(checks, [false, true]);
}
