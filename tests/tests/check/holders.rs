//! Port 111 in the hands of a process that is no portmapper, as a container's proxy is.

use rpcguard_tests::lab::bind;

use crate::{
    documents::Verdict,
    scene::{Scene, rpcguard},
};

#[test]
fn a_process_on_port_111_that_is_no_portmapper_is_named() {
    let test = "a_process_on_port_111_that_is_no_portmapper_is_named";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _socket = bind(&scene.host, "0.0.0.0:111").unwrap();
    let found = scene.check(1);
    assert_eq!(found.verdict, Verdict::Unknown);
    assert_eq!(found.other_holders.len(), 1);
    assert_eq!(found.other_holders[0].pid, std::process::id());
    assert!(
        found
            .summary
            .contains("did not answer from here as a portmapper does"),
        "{}",
        found.summary
    );
    let next = found.next_step.unwrap();
    assert_eq!(next, "rpcguard attach eth0 --allow YOUR_NETWORK");
    let text = rpcguard(&scene.host, "check").exited_with(1).stdout;
    let line = format!("[{}]", std::process::id());
    let named = text
        .lines()
        .find(|text| text.starts_with("holds port 111, and is not rpcbind: "));
    assert!(named.is_some_and(|text| text.contains(&line)), "{text}");
    // The next step that is named works here.
    scene.does(
        &next
            .replace("rpcguard ", "")
            .replace("YOUR_NETWORK", "198.51.100.1"),
    );
    assert_eq!(scene.check(0).verdict, Verdict::NotExposed);
    scene.does("detach --all");
}
