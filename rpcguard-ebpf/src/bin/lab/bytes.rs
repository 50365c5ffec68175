//! Bytes of a frame in one buffer.
#![expect(
    unsafe_code,
    reason = "packet bytes are only to be had through pointers"
)]

use aya_ebpf::programs::XdpContext;

/// The bytes of a value that begins `offset` bytes into the frame, in wire order; `None` if the
/// frame is shorter.
#[inline(always)]
pub(crate) fn read<const N: usize>(ctx: &XdpContext, offset: usize) -> Option<[u8; N]> {
    let at = within::<N>(ctx, offset)?;
    // SAFETY: the bytes lie in the frame, as just checked; an array of bytes needs no alignment.
    Some(unsafe { at.read() })
}

/// Writes as [`read`] reads.
#[inline(always)]
pub(crate) fn write<const N: usize>(ctx: &XdpContext, offset: usize, bytes: [u8; N]) -> Option<()> {
    let at = within::<N>(ctx, offset)?;
    // SAFETY: as in `read`; nothing else refers to the frame.
    unsafe { at.write(bytes) };
    Some(())
}

#[inline(always)]
fn within<const N: usize>(ctx: &XdpContext, offset: usize) -> Option<*mut [u8; N]> {
    let start = ctx.data() + offset;
    (start + N <= ctx.data_end()).then_some(start as *mut [u8; N])
}
