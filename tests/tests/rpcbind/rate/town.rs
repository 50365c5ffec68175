//! [`Town`]: a segment whose portmapper passes calls on, and knows a service that answers them.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rpcguard_tests::{
    lab::{Host, Rpcbind, missing_tools, skip},
    packet::rpc,
    site::PATIENCE,
};

use crate::segment::Segment;

/// A segment, and an NFS service in its host that only knows the procedure that does nothing.
pub(super) struct Town {
    pub(super) segment: Segment,
    pub(super) nfs: Nfs,
}

impl Town {
    pub(super) fn or_skip(test: &str) -> Option<Self> {
        let segment = Segment::with_rpcbind(test, Rpcbind::start_relaying)?;
        let nfs = Nfs::start(&segment.host);
        Some(Self { segment, nfs })
    }

    /// As [`Self::or_skip`], where these clients of the portmapper are installed too.
    pub(super) fn with_tools_or_skip(test: &str, tools: &[&str]) -> Option<Self> {
        let missing = missing_tools(tools);
        if !missing.is_empty() {
            skip(test, &format!("not installed: {}", missing.join(", ")));
            return None;
        }
        Self::or_skip(test)
    }
}

/// A service that is registered with the portmapper, for UDP over both families.
pub(super) struct Nfs {
    calls: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Nfs {
    fn start(host: &Host) -> Self {
        let socket = host.enter(|| UdpSocket::bind("[::]:2049")).unwrap();
        register(host);
        let (calls, stop) = (Arc::default(), Arc::default());
        let (counter, stopped) = (Arc::clone(&calls), Arc::clone(&stop));
        let thread = thread::spawn(move || serve(&socket, &counter, &stopped));
        Self {
            calls,
            stop,
            thread: Some(thread),
        }
    }

    /// How often it was called.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Drop for Nfs {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers every call with success and no results (RFC 5531 section 9).
fn serve(socket: &UdpSocket, calls: &AtomicU64, stop: &AtomicBool) {
    const REPLY: u32 = 1;
    let limit = Some(Duration::from_millis(50));
    socket.set_read_timeout(limit).unwrap();
    let mut call = [0; 1_500];
    while !stop.load(Ordering::Relaxed) {
        let Ok((4.., client)) = socket.recv_from(&mut call) else {
            continue;
        };
        calls.fetch_add(1, Ordering::Relaxed);
        // Accepted; no verifier; success.
        let reply = [REPLY, 0, 0, 0, 0].map(u32::to_be_bytes).concat();
        let reply = [&call[..4], &reply].concat();
        let _ = socket.send_to(&reply, client);
    }
}

/// Tells the portmapper of it, which listens to loopback alone.
fn register(host: &Host) {
    const SET: u32 = 1;
    let socket = host.enter(|| UdpSocket::bind("127.0.0.1:0")).unwrap();
    let answer = ask(&socket, Ipv4Addr::LOCALHOST.into(), &set(), PATIENCE);
    assert_eq!(
        answer.expect("an answer to SET").last(),
        Some(&1),
        "refused"
    );

    fn set() -> Vec<u8> {
        // The port is the last word of a mapping.
        let mut call = rpc::whole_call(2, SET);
        let port = call.len() - 4;
        call[port..].copy_from_slice(&2049_u32.to_be_bytes());
        call
    }
}

/// Sends a call to a portmapper, and returns the reply to it.
pub(super) fn ask(
    socket: &UdpSocket,
    server: IpAddr,
    call: &[u8],
    patience: Duration,
) -> Option<Vec<u8>> {
    socket.send_to(call, SocketAddr::new(server, 111)).unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    let mut reply = vec![0; 65_536];
    loop {
        match socket.recv(&mut reply) {
            Ok(length) if reply[..4] == call[..4] => {
                reply.truncate(length);
                return Some(reply);
            }
            // To a call before this one.
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return None;
            }
            Err(error) => panic!("cannot receive: {error}"),
        }
    }
}
