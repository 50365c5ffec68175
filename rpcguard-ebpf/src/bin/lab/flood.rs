//! Another source address for each frame, at a cost that leaves the time to what is measured.

use aya_ebpf::{Global, helpers::generated::bpf_get_prandom_u32, programs::XdpContext};
use network_types::{
    eth::{EthHdr, EtherType},
    ip::{Ipv4Hdr, Ipv6Hdr},
};

use crate::bytes::{read, write};

const ETHERTYPE: usize = 12;
const V4_CHECKSUM: usize = EthHdr::LEN + 10;
const V4_SOURCE: usize = EthHdr::LEN + 12;
const V6_SOURCE: usize = EthHdr::LEN + 8;
const V4_UDP_CHECKSUM: usize = EthHdr::LEN + Ipv4Hdr::LEN + 6;
const V6_UDP_CHECKSUM: usize = EthHdr::LEN + Ipv6Hdr::LEN + 6;

/// The bits of the source address that are not random, in wire order; IPv4 has the first word.
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
static SOURCE: Global<[u32; 4]> = Global::new([0; 4]);

/// Which bits of the source address are random; they are zero in [`SOURCE`].
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
static RANDOM: Global<[u32; 4]> = Global::new([0; 4]);

/// Expects IPv4 without options or IPv6 without extension headers, then UDP.
#[inline(always)]
pub(crate) fn change_source(ctx: &XdpContext) -> Option<()> {
    const IPV4: u16 = EtherType::Ipv4 as u16;
    if u16::from_ne_bytes(read(ctx, ETHERTYPE)?) == IPV4 {
        let delta = change_word(ctx, V4_SOURCE, 0)?;
        fix_checksum(ctx, V4_CHECKSUM, delta)?;
        fix_checksum(ctx, V4_UDP_CHECKSUM, delta)
    } else {
        let mut delta = 0;
        let mut word = 0;
        while word < 4 {
            delta += change_word(ctx, V6_SOURCE + 4 * word, word)?;
            word += 1;
        }
        fix_checksum(ctx, V6_UDP_CHECKSUM, delta)
    }
}

/// Writes a new word of the address and returns by how much that changes a sum of 16-bit words,
/// before carries are added (one's complement does not care that two words are summed as one).
#[inline(always)]
fn change_word(ctx: &XdpContext, offset: usize, word: usize) -> Option<u64> {
    let old = u32::from_ne_bytes(read(ctx, offset)?);
    let random = RANDOM.load()[word];
    let mut new = SOURCE.load()[word];
    if random != 0 {
        #[expect(unsafe_code, reason = "helpers are foreign functions")]
        // SAFETY: the helper has no preconditions.
        let bits = unsafe { bpf_get_prandom_u32() };
        new |= bits & random;
    }
    write(ctx, offset, new.to_ne_bytes())?;
    Some(u64::from(!old) + u64::from(new))
}

/// RFC 1624, equation 3.
#[inline(always)]
fn fix_checksum(ctx: &XdpContext, offset: usize, delta: u64) -> Option<()> {
    let old = u16::from_ne_bytes(read(ctx, offset)?);
    let mut sum = u64::from(!old) + delta;
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    write(ctx, offset, (!(sum as u16)).to_ne_bytes())
}
