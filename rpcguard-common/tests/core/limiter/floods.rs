//! A flood that uses up the total, and a client that comes back.

use rpcguard_common::{hash::hash, policy::Address};

use super::{Limiter, SECOND, v4};

/// When a client that gets no reply asks again, in seconds from its first call.
#[derive(Clone, Copy)]
struct Client {
    name: &'static str,
    calls: [u64; 4],
}

/// libtirpc's rpcinfo, within its minute.
const RPCINFO: Client = Client {
    name: "rpcinfo",
    calls: [0, 15, 30, 45],
};

/// nfs-utils' mount.nfs, and one call more.
const MOUNT: Client = Client {
    name: "mount.nfs",
    calls: [0, 1, 2, 3],
};

/// A second to use up what there is, then new clients come while the flood goes on.
const ARRIVAL: std::ops::Range<u64> = SECOND..4 * SECOND;

/// How many of each kind.
const CLIENTS: u32 = 30;

/// What happens to clients in the flood, whose packet of a number is of this source and call.
fn flood(client: Client, rate: u64, spoofed: impl Fn(u64) -> (Address, u32)) -> Experience {
    let limiter = Limiter::by_default();
    let mut waiting = Vec::new();
    for number in 0..CLIENTS {
        let length = ARRIVAL.end - ARRIVAL.start;
        let first = ARRIVAL.start + u64::from(number) * length / u64::from(CLIENTS);
        let calls = client.calls.into_iter().enumerate();
        waiting.extend(calls.map(|(call, at)| (first + at * SECOND, number, call)));
    }
    waiting.sort_unstable();
    let mut done = [false; CLIENTS as usize];
    let mut served_by = [0; 4];
    let [mut packets, mut flooded, mut clock] = [0; 3];
    for (time, number, call) in waiting {
        while clock < time {
            limiter.pass_time(SECOND / rate);
            clock += SECOND / rate;
            let (source, transaction) = spoofed(packets);
            flooded += u64::from(limiter.admits_call(source, transaction));
            packets += 1;
        }
        let (source, transaction) = client_call(number);
        if !done[number as usize] && limiter.admits_call(source, transaction) {
            done[number as usize] = true;
            for served in &mut served_by[call..] {
                *served += 1;
            }
        }
    }
    Experience {
        served_by: served_by.map(|served| f64::from(served) / f64::from(CLIENTS)),
        flooded: flooded as f64 / (clock as f64 / SECOND as f64),
    }
}

/// What it came to.
struct Experience {
    /// The share of clients that have been served by their first, second, ... call.
    served_by: [f64; 4],
    /// What the flood got, a second.
    flooded: f64,
}

/// Clients of several networks, whom the flood does not claim to be, each with a call of its own, which
/// it repeats.
fn client_call(client: u32) -> (Address, u32) {
    let random = hash(client.into(), 4);
    (
        v4(0x0a00_0000 | random as u32 & 0x00ff_ffff),
        (random >> 32) as u32,
    )
}

/// Any address but those of the clients.
fn random(number: u64) -> Address {
    v4(0x4000_0000 | hash(number, 5) as u32 >> 1)
}

/// What most floods send: one call for all.
fn repeating(number: u64) -> (Address, u32) {
    (random(number), 0x1aa9_ffe1)
}

/// Each packet with a call of its own.
fn varying(number: u64) -> (Address, u32) {
    (random(number), hash(number, 7) as u32)
}

/// A thousand spoofed victims, with one call for all.
fn victims(number: u64) -> (Address, u32) {
    repeating(hash(number, 6) % 1_000)
}

/// The same, and each packet with a call of its own.
fn varying_victims(number: u64) -> (Address, u32) {
    (victims(number).0, varying(number).1)
}

/// Nearly all calls of rpcinfo get a reply, to the `call`th call at the latest. What mount.nfs experiences
/// is printed: it gives up after three seconds, and begins again.
fn is_survived(name: &str, rate: u64, call: usize, spoofed: impl Fn(u64) -> (Address, u32)) {
    for client in [RPCINFO, MOUNT] {
        let Experience { served_by, flooded } = flood(client, rate, &spoofed);
        println!(
            "{rate}/s, {name}: {} is served by its first to fourth call with a chance of \
             {served_by:.2?}; the flood gets {flooded:.0}/s",
            client.name
        );
        let survived = client.name != RPCINFO.name || served_by[call - 1] >= 0.95;
        assert!(survived, "{name}: {served_by:?}");
        assert!(flooded <= 240.0, "{name}: the flood gets {flooded}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn clients_survive_random_sources_with_one_call() {
    is_survived("random sources, one call", 100_000, 1, repeating);
    is_survived("random sources, one call", 1_000_000, 1, repeating);
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn clients_survive_random_sources_with_random_calls() {
    is_survived("random sources, random calls", 100_000, 3, varying);
    is_survived("random sources, random calls", 1_000_000, 4, varying);
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn clients_survive_a_thousand_victims() {
    is_survived("1,000 victims, one call", 1_000_000, 1, victims);
    is_survived("1,000 victims, random calls", 1_000_000, 4, varying_victims);
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn a_client_that_was_served_before_is_served_at_once() {
    let limiter = Limiter::by_default();
    let clients = 100;
    let served = |client: u32| {
        let (source, call) = client_call(client);
        limiter.admits_call(source, call)
    };
    // Twice, some seconds apart: once may be the beginning of a flood.
    for client in (0..clients).chain(0..clients) {
        assert!(served(client));
        limiter.pass_time(SECOND / 10);
    }
    // In the flood, one after the other comes back; a second later, with five calls at once.
    let mut first = 0;
    let mut at_once = 0;
    let mut next = [0; 2];
    for packet in 0..1_300_000 {
        let (source, call) = repeating(packet);
        limiter.admits_call(source, call);
        limiter.pass_time(10_000);
        if packet % 10_000 != 0 {
            continue;
        }
        if packet >= 100_000 && next[0] < clients {
            first += u32::from(served(next[0]));
            next[0] += 1;
        }
        if packet >= 300_000 && next[1] < clients {
            at_once += (0..5).filter(|_| served(next[1])).count();
            next[1] += 1;
        }
    }
    println!(
        "of {clients} clients known before the flood, {first} are served by their first call, and of \
         five calls at once each then gets {:.1}",
        at_once as f64 / f64::from(clients)
    );
    assert!(first >= 95, "{first}");
}
