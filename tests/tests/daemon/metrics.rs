//! Metrics that the daemon serves.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::harness::{Scene, table};

/// What is served at a port of the host's loopback interface, if anything is.
fn scrape(scene: &Scene, port: u16) -> Option<String> {
    scene.site.host.enter(|| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    })
}

#[test]
fn metrics_are_served_where_the_file_says_and_nowhere_else() {
    let test = "metrics_are_served_where_the_file_says_and_nowhere_else";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    let rest = table("\"eth0\"", "");
    let daemon = scene.start(&format!("metrics_listen = \"9811\"\n{rest}"));
    let served = scrape(&scene, 9811).unwrap();
    assert!(served.contains("rpcguard_guards 1"), "{served}");
    // All addresses instead of one, of the same port; then another port; then none.
    for (line, here, gone) in [
        ("metrics_listen = \"0.0.0.0:9811\"\n", Some(9811), None),
        (
            "metrics_listen = \"127.0.0.1:9812\"\n",
            Some(9812),
            Some(9811),
        ),
        ("", None, Some(9812)),
    ] {
        scene.write("rpcguard.toml", &format!("{line}{rest}"));
        daemon.reload();
        assert!(
            here.is_none_or(|port| scrape(&scene, port).is_some()),
            "{line}"
        );
        assert!(
            gone.is_none_or(|port| scrape(&scene, port).is_none()),
            "{line}"
        );
    }
    daemon.end();
    scene.detach_all();
}
