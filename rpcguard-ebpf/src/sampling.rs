//! What is made of the drops that are looked at closely.
#![expect(
    unsafe_code,
    reason = "helpers are foreign functions; map values are reached through pointers"
)]

use aya_ebpf::{
    helpers::generated::{bpf_get_prandom_u32, bpf_get_smp_processor_id, bpf_ktime_get_ns},
    programs::XdpContext,
};
use rpcguard_common::{
    abi::{Event, Sampler, SourceSet, sources_index},
    gcra,
    hash::hash,
    policy::{Outcome, Source, source},
    rpc::Request,
    sampling::{Aggregate, EVENT_PERIOD, EVENT_TOLERANCE},
};

use crate::{
    ctx::{LinearPacket, widen},
    maps::{EVENTS, SEED, SOURCES},
    tables::KernelTables,
};

/// A drop that was chosen.
pub(crate) struct Drop {
    pub(crate) outcome: Outcome,
    pub(crate) bytes: u64,
    /// Whether the packet passes all the same, because the guard observes.
    pub(crate) observed: bool,
}

/// Adds a sample to the counts of its source, and tells of it if anybody listens.
#[inline(always)]
pub(crate) fn sample(ctx: &XdpContext, sampler: &mut Sampler, tables: &KernelTables, drop: &Drop) {
    // The numbers of reason and request, in one that the verifier knows nothing about: for it, there
    // is one kind of drop.
    let outcome = drop.outcome;
    let what = widen(outcome.reason.index() | outcome.request.index() << 8);
    // SAFETY: the helper takes nothing and only tells a number.
    let now = unsafe { bpf_ktime_get_ns() };
    // SAFETY: as above.
    let random = unsafe { bpf_get_prandom_u32() };
    let weight = u64::from(sampler.sample(now, random));
    let [reason, request, ..] = what.to_le_bytes();
    if usize::from(request) == Request::UNKNOWN.index() {
        return;
    }
    // Headers are in the first buffer.
    let Some(source) = source(&LinearPacket::new(ctx), outcome.network) else {
        return;
    };
    let bytes = drop.bytes.wrapping_mul(weight);
    for (aggregate, prefix) in Aggregate::of(source) {
        add(aggregate, prefix, weight, bytes);
    }
    if !tables.wants_events(now) {
        sampler.untold = 0;
    } else if gcra::conforms(sampler.events, now, EVENT_TOLERANCE) {
        let (version, source) = match source {
            Source::V4([a, b, c, d]) => (4, [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            Source::V6(address) => (6, address),
        };
        tell(
            sampler,
            Event {
                time: now,
                drops: sampler.untold,
                source,
                length: drop.bytes as u32,
                version,
                reason,
                request,
                observed: u8::from(drop.observed),
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
