//! The XDP programs: entry points only.
//!
//! What is decided, and why, is in `rpcguard_common`; here it is given packet bytes and maps.

#![no_std]
#![no_main]
#![expect(
    clippy::needless_pass_by_value,
    reason = "the entry points that the macro makes hand the context over"
)]

mod ctx;
mod filter;
mod limiter;
mod maps;
mod sampling;
mod tables;

use aya_ebpf::{macros::xdp, programs::XdpContext};

/// For frames in one buffer.
#[xdp]
#[inline(always)]
fn rpcguard(ctx: XdpContext) -> u32 {
    filter::linear(&ctx)
}

/// For frames in several buffers.
#[xdp(frags)]
#[inline(always)]
fn rpcguard_frags(ctx: XdpContext) -> u32 {
    filter::frags(&ctx)
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
