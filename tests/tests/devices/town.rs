//! A portmapper's port on a host, and clients of it: sockets, nothing forged.

use std::{
    io::ErrorKind,
    net::{IpAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use rpcguard_tests::{
    lab::{Cards, Finished, Host, Lab, Model, bind, connect},
    packet::rpc,
    site::{CleanLab, PATIENCE},
};
use serde_json::Value;

/// The host's addresses.
pub(crate) const HOST: [&str; 2] = ["203.0.113.1/24", "2001:db8::1/64"];

/// The neighbour's: two that are allowed, and two that are not.
pub(crate) const NEIGHBOUR: [&str; 4] = [
    "203.0.113.2/24",
    "2001:db8::2/64",
    "203.0.113.3/24",
    "2001:db8::3/64",
];

pub(crate) const FRIENDS: [&str; 2] = ["203.0.113.2", "2001:db8::2"];
const STRANGERS: [&str; 2] = ["203.0.113.3", "2001:db8::3"];

/// How to allow the friends.
pub(crate) const ALLOW: &str = "--allow 203.0.113.2 --allow 2001:db8::2";

/// Ends the service.
const STOP: &[u8] = b"stop";

/// What does not come for so long after other answers is not under way.
const GRACE: Duration = Duration::from_millis(300);

/// A host, and a neighbour with all the clients.
pub(crate) struct Town {
    pub(crate) host: Host,
    pub(crate) neighbour: Host,
    /// What is asked; as long as a call, unless made longer.
    pub(crate) call: Vec<u8>,
    cards: Option<Cards>,
    _lab: CleanLab,
}

impl Town {
    /// Two hosts, with nothing between them yet.
    pub(crate) fn or_skip(test: &str) -> Option<Self> {
        let lab = CleanLab::new(Lab::or_skip(test)?);
        Some(Self {
            host: lab.host(),
            neighbour: lab.host(),
            call: rpc::DUMP.to_vec(),
            cards: None,
            _lab: lab,
        })
    }

    /// Joined by virtual Ethernet, both ends called `eth0`.
    pub(crate) fn with_veth(self) -> Self {
        let (host, neighbour) = (&self.host, &self.neighbour);
        connect((host, ("eth0", &HOST)), (neighbour, ("eth0", &NEIGHBOUR))).expect("a wire");
        self
    }

    /// Joined by two network cards, both called `eth0`.
    pub(crate) fn with_cards(mut self, model: Model) -> Self {
        let ends = [
            (&self.host, ("eth0", &HOST[..])),
            (&self.neighbour, ("eth0", &NEIGHBOUR[..])),
        ];
        self.cards = Some(Cards::connect(model, &ends).expect("two cards"));
        self
    }

    /// Runs the command in the host.
    pub(crate) fn rpcguard(&self, arguments: &str) -> Finished {
        self.host.rpcguard(arguments.split_whitespace())
    }

    /// Whether friends get answers from port 111 of the host, and whether strangers do.
    ///
    /// Strangers ask first: once the friends have been answered, so have they, or never will be.
    pub(crate) fn answered(&self) -> (bool, bool) {
        let service = bind(&self.host, "[::]:111").expect("the port is free");
        service.set_read_timeout(Some(PATIENCE)).expect("a limit");
        thread::scope(|scope| {
            scope.spawn(|| serve(&service));
            let ask = |source: &&str| self.ask(source.parse().expect("an address"));
            let strangers = STRANGERS.each_ref().map(ask);
            let friends = FRIENDS.each_ref().map(ask);
            let friends = friends.map(|socket| self.hears(&socket, PATIENCE));
            let strangers = strangers.map(|socket| self.hears(&socket, GRACE));
            let stop = self.host.enter(|| UdpSocket::bind("127.0.0.1:0"));
            let stopped = stop.and_then(|socket| socket.send_to(STOP, "127.0.0.1:111"));
            assert_eq!(stopped.expect("loopback"), STOP.len());
            assert_eq!(strangers[0], strangers[1], "strangers of both families");
            (friends.iter().all(|heard| *heard), strangers[0])
        })
    }

    /// Sends a call from this address of the neighbour's.
    fn ask(&self, source: IpAddr) -> UdpSocket {
        let socket = self
            .neighbour
            .enter(|| UdpSocket::bind((source, 0)))
            .expect("an address of the neighbour");
        let to: IpAddr = match source {
            IpAddr::V4(_) => "203.0.113.1".parse(),
            IpAddr::V6(_) => "2001:db8::1".parse(),
        }
        .expect("an address");
        let sent = socket.send_to(&self.call, (to, 111));
        assert_eq!(sent.expect("it can be sent"), self.call.len());
        socket
    }

    /// Whether the answer comes in time.
    fn hears(&self, socket: &UdpSocket, patience: Duration) -> bool {
        socket.set_read_timeout(Some(patience)).expect("a limit");
        let mut answer = vec![0; self.call.len() + 1];
        match socket.recv(&mut answer) {
            Ok(len) => {
                assert!(answer[..len] == self.call, "another answer");
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                false
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Attaches to an interface, sees that it guards the host, exactly, and detaches again.
    ///
    /// Returns what attaching said.
    pub(crate) fn is_guarded_by(&self, interface: &str, mode: &str, runs_in: &str) -> String {
        if mode != "generic" {
            foresees(&self.host, interface, runs_in);
        }
        let attached = self
            .rpcguard(&format!("attach {interface} --mode {mode} {ALLOW}"))
            .succeeded();
        // The link may go down and up with it.
        self.wait_until_answered();
        let before = self.counters(interface);
        let status = self.rpcguard("status --json").succeeded().json();
        assert_eq!(status["interfaces"][0]["mode"], runs_in, "{attached}");
        assert_eq!(self.answered(), (true, false), "on {interface}, {runs_in}");
        let after = self.counters(interface);
        // Ethernet's header, that of each family, and UDP's.
        let bytes = 2 * (14 + 8 + self.call.len() as u64) + 20 + 40;
        for (reason, (before, after)) in
            ["allowed", "unlisted"].iter().zip(before.iter().zip(after))
        {
            assert_eq!(after.0 - before.0, 2, "{reason} packets of {interface}");
            assert_eq!(after.1 - before.1, bytes, "{reason} bytes of {interface}");
        }
        let _ = self.rpcguard(&format!("detach {interface}")).succeeded();
        self.wait_until_answered();
        assert_eq!(self.answered(), (true, true), "unguarded again");
        attached.stderr
    }

    /// Packets and bytes that were allowed, and that were from unlisted sources.
    pub(crate) fn counters(&self, interface: &str) -> [(u64, u64); 2] {
        let status = self
            .rpcguard(&format!("status {interface} --json"))
            .succeeded()
            .json();
        ["allowed", "unlisted"].map(|reason| {
            let counter: &Value = &status["interfaces"][0]["counters"][reason];
            let number = |what: &str| counter[what].as_u64().expect("a counter");
            (number("packets"), number("bytes"))
        })
    }

    /// Waits until each client is answered over an unguarded port: there is a link, and both ends
    /// know the hardware address of every address of the other, so that no later answer waits for
    /// it.
    pub(crate) fn wait_until_answered(&self) {
        let deadline = Instant::now() + PATIENCE;
        let limit = Some(Duration::from_millis(50));
        for from in FRIENDS.iter().chain(&STRANGERS) {
            let to = if from.contains(':') {
                "2001:db8::1"
            } else {
                "203.0.113.1"
            };
            let receiver = bind(&self.host, (to, 4999)).expect("an address of the host");
            let sender = bind(&self.neighbour, (*from, 4999)).expect("the neighbour's address");
            for socket in [&receiver, &sender] {
                socket.set_read_timeout(limit).expect("a limit");
            }
            loop {
                // While there is no link, these may fail.
                let _ = sender.send_to(b"hello", (to, 4999));
                if receiver.recv(&mut [0; 16]).is_ok() {
                    let _ = receiver.send_to(b"hello", (*from, 4999));
                }
                if sender.recv(&mut [0; 16]).is_ok() {
                    break;
                }
                assert!(Instant::now() < deadline, "there is no link");
            }
        }
    }
}

/// The doctor says beforehand where the filter runs, if it is not told.
#[track_caller]
pub(crate) fn foresees(host: &Host, interface: &str, runs_in: &str) {
    let diagnosis = host.rpcguard(["doctor", interface, "--json"]).succeeded();
    assert_eq!(diagnosis.json()["verdict"], runs_in, "{diagnosis}");
}

/// Answers every datagram by itself, until told to stop.
fn serve(service: &UdpSocket) {
    let mut buffer = vec![0; 65_536];
    while let Ok((len, client)) = service.recv_from(&mut buffer) {
        if &buffer[..len] == STOP {
            return;
        }
        let _ = service.send_to(&buffer[..len], client);
    }
}
