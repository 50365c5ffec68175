//! Leave to copy the types of [`abi`](crate::abi) to and from BPF maps byte by byte.
#![expect(unsafe_code, reason = "aya::Pod is an unsafe trait")]

use crate::abi::{Cell, Counter, Counters, End, PrefixEntry, SourceSet, State};

// SAFETY: repr(C), made of integers alone, no padding (asserted by size in abi.rs).
unsafe impl aya::Pod for Counter {}
// SAFETY: as above.
unsafe impl aya::Pod for Counters {}
// SAFETY: as above.
unsafe impl aya::Pod for Cell {}
// SAFETY: as above.
unsafe impl aya::Pod for End {}
// SAFETY: as above.
unsafe impl aya::Pod for SourceSet {}
// SAFETY: as above; Decision is a transparent u32 of which every value is valid.
unsafe impl aya::Pod for PrefixEntry {}
// SAFETY: as above.
unsafe impl aya::Pod for State {}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use crate::abi::{FewPorts, Settings, VacantBlocks};

    /// The bytes of a value, all of which are read. Miri tells padding, which has none to read.
    fn bytes_of<T: aya::Pod>(value: &T) -> Vec<u8> {
        let start = std::ptr::from_ref(value).cast::<u8>();
        // SAFETY: so many bytes are there; that none is padding is what this is about.
        unsafe { std::slice::from_raw_parts(start, size_of::<T>()) }.to_vec()
    }

    /// A value of these bytes, as it comes out of a map.
    fn from_bytes<T: aya::Pod>(bytes: &[u8]) -> T {
        assert_eq!(bytes.len(), size_of::<T>());
        // SAFETY: there are enough bytes, and any are a value.
        unsafe { bytes.as_ptr().cast::<T>().read_unaligned() }
    }

    fn goes_through_bytes<T: aya::Pod + PartialEq + std::fmt::Debug>(value: T) {
        let bytes = bytes_of(&value);
        assert_eq!(from_bytes::<T>(&bytes), value);
        for byte in [0, 0x55, 0xff] {
            let bytes = std::vec![byte; size_of::<T>()];
            let any = from_bytes::<T>(&bytes);
            assert_eq!(bytes_of(&any), bytes);
        }
    }

    #[test]
    fn every_byte_of_these_types_is_of_an_integer() {
        goes_through_bytes(Counter::default());
        goes_through_bytes(Cell::default());
        goes_through_bytes(End::default());
        goes_through_bytes(SourceSet::default());
        goes_through_bytes(PrefixEntry::default());
        goes_through_bytes(State {
            abi_version: 1,
            epoch: 2,
            attached_at: 3,
            netns: 4,
            changing: 5,
            next: 6,
            events_until: 7,
            seed: 8,
            few_ports: FewPorts::UNKNOWN,
            settings: [Settings::EMPTY; 2],
            vacant_v4: VacantBlocks::ALL,
            vacant_v6: VacantBlocks::NONE,
            vacant_of_short_v4: VacantBlocks::ALL,
            vacant_of_short_v6: VacantBlocks::ALL,
        });
        goes_through_bytes(from_bytes::<Counters>(&[1; size_of::<Counters>()]));
    }
}
