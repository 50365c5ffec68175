//! Calls of a client that is allowed, one after the other.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rpcguard_tests::{lab::bind, packet::rpc};

use crate::{
    samples::Samples,
    town::{ROUTER, SERVER, Town},
};

const GETPORT: u32 = 3;

/// Between an answer and the next call.
const PAUSE: Duration = Duration::from_millis(1);

/// A call that is not answered by then has failed: real clients would wait longer, and ask again.
const PATIENCE: Duration = Duration::from_millis(500);

/// What became of calls.
#[derive(Default)]
pub(super) struct Calls {
    pub(super) made: usize,
    /// How long those took that were answered, in microseconds.
    pub(super) latencies: Vec<f64>,
}

impl Calls {
    /// Calls the town's portmapper for so long.
    pub(super) fn make(town: &Town, time: Duration) -> Result<Self> {
        let socket =
            bind(&town.router, (Ipv4Addr::from(ROUTER), 0)).context("cannot open a socket")?;
        socket.connect((Ipv4Addr::from(SERVER), 111))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let call = rpc::whole_call(2, GETPORT);
        let mut calls = Self::default();
        let start = Instant::now();
        while start.elapsed() < time {
            let transaction = fastrand::u32(..);
            calls.made += 1;
            let sent = Instant::now();
            if is_answered(&socket, &rpc::with_transaction(&call, transaction))? {
                calls.latencies.push(sent.elapsed().as_secs_f64() * 1e6);
            }
            thread::sleep(PAUSE);
        }
        Ok(calls)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.made += other.made;
        self.latencies.extend(other.latencies);
    }

    pub(super) fn answered(&self) -> usize {
        self.latencies.len()
    }

    /// Of those that were answered, if any was.
    pub(super) fn latency(&self) -> Option<Samples> {
        (!self.latencies.is_empty()).then(|| Samples::new(self.latencies.clone()))
    }
}

/// Answers that come too late to an earlier call are passed over.
fn is_answered(socket: &UdpSocket, call: &[u8]) -> Result<bool> {
    let sent = socket.send(call);
    if matches!(&sent, Err(error) if error.kind() == io::ErrorKind::ConnectionRefused) {
        return Ok(false);
    }
    sent.context("cannot send a call")?;
    let deadline = Instant::now() + PATIENCE;
    let mut reply = [0; 64];
    while Instant::now() < deadline {
        match socket.recv(&mut reply) {
            Ok(length) if length >= 4 && reply[..4] == call[..4] => return Ok(true),
            Ok(_) => {}
            Err(_) => return Ok(false),
        }
    }
    Ok(false)
}
