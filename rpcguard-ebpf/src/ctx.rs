//! [`PacketReader`]s over an XDP context.
#![expect(
    unsafe_code,
    reason = "packet bytes are only to be had through pointers"
)]

use core::mem::MaybeUninit;

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_xdp_get_buff_len, bpf_xdp_load_bytes},
    programs::XdpContext,
};
use rpcguard_common::packet::{MAX_READ_OFFSET, PacketReader};

use crate::maps::{SCRATCH, Scratch};

/// A packet whose length on the wire is known.
pub(crate) trait WirePacket: PacketReader {
    /// Bytes on the wire, all buffers together.
    fn wire_len(&self) -> u64;
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
}

impl PacketReader for LinearPacket {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        if offset > MAX_READ_OFFSET {
            return None;
        }
        let start = self.data + offset;
        if start + N > self.data_end {
            return None;
        }
        // SAFETY: start..start + N lies between data and data_end, as just checked (and as the
        // verifier checks again); a byte array has no alignment or validity to uphold.
        Some(unsafe { (start as *const [u8; N]).read() })
    }

    #[inline(always)]
    fn widen(&self, offset: usize) -> usize {
        widen(offset)
    }
}

impl WirePacket for LinearPacket {
    #[inline(always)]
    fn wire_len(&self) -> u64 {
        (self.data_end - self.data) as u64
    }
}

/// A frame in several buffers, of which only the first could be read directly: its beginning is
/// copied to scratch memory.
///
/// The copy costs some 100 ns, on jumbo frames only. Reading piece by piece through the helper would
/// cost less, and give the verifier 30 times as many states.
pub(crate) struct FragsPacket {
    scratch: *const Scratch,
    len: usize,
    wire_len: u64,
}

impl FragsPacket {
    /// `Err` with the cheaper reader if the frame is in one buffer after all.
    #[inline(always)]
    pub(crate) fn new(ctx: &XdpContext) -> Result<Self, LinearPacket> {
        let linear = LinearPacket::new(ctx);
        // SAFETY: the context is the one that the program was called with.
        let wire_len = unsafe { bpf_xdp_get_buff_len(ctx.as_ptr().cast()) };
        if wire_len == linear.wire_len() {
            return Err(linear);
        }
        // Neither of the two happens; the packet would then be read as far as its first buffer goes.
        let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
            return Err(linear);
        };
        // The verifier wants to hear that it is not zero.
        let len = wire_len.clamp(1, size_of::<Scratch>() as u64) as usize;
        // SAFETY: the helper writes at most `len` bytes to `scratch`, which has as many and is this
        // CPU's own while the program runs.
        let result =
            unsafe { bpf_xdp_load_bytes(ctx.as_ptr().cast(), 0, scratch.cast(), len as u32) };
        if result != 0 {
            return Err(linear);
        }
        Ok(Self {
            scratch,
            len,
            wire_len,
        })
    }
}

impl PacketReader for FragsPacket {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        const { assert!(MAX_READ_OFFSET + N <= size_of::<Scratch>()) }
        if offset > MAX_READ_OFFSET || offset + N > self.len {
            return None;
        }
        // SAFETY: inside the scratch memory, as just checked.
        let start = unsafe { self.scratch.cast::<u8>().add(offset) };
        // SAFETY: N bytes are there, and a byte array has no alignment or validity to uphold.
        Some(unsafe { start.cast::<[u8; N]>().read() })
    }

    #[inline(always)]
    fn widen(&self, offset: usize) -> usize {
        widen(offset)
    }
}

impl WirePacket for FragsPacket {
    #[inline(always)]
    fn wire_len(&self) -> u64 {
        self.wire_len
    }
}

/// See [`PacketReader::widen`].
#[inline(always)]
fn widen(offset: usize) -> usize {
    /// The verifier tracks what is spilled to a whole, aligned stack slot, and of half a slot only
    /// that it was written.
    #[repr(C, align(8))]
    struct Slot {
        _first_half: MaybeUninit<u32>,
        second_half: u32,
    }
    let mut slot = Slot {
        _first_half: MaybeUninit::uninit(),
        second_half: 0,
    };
    let second_half = &raw mut slot.second_half;
    // SAFETY: the pointer is to a live local.
    unsafe { second_half.write_volatile(offset as u32) };
    // SAFETY: as above.
    unsafe { second_half.read_volatile() as usize }
}
