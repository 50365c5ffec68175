//! Decide, count, act.

use aya_ebpf::{
    bindings::{xdp_action, xdp_md},
    helpers::generated::bpf_get_smp_processor_id,
    programs::XdpContext,
};
use rpcguard_common::{
    abi::{Counter, Counters, hits_index},
    glance::{Onlooker, Plain, glance},
    parse::LinkLayer,
    policy::{Arrival, Outcome, Tables as _, decide, is_to_guarded, judge},
    reason::Action,
    rpc::Request,
};

use crate::{
    ctx::{FragsPacket, LinearPacket, wire_len},
    maps::{COUNTERS, ETHERNET, HITS},
    sampling::{sample, what},
    tables::KernelTables,
};

/// The whole of the filter, for frames in one buffer.
///
/// What nobody waits for is in functions of its own: a call costs as much as all the rest of a packet of
/// others, because some processors cannot foretell where it returns to.
#[inline(always)]
pub(crate) fn linear(ctx: &XdpContext) -> u32 {
    glance(&LinearPacket::new(ctx), link(), &Filter::<false>(ctx))
}

/// The whole of the filter, for frames in several buffers.
#[inline(always)]
pub(crate) fn frags(ctx: &XdpContext) -> u32 {
    glance(&LinearPacket::new(ctx), link(), &Filter::<true>(ctx))
}

/// What is done with a frame, which may be in several buffers if `FRAGS`.
struct Filter<'a, const FRAGS: bool>(&'a XdpContext);

impl<const FRAGS: bool> Onlooker for Filter<'_, FRAGS> {
    type Answer = u32;

    #[inline(always)]
    fn other(&self) -> u32 {
        xdp_action::XDP_PASS
    }

    #[inline(always)]
    fn udp(&self, plain: Plain, port: u16) -> Option<u32> {
        let tables = KernelTables::current();
        if !tables.guards_port(port) {
            return Some(xdp_action::XDP_PASS);
        }
        // A call may go on in another buffer, which only the parser's reader can see.
        if FRAGS && wire_len(self.0) != LinearPacket::new(self.0).len() {
            return None;
        }
        Some(judge_plain(self.0, &tables, plain))
    }

    #[inline(always)]
    fn may_guard(&self, port: u16) -> bool {
        KernelTables::current().may_guard_port(port)
    }

    #[inline(always)]
    fn unclear(&self) -> u32 {
        if FRAGS {
            whole_frags(self.0.ctx)
        } else {
            whole(self.0.ctx)
        }
    }
}

/// A packet to a guarded port, in which everything is where it usually is.
#[inline(always)]
fn judge_plain(ctx: &XdpContext, tables: &KernelTables, plain: Plain) -> u32 {
    let packet = LinearPacket::new(ctx);
    if !is_to_guarded(&packet, plain.network(), tables) {
        return xdp_action::XDP_PASS;
    }
    let Some(datagram) = plain.datagram(&packet) else {
        return xdp_action::XDP_PASS;
    };
    let arrival = Arrival {
        network: plain.network(),
        transport: datagram.offset,
        request: Request::read(&packet, datagram),
    };
    match judge(&packet, arrival, tables) {
        Some(outcome) => act(ctx, tables, outcome, packet.len()),
        None => xdp_action::XDP_PASS,
    }
}

/// What it takes the parser to tell.
#[inline(never)]
fn whole(ctx: *mut xdp_md) -> u32 {
    let ctx = &XdpContext::new(ctx);
    let tables = KernelTables::current();
    let packet = LinearPacket::new(ctx);
    match decide(&packet, link(), &tables) {
        Some(outcome) => act(ctx, &tables, outcome, LinearPacket::new(ctx).len()),
        None => xdp_action::XDP_PASS,
    }
}

/// As [`whole`], in one buffer or in several.
#[inline(never)]
fn whole_frags(ctx: *mut xdp_md) -> u32 {
    let ctx = &XdpContext::new(ctx);
    let tables = KernelTables::current();
    let outcome = match FragsPacket::new(ctx) {
        Ok(packet) => decide(&packet, link(), &tables),
        Err(packet) => decide(&packet, link(), &tables),
    };
    match outcome {
        Some(outcome) => act(ctx, &tables, outcome, wire_len(ctx)),
        None => xdp_action::XDP_PASS,
    }
}

#[inline(always)]
fn act(ctx: &XdpContext, tables: &KernelTables, outcome: Outcome, bytes: u64) -> u32 {
    let observed = tables.observes();
    let action = match outcome.reason.action() {
        Action::Drop if observed => Action::Pass,
        action => action,
    };
    count(ctx, outcome, action, bytes);
    log(ctx, outcome);
    match action {
        Action::Drop => xdp_action::XDP_DROP,
        Action::Pass => xdp_action::XDP_PASS,
    }
}

#[inline(always)]
fn link() -> LinkLayer {
    if ETHERNET.load() == 1 {
        LinkLayer::Ethernet
    } else {
        LinkLayer::None
    }
}

#[inline(always)]
fn count(ctx: &XdpContext, outcome: Outcome, action: Action, bytes: u64) {
    let Some(counters) = COUNTERS.get_ptr_mut(0) else {
        return;
    };
    #[expect(unsafe_code, reason = "map values are reached through pointers")]
    // SAFETY: the pointer is to this CPU's element, and a program is not interrupted by another of
    // its kind on the same CPU.
    let counters: &mut Counters = unsafe { &mut *counters };
    add(&mut counters.reasons[outcome.reason.index()], bytes);
    let counter = &mut counters.requests[outcome.request.index()];
    add(
        match action {
            Action::Pass => &mut counter.passed,
            Action::Drop => &mut counter.dropped,
        },
        bytes,
    );
    if outcome.reason.action() == Action::Drop && counters.sampler.is_due() {
        sample(ctx.ctx, what(outcome, action == Action::Pass), bytes);
    }
    if outcome.hit_slot == 0 {
        return;
    }
    #[expect(unsafe_code, reason = "a helper call")]
    // SAFETY: the helper takes nothing and only tells a number.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    if let Some(hits) = HITS.get_ptr_mut(hits_index(cpu, outcome.hit_slot)) {
        #[expect(unsafe_code, reason = "map values are reached through pointers")]
        // SAFETY: the index is this CPU's own, as above.
        let hits = unsafe { &mut *hits };
        add(hits, bytes);
    }
}

#[inline(always)]
const fn add(counter: &mut Counter, bytes: u64) {
    counter.packets = counter.packets.wrapping_add(1);
    counter.bytes = counter.bytes.wrapping_add(bytes);
}

/// One line a decision, if there is to be one of any.
#[cfg(feature = "log")]
#[inline(always)]
fn log(ctx: &XdpContext, outcome: Outcome) {
    if crate::maps::LOG.load() != 0 {
        write_log(ctx.ctx, outcome.reason);
    }
}

#[cfg(feature = "log")]
#[inline(never)]
fn write_log(ctx: *mut xdp_md, reason: rpcguard_common::reason::Reason) {
    let ctx = &XdpContext::new(ctx);
    match reason.action() {
        Action::Pass => aya_log_ebpf::debug!(ctx, "pass: {}", reason.name()),
        Action::Drop => aya_log_ebpf::info!(ctx, "drop: {}", reason.name()),
    }
}

#[cfg(not(feature = "log"))]
#[inline(always)]
const fn log(_: &XdpContext, _: Outcome) {}
