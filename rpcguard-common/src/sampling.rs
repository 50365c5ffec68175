//! Which drops are looked at closely, and what is made of them.
//!
//! To account for the source of every drop would cost more than the rest of the filter. So one drop
//! of a stretch is taken for all of them, at random, and the longer the stretch the faster they come:
//! a few drops a second are all looked at, and of a flood, one in [`MAX_STRETCH`].

use crate::{
    abi::{Sampler, SourceEntry, SourceSet},
    gcra,
    policy::Address,
};

/// The most drops that one sample stands for.
pub const MAX_STRETCH: u32 = 128;

/// So many samples in a row that come faster than so many nanoseconds make stretches longer...
const MANY: u32 = 64;
/// See [`MANY`].
const TOO_FAST: u64 = 20_000;
/// ... one that comes slower than this makes them shorter...
const TOO_SLOW: u64 = 100_000;
/// ... and after such a pause every drop is looked at again.
const PAUSE: u64 = 100_000_000;

/// Each CPU tells of at most so many drops a second...
const EVENTS_PER_SECOND: u64 = 500;
/// ... and of so many at once, in a ring buffer that has room for those of two CPUs.
const EVENT_BURST: u32 = 500;
/// The same as a limit of [`gcra`], in nanoseconds.
pub const EVENT_PERIOD: u64 = 1_000_000_000 / EVENTS_PER_SECOND;
/// See [`EVENT_PERIOD`].
pub const EVENT_TOLERANCE: u64 = gcra::tolerance(EVENT_BURST, EVENT_PERIOD);

impl Sampler {
    /// Whether this drop is to be looked at: then [`Self::sample`] must follow.
    #[inline(always)]
    pub const fn is_due(&mut self) -> bool {
        if self.countdown != 0 {
            self.countdown -= 1;
            return false;
        }
        true
    }

    /// Begins the next stretch; returns how many drops the sample stands for.
    #[inline(always)]
    pub const fn sample(&mut self, now: u64, random: u32) -> u32 {
        let weight = if self.stretch == 0 { 1 } else { self.stretch };
        let pause = now.wrapping_sub(self.sampled_at);
        self.fast = if pause < TOO_FAST {
            self.fast.wrapping_add(1)
        } else {
            0
        };
        let stretch = if self.fast >= MANY && weight < MAX_STRETCH {
            self.fast = 0;
            weight << 1
        } else if pause > PAUSE {
            1
        } else if pause > TOO_SLOW && weight > 1 {
            weight >> 1
        } else {
            weight
        };
        let position = random & (stretch - 1);
        // What is left of this stretch comes first.
        self.countdown = self.rest + position;
        self.rest = stretch - 1 - position;
        self.stretch = stretch;
        self.sampled_at = now;
        self.untold = self.untold.wrapping_add(weight as u64);
        weight
    }
}

/// By what sources are added up. The numbers are part of the kernel ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Aggregate {
    /// IPv4 addresses.
    HostV4 = 0,
    /// IPv4 /24.
    NeighbourhoodV4 = 1,
    /// IPv6 /64.
    HostV6 = 2,
    /// IPv6 /48.
    NeighbourhoodV6 = 3,
}

impl Aggregate {
    /// Every aggregate, in the order of its number.
    pub const ALL: [Self; 4] = [
        Self::HostV4,
        Self::NeighbourhoodV4,
        Self::HostV6,
        Self::NeighbourhoodV6,
    ];

    /// The length of its prefixes, in bits.
    #[must_use]
    pub const fn length(self) -> u8 {
        match self {
            Self::HostV4 => 32,
            Self::NeighbourhoodV4 => 24,
            Self::HostV6 => 64,
            Self::NeighbourhoodV6 => 48,
        }
    }

    /// What a source is added up under: its own prefix, then its neighbourhood's, each as
    /// [`SourceEntry::prefix`] has it.
    #[inline(always)]
    #[must_use]
    pub const fn of(source: Address) -> [(Self, u64); 2] {
        match source {
            Address::V4(address) => {
                let address = u32::from_be_bytes(address) as u64;
                [
                    (Self::HostV4, address),
                    (Self::NeighbourhoodV4, address & !0xff),
                ]
            }
            Address::V6([a, b, c, d, e, f, g, h, ..]) => {
                let prefix = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                [
                    (Self::HostV6, prefix),
                    (Self::NeighbourhoodV6, prefix & !0xffff),
                ]
            }
        }
    }
}

impl SourceSet {
    /// Adds drops to a source's entry. One that has none takes over that of the source with the
    /// fewest packets, and its packets with it: too many rather than too few.
    #[inline(always)]
    pub fn add(&mut self, prefix: u64, packets: u64, bytes: u64) {
        let mut fewest = 0;
        let mut index = 0;
        while index < self.entries.len() {
            let entry = &mut self.entries[index];
            if entry.prefix == prefix && entry.packets != 0 {
                entry.packets = entry.packets.wrapping_add(packets);
                entry.bytes = entry.bytes.wrapping_add(bytes);
                return;
            }
            if entry.packets < self.entries[fewest].packets {
                fewest = index;
            }
            index += 1;
        }
        let excess = self.entries[fewest].packets;
        self.entries[fewest] = SourceEntry {
            prefix,
            packets: excess.wrapping_add(packets),
            excess,
            bytes,
        };
    }
}
