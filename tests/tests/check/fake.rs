//! Portmappers over UDP that do as a test says, on a host of its own, as another host meets them.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::scene::{HOST, Scene};

/// A call, as far as these portmappers read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) xid: u32,
    pub(crate) program: u32,
    pub(crate) version: u32,
    pub(crate) procedure: u32,
}

pub(crate) const NULL: u32 = 0;
pub(crate) const DUMP: u32 = 4;
pub(crate) const CALLIT: u32 = 5;
pub(crate) const BCAST: u32 = 5;
pub(crate) const INDIRECT: u32 = 10;
pub(crate) const ADDRESS_LIST: u32 = 11;
pub(crate) const STATISTICS: u32 = 12;

impl Call {
    pub(crate) fn read(datagram: &[u8]) -> Option<Self> {
        let word = |index: usize| {
            let bytes = datagram.get(4 * index..)?.first_chunk()?;
            Some(u32::from_be_bytes(*bytes))
        };
        Some(Self {
            xid: word(0)?,
            program: word(3)?,
            version: word(4)?,
            procedure: word(5)?,
        })
    }

    /// An accepted call that succeeded, with these words.
    pub(crate) fn success(self, results: &[u32]) -> Vec<u8> {
        words(&[&[self.xid, 1, 0, 0, 0, 0], results].concat())
    }

    /// A reply of version 2 with so many registrations; none of the others.
    pub(crate) fn list(self, entries: usize) -> Vec<u8> {
        let entry = [1, 100_003, 3, 17, 2049];
        self.success(&[entry.repeat(entries), vec![0]].concat())
    }

    /// A denied call: the credentials are too weak.
    pub(crate) fn denial(self) -> Vec<u8> {
        words(&[self.xid, 1, 1, 1, 5])
    }

    /// No such procedure.
    pub(crate) fn no_such_procedure(self) -> Vec<u8> {
        words(&[self.xid, 1, 0, 0, 0, 3])
    }

    /// Versions 2 to 2 only.
    pub(crate) fn version_2_only(self) -> Vec<u8> {
        words(&[self.xid, 1, 0, 0, 0, 2, 2, 2])
    }
}

pub(crate) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A UDP socket of the host.
pub(crate) fn socket(scene: &Scene, address: &str) -> UdpSocket {
    scene.host.enter(|| UdpSocket::bind(address)).unwrap()
}

/// Runs `body` while the host's port 111 answers each call with these datagrams, from there.
pub(crate) fn answering(
    scene: &Scene,
    mut answers: impl FnMut(Call) -> Vec<Vec<u8>> + Send,
    body: impl FnOnce(),
) {
    let there = format!("{}:111", HOST[0]);
    serving(
        scene,
        &there,
        |socket, call, client| {
            for datagram in answers(call) {
                // The client may have what it wanted.
                let _ = socket.send_to(&datagram, client);
            }
        },
        body,
    );
}

/// Runs `body` while a UDP port of the host does this about each call.
pub(crate) fn serving(
    scene: &Scene,
    address: &str,
    mut serve: impl FnMut(&UdpSocket, Call, SocketAddr) + Send,
    body: impl FnOnce(),
) {
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let socket = socket(scene, address);
    socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut datagram = [0; 512];
            while !over.load(Ordering::Relaxed) {
                let Ok((len, client)) = socket.recv_from(&mut datagram) else {
                    continue;
                };
                if let Some(call) = Call::read(&datagram[..len]) {
                    serve(&socket, call, client);
                }
            }
        });
        let _end = End(&over);
        body();
    });
}
