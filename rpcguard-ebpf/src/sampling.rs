//! What is made of the drops that are looked at closely.
#![expect(
    unsafe_code,
    reason = "helpers are foreign functions; map values are reached through pointers"
)]

use aya_ebpf::{
    bindings::xdp_md,
    helpers::generated::{bpf_get_prandom_u32, bpf_get_smp_processor_id, bpf_ktime_get_ns},
    programs::XdpContext,
};
use rpcguard_common::{
    abi::{Event, Sampler, SourceSet, sources_index},
    gcra,
    hash::hash,
    parse::Network,
    policy::{Address, Outcome, source},
    rpc::Request,
    sampling::{Aggregate, EVENT_PERIOD, EVENT_TOLERANCE},
};

use crate::{
    ctx::LinearPacket,
    maps::{COUNTERS, EVENTS, SEED, SOURCES},
    tables::KernelTables,
};

/// A drop that was chosen, in a number.
///
/// Reason, request, whether it passes all the same because the guard observes, IP version, and where
/// the network header is.
#[inline(always)]
pub(crate) fn what(outcome: Outcome, observed: bool) -> u64 {
    let (version, offset) = match outcome.network {
        Network::V4(offset) => (4, offset),
        Network::V6(offset) => (6, offset),
    };
    outcome.reason.index() as u64
        | (outcome.request.index() as u64) << 8
        | u64::from(observed) << 16
        | version << 24
        | (offset as u64) << 32
}

/// Adds a sample, of so many bytes, to the counts of its source, and tells of it if anybody listens.
#[inline(never)]
pub(crate) fn sample(ctx: *mut xdp_md, what: u64, length: u64) {
    let ctx = &XdpContext::new(ctx);
    let Some(counters) = COUNTERS.get_ptr_mut(0) else {
        return;
    };
    let tables = KernelTables::current();
    // SAFETY: this CPU's element.
    let sampler = unsafe { &mut (*counters).sampler };
    let [reason, request, observed, version, ..] = what.to_le_bytes();
    let offset = (what >> 32) as usize;
    // SAFETY: the helper takes nothing and only tells a number.
    let now = unsafe { bpf_ktime_get_ns() };
    // SAFETY: as above.
    let random = unsafe { bpf_get_prandom_u32() };
    let weight = u64::from(sampler.sample(now, random));
    if usize::from(request) == Request::UNKNOWN.index() {
        return;
    }
    let network = if version == 4 {
        Network::V4(offset)
    } else {
        Network::V6(offset)
    };
    // Headers are in the first buffer.
    let Some(source) = source(&LinearPacket::new(ctx), network) else {
        return;
    };
    let bytes = length.wrapping_mul(weight);
    for (aggregate, prefix) in Aggregate::of(source) {
        add(aggregate, prefix, weight, bytes);
    }
    if !tables.wants_events(now) {
        sampler.untold = 0;
    } else if gcra::conforms(sampler.events, now, EVENT_TOLERANCE) {
        let (version, source) = match source {
            Address::V4([a, b, c, d]) => (4, [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            Address::V6(address) => (6, address),
        };
        tell(
            sampler,
            Event {
                time: now,
                drops: sampler.untold,
                source,
                length: length as u32,
                version,
                reason,
                request,
                observed,
            },
        );
    }
}

#[inline(always)]
fn add(aggregate: Aggregate, prefix: u64, packets: u64, bytes: u64) {
    // SAFETY: the helper takes nothing and only tells a number.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let index = sources_index(cpu, aggregate as u32, hash(prefix, SEED.load()) as u32);
    if let Some(set) = SOURCES.get_ptr_mut(index) {
        // SAFETY: the index is this CPU's own, and a program is not interrupted by another of its
        // kind on the same CPU.
        let set: &mut SourceSet = unsafe { &mut *set };
        set.add(prefix, packets, bytes);
    }
}

/// Sends an event; one that finds no room counts as untold.
#[inline(always)]
fn tell(sampler: &mut Sampler, event: Event) {
    let Some(mut room) = EVENTS.reserve_untyped::<Event>(0) else {
        return;
    };
    room.write(event);
    room.submit(0);
    sampler.untold = 0;
    sampler.events = gcra::charged(sampler.events, event.time, EVENT_PERIOD);
}
