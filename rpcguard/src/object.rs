//! The BPF object that was built with this binary.

use aya::include_bytes_aligned;

/// The object file, an ELF image for the BPF target, little endian.
#[must_use]
pub fn bytes() -> &'static [u8] {
    include_bytes_aligned!(concat!(env!("OUT_DIR"), "/rpcguard.bpf.o"))
}
