//! The maps, described in `rpcguard_common::abi`, and the load-time constants.

use aya_ebpf::{
    Global,
    bindings::BPF_F_MMAPABLE,
    btf_maps::{Array, LpmTrie, PerCpuArray},
    macros::btf_map,
};
use rpcguard_common::abi::{Counter, Counters, PrefixEntry, State, TRIE_CAPACITY, hits_len};

#[btf_map]
pub(crate) static STATE: Array<State, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

#[btf_map]
pub(crate) static COUNTERS: PerCpuArray<Counters, 1> = PerCpuArray::new();

#[btf_map]
pub(crate) static PREFIXES_V4: LpmTrie<[u8; 4], PrefixEntry, { TRIE_CAPACITY as usize }> =
    LpmTrie::new();

#[btf_map]
pub(crate) static PREFIXES_V6: LpmTrie<[u8; 16], PrefixEntry, { TRIE_CAPACITY as usize }> =
    LpmTrie::new();

/// The loader gives it the length for this machine's CPUs.
#[btf_map]
pub(crate) static HITS: Array<Counter, { hits_len(1) as usize }> = Array::new();

/// The beginning of a frame in several buffers: as far as headers are followed.
pub(crate) type Scratch = [u8; 4224];

#[btf_map]
pub(crate) static SCRATCH: PerCpuArray<Scratch, 1> = PerCpuArray::new();

/// Whether frames begin with an Ethernet header. Read-only to the kernel too, so the verifier
/// removes the other branch.
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static ETHERNET: Global<u8> = Global::new(1);
