//! The README's way from exposed to safe, where the portmapper is needed.

use rpcguard_tests::readme::commands;

use crate::scene::{Scene, rpcguard};

#[test]
fn from_exposed_to_safe_by_restricting() {
    let test = "readme::from_exposed_to_safe_by_restricting";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    let evidence = tempfile::tempdir().unwrap();
    let mut is_restricted = false;
    let mut asked = Vec::new();
    for line in commands("From exposed to safe") {
        if line.command.starts_with("disable --apply") {
            continue;
        }
        let command = line.command.replace(
            "--evidence ",
            &format!("--evidence {}/", evidence.path().display()),
        );
        // The README has nobody wait less than usual.
        let command = if line.elsewhere {
            format!("{command} --wait 2")
        } else {
            command
        };
        let host = if line.elsewhere {
            &scene.asker
        } else {
            &scene.host
        };
        let finished = rpcguard(host, &command);
        if line.command.starts_with("check") {
            let code = if is_restricted { 0 } else { 3 };
            asked.push((line.elsewhere, is_restricted));
            let _ = finished.exited_with(code);
        } else {
            let _ = finished.succeeded();
        }
        is_restricted |= line.command.starts_with("attach");
    }
    // Looked at from both sides, before and after.
    for elsewhere in [false, true] {
        for is_restricted in [false, true] {
            assert!(asked.contains(&(elsewhere, is_restricted)), "{asked:?}");
        }
    }
    let written = std::fs::read_dir(evidence.path()).unwrap().count();
    assert_eq!(written, 2);
    scene.does("detach --all");
}
