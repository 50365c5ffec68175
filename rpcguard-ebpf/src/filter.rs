//! Decide, count, act.

use aya_ebpf::{
    bindings::xdp_action, helpers::generated::bpf_get_smp_processor_id, programs::XdpContext,
};
use rpcguard_common::{
    abi::{Counter, Counters, hits_index},
    glance::{Glance, glance},
    parse::LinkLayer,
    policy::{Arrival, Outcome, Tables as _, decide, judge},
    reason::Action,
    rpc::Request,
};

use crate::{
    ctx::{FragsPacket, LinearPacket, wire_len},
    maps::{COUNTERS, ETHERNET, HITS},
    sampling::{Drop, sample},
    tables::KernelTables,
};

/// The whole of the filter, for frames in one buffer.
#[inline(always)]
pub(crate) fn linear(ctx: &XdpContext) -> u32 {
    run(
        ctx,
        |tables| decide(&LinearPacket::new(ctx), link(), tables),
        || LinearPacket::new(ctx).len(),
    )
}

/// The whole of the filter, for frames in several buffers.
#[inline(always)]
pub(crate) fn frags(ctx: &XdpContext) -> u32 {
    run(
        ctx,
        |tables| match FragsPacket::new(ctx) {
            Ok(packet) => decide(&packet, link(), tables),
            Err(packet) => decide(&packet, link(), tables),
        },
        || wire_len(ctx),
    )
}

/// Looks at the first buffer at a glance, and asks `decide` if that does not tell.
///
/// The packet's bounds are read from the context where they are needed: that spares every packet
/// from keeping them for the few that go all the way.
#[inline(always)]
fn run(
    ctx: &XdpContext,
    decide: impl FnOnce(&KernelTables) -> Option<Outcome>,
    wire_len: impl Fn() -> u64,
) -> u32 {
    let glance = glance(&LinearPacket::new(ctx), link());
    if glance == Glance::Other {
        return xdp_action::XDP_PASS;
    }
    let Some(tables) = KernelTables::current() else {
        return xdp_action::XDP_PASS;
    };
    let outcome = match glance {
        Glance::Udp { port, .. } if !tables.guards_port(port) => None,
        // A call may go on in another buffer, which only the parser's reader can see.
        Glance::Udp {
            network, datagram, ..
        } if wire_len() == LinearPacket::new(ctx).len() => {
            let packet = LinearPacket::new(ctx);
            let request = Request::read(&packet, datagram);
            let arrival = Arrival {
                network,
                transport: datagram.offset,
                request,
            };
            judge(&packet, arrival, &tables)
        }
        Glance::Udp { .. } | Glance::Unclear | Glance::Other => decide(&tables),
    };
    let Some(outcome) = outcome else {
        return xdp_action::XDP_PASS;
    };
    let observed = tables.observes();
    let action = match outcome.reason.action() {
        Action::Drop if observed => Action::Pass,
        action => action,
    };
    count(ctx, &tables, outcome, action, wire_len());
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
fn count(ctx: &XdpContext, tables: &KernelTables, outcome: Outcome, action: Action, bytes: u64) {
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
        let drop = Drop {
            outcome,
            bytes,
            observed: action == Action::Pass,
        };
        sample(ctx, &mut counters.sampler, tables, &drop);
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
