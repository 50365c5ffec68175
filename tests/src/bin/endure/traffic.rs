//! Packets that are counted to the last one, and a flood that is not.

use std::{
    collections::HashMap,
    net::{IpAddr, UdpSocket},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use rpcguard_tests::lab::{Bounds, Flood, Flooded, Sources};

use crate::{
    lane::{Lane, Tally},
    lists::Lists,
    town::{self, Town},
};

/// How often each source sends in a burst over one lane.
const TIMES: usize = 2;

/// How many packets that are to pass may be under way to the portmapper.
const UNREAD: u64 = 50_000;

/// The portmapper, which answers nothing, and knows what came through.
pub(crate) struct Portmapper {
    socket: UdpSocket,
    /// How many packets it was given.
    pub(crate) received: AtomicU64,
}

impl Portmapper {
    pub(crate) fn open(town: &Town) -> Result<Self> {
        const BUFFER: usize = 256 << 20;
        let socket = town.site.host.enter(|| UdpSocket::bind("[::]:111"))?;
        setsockopt(&socket, RcvBufForce, &BUFFER)?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        Ok(Self {
            socket,
            received: AtomicU64::new(0),
        })
    }

    /// Counts what comes from whom, until it is over and nothing comes any more.
    pub(crate) fn receive(&self, over: &AtomicBool) -> HashMap<IpAddr, u64> {
        let mut from = HashMap::new();
        loop {
            let was_over = over.load(Ordering::Relaxed);
            match self.socket.recv_from(&mut [0; 64]) {
                Ok((_, source)) => {
                    *from.entry(source.ip().to_canonical()).or_default() += 1;
                    self.received.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) if was_over => return from,
                Err(_) => {}
            }
        }
    }
}

/// Sends from listed sources and strangers alike, over all lanes in turn, until told to stop.
pub(crate) fn send(
    town: &Town,
    lanes: &[Lane],
    lists: Lists,
    rate: u64,
    (portmapper, to_pass): (&Portmapper, &AtomicU64),
    over: &AtomicBool,
) -> Result<u64> {
    let [listed, strangers] = lists.senders();
    let mut frames: Vec<Vec<u8>> = Vec::new();
    let begun = Instant::now();
    let mut sent = 0;
    while !over.load(Ordering::Relaxed) {
        for lane in lanes {
            let unread = || {
                let sent = to_pass.load(Ordering::Relaxed);
                sent.saturating_sub(portmapper.received.load(Ordering::Relaxed))
            };
            while sent as f64 > rate as f64 * begun.elapsed().as_secs_f64() || unread() > UNREAD {
                if over.load(Ordering::Relaxed) {
                    return Ok(sent);
                }
                thread::sleep(Duration::from_micros(200));
            }
            let mut open = lane.lock();
            let Some(open) = open.as_mut() else { continue };
            if frames.is_empty() {
                let sources = listed.iter().chain(&strangers);
                frames = sources.map(|source| open.frame(town, *source)).collect();
            }
            frames.iter_mut().for_each(|frame| open.address(frame));
            let expected = Tally {
                passed: (TIMES * listed.len()) as u64,
                dropped: (TIMES * strangers.len()) as u64,
            };
            to_pass.fetch_add(expected.passed, Ordering::Relaxed);
            let burst = (0..TIMES).flat_map(|_| frames.iter().map(Vec::as_slice));
            open.send(burst, expected)?;
            sent += expected.passed + expected.dropped;
        }
        thread::yield_now();
    }
    Ok(sent)
}

/// Floods one lane from random strangers, until told to stop.
pub(crate) fn flood(town: &Town, lane: &Lane, rate: u64, over: &AtomicBool) -> Result<Flooded> {
    let frame = {
        let mut open = lane.lock();
        let Some(open) = open.as_mut() else {
            return Ok(Flooded::default());
        };
        open.is_flooded = true;
        open.frame(town, [198, 18, 0, 1].into())
    };
    let sources = Sources::any_of("198.18.0.0/15".parse()?);
    let flood = Flood::new(
        &town.site.neighbour,
        &town::name(lane.number),
        frame,
        sources,
    )?;
    let bounds = Bounds {
        packets: u64::MAX,
        time: Duration::from_secs(24 * 3600),
        rate: Some(rate),
    };
    flood.run(bounds, over)
}
