//! Programs of the test lab: bare verdicts to measure against, a flood, a counter of what the flood
//! makes a portmapper reflect, and one that shows another program frames of many sources.

#![no_std]
#![no_main]
#![expect(
    clippy::needless_pass_by_value,
    reason = "the entry points that the macro makes hand the context over"
)]

mod bytes;
mod flood;
mod reflections;
mod replay;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use network_types::{
    eth::{EthHdr, EtherType},
    ip::IpProto,
};

/// Passes everything.
#[xdp]
fn pass(_: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// Drops everything.
#[xdp]
fn drop(_: XdpContext) -> u32 {
    xdp_action::XDP_DROP
}

/// Drops UDP over IPv4, and passes everything else.
#[xdp]
fn drop_udp(ctx: XdpContext) -> u32 {
    match is_udp(&ctx) {
        Some(true) => xdp_action::XDP_DROP,
        _ => xdp_action::XDP_PASS,
    }
}

/// `None` for what is too short to tell.
#[inline(always)]
fn is_udp(ctx: &XdpContext) -> Option<bool> {
    const IPV4: u16 = EtherType::Ipv4 as u16;
    const PROTOCOL: usize = EthHdr::LEN + 9;
    let ether_type = u16::from_ne_bytes(bytes::read(ctx, 12)?);
    let [protocol] = bytes::read(ctx, PROTOCOL)?;
    Some(ether_type == IPV4 && protocol == IpProto::Udp as u8)
}

/// Sends a frame back out of the interface that it came in by, with another source address.
#[xdp]
fn flood(ctx: XdpContext) -> u32 {
    match flood::change_source(&ctx) {
        Some(()) => xdp_action::XDP_TX,
        None => xdp_action::XDP_ABORTED,
    }
}

/// Counts and drops UDP datagrams from the portmapper's port; passes everything else.
#[xdp]
fn count_reflections(ctx: XdpContext) -> u32 {
    match reflections::count(&ctx) {
        Some(()) => xdp_action::XDP_DROP,
        None => xdp_action::XDP_PASS,
    }
}

/// Shows a frame from the next of many sources to another program.
#[xdp]
fn replay(ctx: XdpContext) -> u32 {
    if replay::change_source(&ctx).is_some() {
        replay::go_on(&ctx);
    }
    xdp_action::XDP_ABORTED
}

#[expect(unsafe_code, reason = "link_section is unsafe to use")]
// SAFETY: the kernel and libbpf expect a NUL-terminated string in a section of this name.
#[unsafe(link_section = "license")]
#[used]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
