//! [`PacketReader`]s over an XDP context.
#![expect(
    unsafe_code,
    reason = "packet bytes are only to be had through pointers"
)]

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_xdp_get_buff_len, bpf_xdp_load_bytes},
    programs::XdpContext,
};
use rpcguard_common::packet::{MAX_READ_OFFSET, PacketReader};

use crate::maps::{COPIED, SCRATCH, Scratch};

/// Bytes on the wire, all buffers together.
#[inline(always)]
pub(crate) fn wire_len(ctx: &XdpContext) -> u64 {
    // SAFETY: the context is the one that the program was called with.
    unsafe { bpf_xdp_get_buff_len(ctx.as_ptr().cast()) }
}

/// A frame that is in one buffer.
pub(crate) struct LinearPacket {
    data: usize,
    data_end: usize,
}

impl LinearPacket {
    #[inline(always)]
    pub(crate) fn new(ctx: &XdpContext) -> Self {
        Self {
            data: ctx.data(),
            data_end: ctx.data_end(),
        }
    }

    /// Bytes in this buffer.
    #[inline(always)]
    pub(crate) const fn len(&self) -> u64 {
        (self.data_end - self.data) as u64
    }
}

impl PacketReader for LinearPacket {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let start = self.data + bounded(offset);
        if start + N > self.data_end {
            return None;
        }
        // SAFETY: start..start + N lies between data and data_end, as just checked (and as the
        // verifier checks again); a byte array has no alignment or validity to uphold.
        Some(unsafe { (start as *const [u8; N]).read() })
    }

    #[inline(always)]
    fn reaches(&self, length: usize) -> bool {
        self.len() >= length as u64
    }

    #[inline(always)]
    fn widen(&self, offset: usize) -> usize {
        widen(offset)
    }
}

/// A frame in several buffers, of which only the first could be read directly: its beginning is
/// copied to scratch memory.
///
/// The copy costs time on jumbo frames only. Reading piece by piece through the helper was tried, and
/// gave the verifier twenty times as many instructions to follow.
pub(crate) struct FragsPacket {
    scratch: *const Scratch,
    /// Bytes that were copied.
    len: usize,
    wire_len: u64,
}

impl FragsPacket {
    /// `Err` with the cheaper reader if the frame is in one buffer after all.
    #[inline(always)]
    pub(crate) fn new(ctx: &XdpContext) -> Result<Self, LinearPacket> {
        let linear = LinearPacket::new(ctx);
        let wire_len = wire_len(ctx);
        if wire_len == linear.len() {
            return Err(linear);
        }
        // None of these happens; the packet would then be read as far as its first buffer goes.
        let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
            return Err(linear);
        };
        // The verifier wants to hear that it is not zero, and that of Linux 6.1 does not understand it
        // from a comparison with zero. So it sees where the last byte is, which was never compared.
        let last = widen((wire_len - 1).min(COPIED as u64 - 1) as usize);
        if last >= COPIED {
            return Err(linear);
        }
        let len = last + 1;
        // SAFETY: the helper writes at most `len` bytes to `scratch`, which has as many and is this
        // CPU's own while the program runs.
        let result =
            unsafe { bpf_xdp_load_bytes(ctx.as_ptr().cast(), 0, scratch.cast(), len as u32) };
        if result != 0 {
            return Err(linear);
        }
        Ok(Self {
            scratch,
            // The compiler would conclude from its bound that offsets need none.
            len: widen(len),
            wire_len,
        })
    }
}

impl PacketReader for FragsPacket {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        const { assert!(bounded(usize::MAX) + N <= size_of::<Scratch>()) }
        if offset + N > self.len {
            return None;
        }
        // SAFETY: inside the scratch memory, as just checked.
        let start = unsafe { self.scratch.cast::<u8>().add(bounded(offset)) };
        // SAFETY: N bytes are there, and a byte array has no alignment or validity to uphold.
        Some(unsafe { start.cast::<[u8; N]>().read() })
    }

    #[inline(always)]
    fn reaches(&self, length: usize) -> bool {
        self.wire_len >= length as u64
    }

    #[inline(always)]
    fn widen(&self, offset: usize) -> usize {
        widen(offset)
    }
}

/// An offset that is at most [`MAX_READ_OFFSET`] as it is, but so that the verifier sees a bound.
///
/// A comparison would tell it too, of the register that was compared: the compiler may go on with a copy from
/// before, of which Linux 6.12 and older know nothing.
#[inline(always)]
const fn bounded(offset: usize) -> usize {
    offset & ((MAX_READ_OFFSET + 1).next_power_of_two() - 1)
}

/// See [`PacketReader::widen`].
///
/// The verifier remembers what was stored to a stack slot for loads of the whole slot and of its
/// lower half. Of the upper half it only knows that it was written.
#[inline(always)]
pub(crate) fn widen(offset: usize) -> usize {
    const UPPER_HALF: usize = 1;
    let mut slot = 0_u64;
    let slot = &raw mut slot;
    // SAFETY: the pointer is to a live local.
    unsafe { slot.write_volatile((offset as u64) << 32) };
    // SAFETY: it lies in the slot. The target is little endian.
    let upper_half = unsafe { slot.cast::<u32>().add(UPPER_HALF) };
    // SAFETY: as above.
    unsafe { upper_half.read_volatile() as usize }
}
