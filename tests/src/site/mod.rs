//! Where guards are attached in tests: a lab that must be clean in the end, and a host with one
//! neighbour that can claim to be anybody.

mod leftovers;

use std::{net::IpAddr, path::PathBuf, time::Duration};

use aya::{
    TestRunOptions,
    programs::{ProgramInfo, TestRun as _, Xdp},
};
use aya_obj::programs::XdpAttachType;
use rpcguard::guard::{Entry, Guard, Registry};
use rpcguard_common::reason::Action;

use crate::{
    lab::{Host, Lab, Listener, PacketSocket, connect},
    packet::{Frame, peers::STRANGER_V4, rpc},
};

pub use leftovers::{CleanLab, Objects};

/// How long anything in a site may take that is expected to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Addresses of a site's host, as [`Frame`] has them, with all other hosts on the same link.
pub const HOST_ADDRESSES: [&str; 2] = ["203.0.113.1/24", "2001:db8::1/64"];

/// Addresses of a site's neighbour.
pub const NEIGHBOUR_ADDRESSES: [&str; 2] = ["203.0.113.2/24", "2001:db8::2/64"];

/// A host with an interface `eth0` to guard, and a neighbour at the other end of the wire.
///
/// The neighbour's `eth0` is where frames are sent from: from any source address, since the host
/// believes that all the world is behind it.
#[derive(Debug)]
pub struct Site {
    /// The host.
    pub host: Host,
    /// Its neighbour.
    pub neighbour: Host,
    /// The wire's far end.
    wire: PacketSocket,
    /// Goes last, and asserts that nothing is left.
    pub lab: CleanLab,
}

impl Site {
    /// A new site in a lab of its own; `None`, having said so, if this process may not make one.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    #[must_use]
    pub fn or_skip(test: &str) -> Option<Self> {
        Some(Self::in_lab(CleanLab::new(Lab::or_skip(test)?)))
    }

    /// A new site.
    ///
    /// # Panics
    ///
    /// As [`Self::or_skip`].
    #[must_use]
    pub fn in_lab(lab: CleanLab) -> Self {
        let (host, neighbour) = (lab.host(), lab.host());
        connect(
            (&host, ("eth0", &HOST_ADDRESSES)),
            (&neighbour, ("eth0", &NEIGHBOUR_ADDRESSES)),
        )
        .expect("a wire");
        route_everything(&host);
        let wire = PacketSocket::open(&neighbour, "eth0").expect("a packet socket");
        Self {
            host,
            neighbour,
            wire,
            lab,
        }
    }

    /// The beginning of a frame that the host takes as its own.
    ///
    /// # Panics
    ///
    /// If the host has lost its interface.
    #[must_use]
    pub fn frame(&self) -> Frame {
        Frame::ethernet().to_mac(self.host.mac("eth0").expect("an Ethernet address"))
    }

    /// The beginning of a packet from `source`, up to its network header.
    ///
    /// # Panics
    ///
    /// As [`Self::frame`].
    #[must_use]
    pub fn packet_from(&self, source: IpAddr) -> Frame {
        match source {
            IpAddr::V4(source) => self.frame().ipv4(source),
            IpAddr::V6(source) => self.frame().ipv6(source),
        }
    }

    /// Sends a frame to the host.
    ///
    /// # Panics
    ///
    /// If the wire is cut.
    pub fn send(&self, frame: &[u8]) {
        self.wire.send(frame).expect("frames can be sent");
    }

    /// Sends a datagram from `source` to a port of the host.
    ///
    /// # Panics
    ///
    /// As [`Self::send`].
    pub fn send_datagram(&self, source: IpAddr, port: u16, payload: &[u8]) {
        self.send(&self.packet_from(source).udp(port).payload(payload).build());
    }

    /// Waits until the host has seen every frame that was sent so far.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn settle(&self) {
        const UNGUARDED: u16 = 49_999;
        const LAST: &[u8] = b"the last frame";
        let listener = self.listen(UNGUARDED);
        self.send_datagram(STRANGER_V4.into(), UNGUARDED, LAST);
        listener.until(LAST, PATIENCE).expect("the last frame");
    }

    /// A socket of the host, for both families.
    ///
    /// # Panics
    ///
    /// If the port is taken.
    #[must_use]
    pub fn listen(&self, port: u16) -> Listener {
        Listener::bind(&self.host, &format!("[::]:{port}")).expect("a free port")
    }

    /// Calls `body` in the host with its registry of guards.
    ///
    /// # Panics
    ///
    /// If /proc is not there.
    pub fn registry<T: Send>(&self, body: impl FnOnce(&Registry) -> T + Send) -> T {
        self.host
            .enter(|| body(&Registry::new().expect("a registry")))
    }

    /// Calls `body` in the host with the guard of `eth0`.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn guard<T: Send>(&self, body: impl FnOnce(&mut Guard) -> T + Send) -> T {
        self.registry(|registry| body(&mut registry.guard("eth0").expect("a guard")))
    }

    /// Runs the command in the host and expects it to succeed; words are separated by blanks.
    ///
    /// # Panics
    ///
    /// If it fails, with what it said.
    #[track_caller]
    pub fn rpcguard(&self, arguments: &str) -> String {
        self.host
            .rpcguard(arguments.split_whitespace())
            .succeeded()
            .stdout
    }

    /// Adds an interface of this name to the host, whose other end is in the host too.
    ///
    /// # Panics
    ///
    /// If the name is taken.
    pub fn add_interface(&self, name: &str) {
        let add = format!("link add {name} type veth peer name {name}-peer");
        self.host.ip(&add).expect("another interface");
        self.host
            .ip(&format!("link set {name} up"))
            .expect("an interface that is up");
    }

    /// Where the guard of the host's `eth0` is pinned.
    ///
    /// # Panics
    ///
    /// As [`Self::pins_of`].
    #[must_use]
    pub fn pins(&self) -> PathBuf {
        self.pins_of("eth0")
    }

    /// Where the guard of an interface is pinned, if there is one.
    ///
    /// # Panics
    ///
    /// If the host's network is gone.
    #[must_use]
    pub fn pins_of(&self, interface: &str) -> PathBuf {
        let inode = inode_of_network(&self.host);
        PathBuf::from(format!("/sys/fs/bpf/rpcguard/{interface}@{inode}"))
    }

    /// What the program that is pinned for the host's `eth0` does with packets to port 111 from
    /// these sources, without sending any.
    ///
    /// # Panics
    ///
    /// As [`Self::verdicts_of`].
    #[must_use]
    pub fn verdicts(&self, sources: &[IpAddr]) -> Vec<Action> {
        self.verdicts_of("eth0", sources)
    }

    /// As [`Self::verdicts`], for the guard of this interface.
    ///
    /// # Panics
    ///
    /// If there is no program.
    #[must_use]
    pub fn verdicts_of(&self, interface: &str, sources: &[IpAddr]) -> Vec<Action> {
        self.verdicts_to(interface, 111, sources)
    }

    /// As [`Self::verdicts_of`], about calls to another port.
    ///
    /// # Panics
    ///
    /// As [`Self::verdicts_of`].
    #[must_use]
    pub fn verdicts_to(&self, interface: &str, port: u16, sources: &[IpAddr]) -> Vec<Action> {
        let pin = self.pin_of_attached_program(interface);
        let program = self
            .host
            .enter(|| Xdp::from_pin(&pin, XdpAttachType::Interface))
            .expect("a pinned program");
        let action = |source: &IpAddr| {
            let packet = self.packet_from(*source).udp(port);
            let frame = packet.payload(&rpc::DUMP).build();
            let run = program.test_run(TestRunOptions {
                data_in: Some(&frame),
                ..TestRunOptions::default()
            });
            match run.expect("the program runs").return_value {
                1 => Action::Drop,
                2 => Action::Pass,
                other => panic!("the program returned {other}"),
            }
        };
        sources.iter().map(action).collect()
    }

    /// A command that was killed leaves the program that it attached under another name.
    fn pin_of_attached_program(&self, interface: &str) -> PathBuf {
        let pins = self.pins_of(interface);
        let attached = self.registry(|registry| match registry.find(interface) {
            Ok(Some(Entry::Guard(guard))) => Some(guard.program_id()),
            _ => None,
        });
        let next = pins.join("program_next");
        let is_attached = |pin: &PathBuf| {
            let info = self.host.enter(|| ProgramInfo::from_pin(pin));
            info.is_ok_and(|info| Some(info.id()) == attached)
        };
        Some(next)
            .filter(is_attached)
            .unwrap_or_else(|| pins.join("program"))
    }
}

/// Makes all addresses reachable through `eth0`.
///
/// # Panics
///
/// If the host has no such interface.
pub fn route_everything(host: &Host) {
    for family in ["-4", "-6"] {
        host.ip(&format!("{family} route add default dev eth0"))
            .expect("a default route");
    }
}

/// The inode number of a host's network namespace, by which guards know it.
///
/// # Panics
///
/// If /proc is not there.
#[must_use]
pub fn inode_of_network(host: &Host) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    host.enter(|| std::fs::metadata("/proc/thread-self/ns/net"))
        .expect("a network namespace")
        .ino()
}
