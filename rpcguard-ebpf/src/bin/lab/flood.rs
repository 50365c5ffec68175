//! Another source address for each frame, and another transaction if asked for, at a cost that leaves
//! the time to what is measured.

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
const V4_TRANSACTION: usize = EthHdr::LEN + Ipv4Hdr::LEN + 8;
const V6_TRANSACTION: usize = EthHdr::LEN + Ipv6Hdr::LEN + 8;

/// A flood has parts, each with sources of its own. A power of two.
const PARTS: usize = 8;

/// Which part a frame belongs to: the first for which this is no less than a random number.
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
static UP_TO: [Global<u32>; PARTS] = [const { Global::new(u32::MAX) }; PARTS];

/// The bits of a part's source addresses that are not random, in wire order; IPv4 has the first word.
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
static SOURCE: [Global<[u32; 4]>; PARTS] = [const { Global::new([0; 4]) }; PARTS];

/// Which bits of a part's source addresses are random; they are zero in [`SOURCE`].
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
static RANDOM: [Global<[u32; 4]>; PARTS] = [const { Global::new([0; 4]) }; PARTS];

/// Whether each frame has a transaction id of its own.
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
static RANDOM_TRANSACTIONS: Global<u8> = Global::new(0);

/// Expects IPv4 without options or IPv6 without extension headers, then UDP.
#[inline(always)]
pub(crate) fn change_source(ctx: &XdpContext) -> Option<()> {
    const IPV4: u16 = EtherType::Ipv4 as u16;
    let part = choose_part();
    if u16::from_ne_bytes(read(ctx, ETHERTYPE)?) == IPV4 {
        let delta = change_word(ctx, V4_SOURCE, part, 0)?;
        fix_checksum(ctx, V4_CHECKSUM, delta)?;
        let delta = delta + change_transaction(ctx, V4_TRANSACTION)?;
        fix_checksum(ctx, V4_UDP_CHECKSUM, delta)
    } else {
        let mut delta = change_transaction(ctx, V6_TRANSACTION)?;
        let mut word = 0;
        while word < 4 {
            delta += change_word(ctx, V6_SOURCE + 4 * word, part, word)?;
            word += 1;
        }
        fix_checksum(ctx, V6_UDP_CHECKSUM, delta)
    }
}

/// The verifier removes it where there is one part.
#[inline(always)]
fn choose_part() -> usize {
    if UP_TO[0].load() == u32::MAX {
        return 0;
    }
    let bits = random_bits();
    let mut part = 0;
    while part < PARTS - 1 && bits > UP_TO[part].load() {
        part += 1;
    }
    part
}

/// Writes a new word of the address and returns what that adds to a checksum's terms.
#[inline(always)]
fn change_word(ctx: &XdpContext, offset: usize, part: usize, word: usize) -> Option<u64> {
    let random = RANDOM[part].load()[word];
    let mut new = SOURCE[part].load()[word];
    if random != 0 {
        new |= random_bits() & random;
    }
    replace(ctx, offset, new)
}

/// As [`change_word`], for the transaction id of an RPC call.
#[inline(always)]
fn change_transaction(ctx: &XdpContext, offset: usize) -> Option<u64> {
    if RANDOM_TRANSACTIONS.load() == 0 {
        return Some(0);
    }
    replace(ctx, offset, random_bits())
}

#[inline(always)]
fn random_bits() -> u32 {
    #[expect(unsafe_code, reason = "helpers are foreign functions")]
    // SAFETY: the helper has no preconditions.
    unsafe {
        bpf_get_prandom_u32()
    }
}

/// Writes a word and returns by how much that changes a sum of 16-bit words, before carries are added
/// (one's complement does not care that two words are summed as one).
#[inline(always)]
fn replace(ctx: &XdpContext, offset: usize, new: u32) -> Option<u64> {
    let old = u32::from_ne_bytes(read(ctx, offset)?);
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
