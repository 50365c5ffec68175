//! Programs of the test lab: bare verdicts to measure against.

#![no_std]
#![no_main]

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};

/// Passes everything.
#[xdp]
pub fn pass(_: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// Drops everything.
#[xdp]
pub fn drop(_: XdpContext) -> u32 {
    xdp_action::XDP_DROP
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
