//! Bounds-checked access to packet bytes.

/// The largest offset at which a header may begin, in bytes from the start of the frame.
///
/// The BPF verifier only follows packet offsets that it can bound. Eight extension headers can in
/// theory span 16 KiB, but no link that XDP runs on carries a frame beyond 9 KiB or so, and nobody
/// sends a header chain a quarter that long: what goes past this is [undecidable].
///
/// [undecidable]: crate::reason::Reason::Undecidable
pub const MAX_HEADER_OFFSET: usize = 0x0fff;

/// The largest offset that can be read: as far into a call whose UDP header begins at
/// [`MAX_HEADER_OFFSET`] as the end of the longest credential.
pub const MAX_READ_OFFSET: usize = MAX_HEADER_OFFSET + 0x1c0;

/// Reads bytes of one packet.
pub trait PacketReader {
    /// Copies the `N` bytes that begin `offset` bytes into the packet, in wire order.
    ///
    /// `None` if the packet ends before `offset + N`. Nobody asks beyond [`MAX_READ_OFFSET`]: a reader may rely
    /// on it, and what it answers then says nothing.
    ///
    /// `N` is two or more: the verifier draws no conclusion from the check for a single byte.
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// Whether the packet has this many bytes.
    fn reaches(&self, length: usize) -> bool;

    /// Returns `offset`, having made the BPF verifier forget what it knows about it.
    ///
    /// The verifier follows every distinct state to the end of the program: five VLAN depths times
    /// nine extension header counts, each with offsets of its own, are 100,000 instructions to
    /// verify. Where all it knows is an upper bound, the states are equal and followed once.
    #[inline(always)]
    fn widen(&self, offset: usize) -> usize {
        offset
    }
}

/// A [`PacketReader`] over a slice: the host's side of the differential tests.
#[derive(Clone, Copy, Debug)]
pub struct SliceReader<'a>(pub &'a [u8]);

impl PacketReader for SliceReader<'_> {
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        if offset > MAX_READ_OFFSET {
            return None;
        }
        self.0.get(offset..)?.first_chunk().copied()
    }

    fn reaches(&self, length: usize) -> bool {
        self.0.len() >= length
    }
}
