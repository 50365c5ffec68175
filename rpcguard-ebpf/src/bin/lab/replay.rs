//! The same frame from one source after the other, for a program that is run on a frame many times.

use aya_ebpf::{
    btf_maps::{Array, ProgramArray},
    macros::btf_map,
    programs::XdpContext,
};
use network_types::eth::{EthHdr, EtherType};

use crate::bytes::{read, write};

const ETHERTYPE: usize = 12;
const V4_SOURCE: usize = EthHdr::LEN + 12;
const V6_SOURCE: usize = EthHdr::LEN + 8;

/// How many sources there are. They are read in their order, which costs next to no cache misses.
const SOURCES: usize = 1 << 18;

/// Addresses in wire order; IPv4 has the first four bytes. The loader gives it its length where this
/// program is used.
#[btf_map]
static REPLAYED_SOURCES: Array<[u8; 16], 1> = Array::new();

/// How many frames there were.
#[btf_map]
static REPLAYED: Array<u32, 1> = Array::new();

/// The program that is shown the frames.
#[btf_map]
static REPLAYED_TO: ProgramArray<1> = ProgramArray::new();

/// Writes the next source into a frame of IPv4 or IPv6. Checksums are not made right.
#[inline(always)]
pub(crate) fn change_source(ctx: &XdpContext) -> Option<()> {
    const IPV4: u16 = EtherType::Ipv4 as u16;
    let count = REPLAYED.get_ptr_mut(0)?;
    #[expect(unsafe_code, reason = "map values are reached through pointers")]
    // SAFETY: the pointer is to a live map value, and nobody else runs this program with this map.
    let count = unsafe { &mut *count };
    *count = count.wrapping_add(1);
    let source = *REPLAYED_SOURCES.get(*count % SOURCES as u32)?;
    if u16::from_ne_bytes(read(ctx, ETHERTYPE)?) == IPV4 {
        let [a, b, c, d, ..] = source;
        write(ctx, V4_SOURCE, [a, b, c, d])
    } else {
        write(ctx, V6_SOURCE, source)
    }
}

/// Goes on with the other program, and does not return if there is one.
#[inline(always)]
pub(crate) fn go_on(ctx: &XdpContext) {
    #[expect(unsafe_code, reason = "a helper call")]
    // SAFETY: nothing here is dropped, so nothing is left undone.
    unsafe {
        REPLAYED_TO.tail_call(ctx, 0);
    }
}
