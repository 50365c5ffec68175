//! What is told of single drops.

/// Bytes of the ring buffer of events.
pub const EVENTS_SIZE: u32 = 1 << 16;

/// A dropped packet that was sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// When, in nanoseconds of the kernel's monotonic clock.
    pub time: u64,
    /// Drops of this CPU since its last event, this one included.
    pub drops: u64,
    /// The source address in wire order; IPv4 in the first four bytes.
    pub source: [u8; 16],
    /// Bytes of the frame.
    pub length: u32,
    /// The IP version of the source: 4 or 6.
    pub version: u8,
    /// The number of the [`Reason`](crate::reason::Reason).
    pub reason: u8,
    /// The number of the [`Request`](crate::rpc::Request).
    pub request: u8,
    /// 1 if the packet was passed all the same, because the guard observes.
    pub observed: u8,
}

impl Event {
    /// Reads an event as the ring buffer has it, in the order of this machine; `None` if there are
    /// too few bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; size_of::<Self>()] = bytes.first_chunk()?;
        let (time, rest) = bytes.split_first_chunk()?;
        let (drops, rest) = rest.split_first_chunk()?;
        let (source, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let &[version, reason, request, observed] = rest else {
            return None;
        };
        Some(Self {
            time: u64::from_ne_bytes(*time),
            drops: u64::from_ne_bytes(*drops),
            source: *source,
            length: u32::from_ne_bytes(*length),
            version,
            reason,
            request,
            observed,
        })
    }
}

const _: () = {
    assert!(size_of::<Event>() == 40);
};
