//! [`Scene`]: a host with a portmapper, and somebody who asks it.

use std::{fs, net::UdpSocket, path::Path, time::Duration};

use nix::mount::{MsFlags, mount};
use rpcguard_tests::{
    lab::{Finished, Host, Lab, Rpcbind, connect, missing_tools, skip},
    packet::rpc,
    site::CleanLab,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::documents::{HostDocument, LocalDocument};

/// The host's addresses.
pub(crate) const HOST: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

/// Those of who asks.
pub(crate) const ASKER: [&str; 2] = ["192.0.2.2", "2001:db8::2"];

/// A name of the host for who asks.
pub(crate) const NAME: &str = "host.test";

/// Two hosts on one wire, `eth0` of each.
pub(crate) struct Scene {
    pub(crate) host: Host,
    pub(crate) asker: Host,
    lab: CleanLab,
}

impl Scene {
    /// A new one; `None`, having said so, where that is not possible.
    pub(crate) fn or_skip(test: &str, tools: &[&str]) -> Option<Self> {
        let missing = missing_tools(&[&["rpcbind", "rpcinfo"], tools].concat());
        if !missing.is_empty() {
            skip(test, &format!("not installed: {}", missing.join(", ")));
            return None;
        }
        let lab = CleanLab::new(Lab::or_skip(test)?);
        let (host, asker) = (lab.host(), lab.host());
        let prefixed = |[v4, v6]: [&str; 2]| [format!("{v4}/24"), format!("{v6}/64")];
        let (here, there) = (prefixed(HOST), prefixed(ASKER));
        connect(
            (&host, ("eth0", &[&here[0], &here[1]])),
            (&asker, ("eth0", &[&there[0], &there[1]])),
        )
        .unwrap();
        let hosts = format!("{} {NAME}\n{} {NAME}\n", HOST[0], HOST[1]);
        replace_file(&asker, "/etc/hosts", &hosts);
        Some(Self { host, asker, lab })
    }

    /// Starts rpcbind in the host; arguments are separated by blanks.
    pub(crate) fn rpcbind(&self, arguments: &str) -> Rpcbind {
        let arguments: Vec<_> = arguments.split_whitespace().collect();
        Rpcbind::start_with(&self.host, &arguments).unwrap()
    }

    /// Another host of the same lab, on no wire.
    pub(crate) fn lonely_host(&self) -> Host {
        self.lab.host()
    }

    /// Runs the command in the host and expects it to succeed; words are separated by blanks.
    #[track_caller]
    pub(crate) fn does(&self, arguments: &str) -> Finished {
        rpcguard(&self.host, arguments).succeeded()
    }

    /// What the host says about itself, whose exit status must be this.
    #[track_caller]
    pub(crate) fn check(&self, code: i32) -> LocalDocument {
        check(&self.host, code)
    }

    /// The answer about a host of the one who asks, with this exit status: without waiting for
    /// long, unless told to.
    #[track_caller]
    pub(crate) fn ask(&self, host: &str, code: i32) -> HostDocument {
        let wait = if host.contains("--wait") {
            ""
        } else {
            "--wait 2"
        };
        let command = format!("check {host} --json {wait}");
        read(&rpcguard(&self.asker, &command).exited_with(code))
    }
}

/// Runs the command; words are separated by blanks.
pub(crate) fn rpcguard(host: &Host, arguments: &str) -> Finished {
    host.rpcguard(arguments.split_whitespace())
}

/// What a host says about itself, whose exit status must be this.
#[track_caller]
pub(crate) fn check(host: &Host, code: i32) -> LocalDocument {
    read(&rpcguard(host, "check --json").exited_with(code))
}

/// Reads a document, all of it.
#[track_caller]
pub(crate) fn read<T: Serialize + DeserializeOwned>(finished: &Finished) -> T {
    let document: Value = finished.json();
    let read: T = serde_json::from_value(document.clone())
        .unwrap_or_else(|error| panic!("not as the schema says: {error}: {document:#}"));
    let again = serde_json::to_value(&read).unwrap();
    assert_eq!(again, document, "fields are missing, or not in the schema");
    read
}

/// Puts a file in place of another, as processes of this host see it.
pub(crate) fn replace_file(host: &Host, path: &str, text: &str) {
    let copy = format!(
        "/run/{}",
        Path::new(path).file_name().unwrap().to_str().unwrap()
    );
    host.enter(|| {
        fs::write(&copy, text).unwrap();
        mount(
            Some(copy.as_str()),
            path,
            None::<&str>,
            MsFlags::MS_BIND,
            None::<&str>,
        )
        .unwrap();
    });
}

/// Registers a service of the host with its portmapper, over loopback as it wants it: SET of
/// version 2.
pub(crate) fn register(host: &Host, program: u32, version: u32, port: u16) {
    const SET: u32 = 1;
    const UDP: u32 = 17;
    let mapping = [program, version, UDP, u32::from(port)];
    let mapping = mapping.iter().flat_map(|word| word.to_be_bytes());
    let call: Vec<u8> = rpc::call(2, SET).into_iter().chain(mapping).collect();
    let socket = host.enter(|| UdpSocket::bind("127.0.0.1:0")).unwrap();
    socket.connect("127.0.0.1:111").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket.send(&call).unwrap();
    let mut reply = [0; 28];
    assert_eq!(socket.recv(&mut reply).unwrap(), reply.len());
    assert_eq!(reply[24..], [0, 0, 0, 1], "it was not registered");
}

/// Loads a ruleset of nftables in a host.
pub(crate) fn nft(host: &Host, rules: &str) {
    let ruleset = format!(
        "table inet test {{\n chain in {{\n type filter hook input priority 0; {rules}\n }}\n }}"
    );
    host.run("nft", &[&ruleset]).unwrap();
}
