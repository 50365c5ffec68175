//! Leave to copy the types of [`abi`](crate::abi) to and from BPF maps byte by byte.
#![expect(unsafe_code, reason = "aya::Pod is an unsafe trait")]

use crate::abi::{Cell, Counter, Counters, PrefixEntry, SourceSet, State};

// SAFETY: repr(C), made of integers alone, no padding (asserted by size in abi.rs).
unsafe impl aya::Pod for Counter {}
// SAFETY: as above.
unsafe impl aya::Pod for Counters {}
// SAFETY: as above.
unsafe impl aya::Pod for Cell {}
// SAFETY: as above.
unsafe impl aya::Pod for SourceSet {}
// SAFETY: as above; Decision is a transparent u32 of which every value is valid.
unsafe impl aya::Pod for PrefixEntry {}
// SAFETY: as above.
unsafe impl aya::Pod for State {}
