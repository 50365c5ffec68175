//! What arrives where the victims of a reflection attack are.

use aya_ebpf::{btf_maps::PerCpuArray, macros::btf_map, programs::XdpContext};
use network_types::{
    eth::{EthHdr, EtherType},
    ip::{IpProto, Ipv4Hdr, Ipv6Hdr},
};
use rpcguard_common::abi::Counter;

use crate::bytes::read;

const ETHERTYPE: usize = 12;
const V4_PROTOCOL: usize = EthHdr::LEN + 9;
const V6_NEXT_HEADER: usize = EthHdr::LEN + 6;
const PORTMAPPER: u16 = 111;

#[btf_map]
static REFLECTIONS: PerCpuArray<Counter, 1> = PerCpuArray::new();

/// `None` for what is no reflection.
#[inline(always)]
pub(crate) fn count(ctx: &XdpContext) -> Option<()> {
    const IPV4: u16 = EtherType::Ipv4 as u16;
    const IPV6: u16 = EtherType::Ipv6 as u16;
    let (protocol, udp) = match u16::from_ne_bytes(read(ctx, ETHERTYPE)?) {
        IPV4 => (V4_PROTOCOL, EthHdr::LEN + Ipv4Hdr::LEN),
        IPV6 => (V6_NEXT_HEADER, EthHdr::LEN + Ipv6Hdr::LEN),
        _ => return None,
    };
    let [protocol, _] = read(ctx, protocol)?;
    if protocol != IpProto::Udp as u8 || u16::from_be_bytes(read(ctx, udp)?) != PORTMAPPER {
        return None;
    }
    let counter = REFLECTIONS.get_ptr_mut(0)?;
    #[expect(unsafe_code, reason = "map values are reached through pointers")]
    // SAFETY: the pointer is to this CPU's element, which nothing else on this CPU writes.
    let counter = unsafe { &mut *counter };
    counter.packets += 1;
    counter.bytes += (ctx.data_end() - ctx.data()) as u64;
    Some(())
}
