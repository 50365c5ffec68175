//! Decide, count, act.

use aya_ebpf::{bindings::xdp_action, programs::XdpContext};
use rpcguard_common::{
    abi::Counter,
    parse::LinkLayer,
    policy::{Outcome, decide},
    reason::Action,
};

use crate::{
    ctx::WirePacket,
    maps::{COUNTERS, ETHERNET, HITS},
    tables::KernelTables,
};

/// The whole of the filter, for either kind of packet.
#[inline(always)]
pub(crate) fn run<P: WirePacket>(ctx: &XdpContext, packet: &P) -> u32 {
    let Some(tables) = KernelTables::current() else {
        return xdp_action::XDP_PASS;
    };
    let link = if ETHERNET.load() == 1 {
        LinkLayer::Ethernet
    } else {
        LinkLayer::None
    };
    let Some(outcome) = decide(packet, link, &tables) else {
        return xdp_action::XDP_PASS;
    };
    count(outcome, packet.wire_len());
    log(ctx, outcome);
    match outcome.reason.action() {
        Action::Drop if !tables.observes() => xdp_action::XDP_DROP,
        _ => xdp_action::XDP_PASS,
    }
}

#[inline(always)]
fn count(outcome: Outcome, bytes: u64) {
    if let Some(counters) = COUNTERS.get_ptr_mut(0) {
        #[expect(unsafe_code, reason = "map values are reached through pointers")]
        // SAFETY: the pointer is to this CPU's element, and a program is not interrupted by another
        // of its kind on the same CPU.
        let counters = unsafe { &mut *counters };
        add(&mut counters.reasons[outcome.reason.index()], bytes);
    }
    if outcome.hit_slot != 0
        && let Some(hits) = HITS.get_ptr_mut(outcome.hit_slot)
    {
        #[expect(unsafe_code, reason = "map values are reached through pointers")]
        // SAFETY: as above.
        let hits = unsafe { &mut *hits };
        add(hits, bytes);
    }
}

#[inline(always)]
const fn add(counter: &mut Counter, bytes: u64) {
    counter.packets = counter.packets.wrapping_add(1);
    counter.bytes = counter.bytes.wrapping_add(bytes);
}

/// One line a decision. The level is a load-time constant, off by default, and the verifier then
/// removes all of this.
#[cfg(feature = "log")]
#[inline(always)]
fn log(ctx: &XdpContext, outcome: Outcome) {
    match outcome.reason.action() {
        Action::Pass => aya_log_ebpf::debug!(ctx, "pass: {}", outcome.reason.name()),
        Action::Drop => aya_log_ebpf::info!(ctx, "drop: {}", outcome.reason.name()),
    }
}

#[cfg(not(feature = "log"))]
#[inline(always)]
const fn log(_: &XdpContext, _: Outcome) {}
