//! [`Segment`]: a host with a portmapper, a friend and a stranger on one switch.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use rpcguard_common::parse::Transport;
use rpcguard_tests::{
    lab::{Host, Lab, Query, Rpcbind, Switch, missing_tools, rpcinfo, skip},
    site::{CleanLab, PATIENCE},
};
use serde_json::Value;

/// How long to wait for what must not come.
const IMPATIENCE: Duration = Duration::from_millis(400);

const fn addresses(last: u16) -> [IpAddr; 2] {
    [
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last as u8)),
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)),
    ]
}

pub(crate) const HOST: [IpAddr; 2] = addresses(1);
pub(crate) const FRIEND: [IpAddr; 2] = addresses(0x10);
pub(crate) const STRANGER: [IpAddr; 2] = addresses(0x66);

/// Three hosts, of which one runs rpcbind.
pub(crate) struct Segment {
    pub(crate) rpcbind: Rpcbind,
    pub(crate) host: Host,
    pub(crate) friend: Host,
    pub(crate) stranger: Host,
    _switch: Switch,
    _lab: CleanLab,
}

impl Segment {
    /// A new one; `None`, having said so, where that is not possible.
    pub(crate) fn or_skip(test: &str) -> Option<Self> {
        Self::with_rpcbind(test, Rpcbind::start)
    }

    /// As [`Self::or_skip`], with an rpcbind that is started like this.
    pub(crate) fn with_rpcbind(
        test: &str,
        start: impl FnOnce(&Host) -> anyhow::Result<Rpcbind>,
    ) -> Option<Self> {
        let missing = missing_tools(&["rpcbind", "rpcinfo"]);
        if !missing.is_empty() {
            skip(test, &format!("not installed: {}", missing.join(", ")));
            return None;
        }
        let lab = CleanLab::new(Lab::or_skip(test)?);
        let switch = Switch::new(lab.lab()).unwrap();
        let connect = |port: &str, [v4, v6]: [IpAddr; 2]| {
            let host = lab.host();
            let (v4, v6) = (format!("{v4}/24"), format!("{v6}/64"));
            switch.connect(port, &host, ("eth0", &[&v4, &v6])).unwrap();
            host
        };
        let host = connect("host", HOST);
        Some(Self {
            rpcbind: start(&host).unwrap(),
            friend: connect("friend", FRIEND),
            stranger: connect("stranger", STRANGER),
            host,
            _switch: switch,
            _lab: lab,
        })
    }

    /// Runs the command in the host; words are separated by blanks.
    #[track_caller]
    pub(crate) fn rpcguard(&self, arguments: &str) -> String {
        let finished = self.host.rpcguard(arguments.split_whitespace());
        finished.succeeded().stdout
    }

    /// Attaches in this mode, and makes sure that it is.
    #[track_caller]
    pub(crate) fn attach(&self, mode: &str, arguments: &str) {
        self.rpcguard(&format!("attach eth0 --mode {mode} {arguments}"));
        assert_eq!(self.status()["mode"], mode);
    }

    pub(crate) fn status(&self) -> Value {
        let status: Value = serde_json::from_str(&self.rpcguard("status --json")).unwrap();
        status["interfaces"][0].clone()
    }

    /// How many packets were decided about for this reason.
    pub(crate) fn packets(&self, reason: &str) -> u64 {
        self.status()["counters"][reason]["packets"]
            .as_u64()
            .unwrap()
    }
}

/// Asserts that the portmapper at `server` answers rpcinfo, run in `client`.
#[track_caller]
pub(crate) fn assert_served(client: &Host, transport: Transport, server: IpAddr) {
    let asked = rpcinfo(client, Query::Services, transport, server, PATIENCE).succeeded();
    assert!(asked.stdout.contains("portmapper"), "{asked}");
}

/// Asserts that it does not.
#[track_caller]
pub(crate) fn assert_ignored(client: &Host, transport: Transport, server: IpAddr) {
    let asked = rpcinfo(client, Query::Services, transport, server, IMPATIENCE);
    assert!(!asked.is_success(), "{asked}");
}
