//! What keeps a flood from a portmapper: rpcguard, and what people use or could use instead.

mod iptables;
mod list;
mod nftables;
mod rpcguard;
mod udp;
mod xdp_filter;

use anyhow::{Context as _, Result};
use rpcguard_tests::lab::{Host, LabProgram, missing_tools};

pub(crate) use self::{
    list::{Family, List, internet},
    udp::{delivered, without_room},
};
use crate::{
    chart::Bar,
    wire::{handled, queue_statistic},
};

/// A filter in front of port 111 of a host's `eth0`, which lets pass what comes from a list, or what is
/// within a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// An XDP program that drops all there is: the least that can be done about a packet.
    XdpDrop,
    /// None.
    Nothing,
    /// The three iptables rules that are in every guide, in INPUT.
    InputRules,
    /// One rule of iptables, in raw PREROUTING: as early as iptables gets.
    IptablesRaw,
    /// The same with the list in an ipset.
    Ipset,
    /// nftables where iptables raw is.
    NftPrerouting,
    /// nftables at the interface, as early as it gets.
    NftIngress,
    /// xdp-filter with nothing but its feature for UDP ports. It has no list: it drops the port.
    XdpFilterPorts,
    /// xdp-filter with ports and addresses. Addresses let pass nothing that a port drops, but they are
    /// looked up. The form that only lets addresses pass would drop all else that a host receives.
    XdpFilterAddresses,
    /// The list policy, in the driver.
    Rpcguard,
    /// The list policy, in the network stack.
    RpcguardGeneric,
    /// The rate policy at 5/s and a burst of 20, with the defaults of all else.
    RpcguardRate,
    /// A dynamic set of nftables, each element with such a limit of its own.
    NftDynamicSet,
    /// The hashlimit match of iptables, with its table's default size.
    Hashlimit,
}

/// A command, and the Debian package that brings it.
type Tool = (&'static str, &'static str);

const IPTABLES: Tool = ("iptables", "iptables");
const IPSET: Tool = ("ipset", "ipset");
const NFT: Tool = ("nft", "nftables");
const XDP_FILTER: Tool = ("xdp-filter", "xdp-tools");

impl Contender {
    /// As short as a row's beginning has to be.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::XdpDrop => "bare XDP_DROP",
            Self::Nothing => "nothing",
            Self::InputRules => "three iptables rules",
            Self::IptablesRaw => "iptables raw",
            Self::Ipset => "ipset, iptables raw",
            Self::NftPrerouting => "nft prerouting",
            Self::NftIngress => "nft ingress",
            Self::XdpFilterPorts => "xdp-filter, ports",
            Self::XdpFilterAddresses => "xdp-filter, addresses",
            Self::Rpcguard => "rpcguard",
            Self::RpcguardGeneric => "rpcguard, generic",
            Self::RpcguardRate => "rpcguard, 5/s",
            Self::NftDynamicSet => "nft dynamic set",
            Self::Hashlimit => "iptables hashlimit",
        }
    }

    /// Whether it is rpcguard.
    pub(crate) const fn is_own(self) -> bool {
        matches!(
            self,
            Self::Rpcguard | Self::RpcguardGeneric | Self::RpcguardRate
        )
    }

    /// Its value in a chart.
    pub(crate) fn bar(self, value: f64) -> Bar {
        Bar {
            name: self.name().to_owned(),
            value,
            stands_out: self.is_own(),
        }
    }

    /// Whether it is neither rpcguard nor there to measure against.
    pub(crate) const fn is_of_others(self) -> bool {
        !self.tools().is_empty()
    }

    const fn tools(self) -> &'static [Tool] {
        match self {
            Self::XdpDrop
            | Self::Nothing
            | Self::Rpcguard
            | Self::RpcguardGeneric
            | Self::RpcguardRate => &[],
            Self::InputRules | Self::IptablesRaw | Self::Hashlimit => &[IPTABLES],
            Self::Ipset => &[IPTABLES, IPSET],
            Self::NftPrerouting | Self::NftIngress | Self::NftDynamicSet => &[NFT],
            Self::XdpFilterPorts | Self::XdpFilterAddresses => &[XDP_FILTER],
        }
    }

    /// What it needs and this machine lacks, as a remark.
    pub(crate) fn missing(self) -> Option<String> {
        let is_missing = |(command, _): &&Tool| !missing_tools(&[command]).is_empty();
        let (command, package) = self.tools().iter().find(is_missing)?;
        Some(format!(
            "{command} is not installed (Debian's package {package})"
        ))
    }

    /// Puts it in place. What it returns stays attached as long as it is held.
    pub(crate) fn set_up(self, host: &Host, list: &List) -> Result<Option<LabProgram>> {
        match self {
            Self::XdpDrop => {
                let mut program = LabProgram::load(LabProgram::DROP)?;
                program.attach(host, "eth0")?;
                return Ok(Some(program));
            }
            Self::Nothing => {}
            Self::InputRules => iptables::add_input_rules(host, list)?,
            Self::IptablesRaw => iptables::add_raw_rule(host, list)?,
            Self::Ipset => iptables::add_set(host, list)?,
            Self::NftPrerouting => nftables::add_list(host, nftables::PREROUTING, list)?,
            Self::NftIngress => nftables::add_list(host, nftables::INGRESS, list)?,
            Self::XdpFilterPorts => xdp_filter::load(host, "udp")?,
            Self::XdpFilterAddresses => {
                xdp_filter::load(host, "udp,ipv4,ipv6")?;
                xdp_filter::add_address(host)?;
            }
            Self::Rpcguard => rpcguard::attach(host, "--mode native", list)?,
            Self::RpcguardGeneric => rpcguard::attach(host, "--mode generic", list)?,
            Self::RpcguardRate => {
                rpcguard::attach(host, "--mode native --rate 5/s --burst 20", list)?;
            }
            Self::NftDynamicSet => nftables::add_limit(host)?,
            Self::Hashlimit => iptables::add_limit(host)?,
        }
        Ok(None)
    }

    /// How many packets it has dropped, by its own count if it has one; without a filter, for want of room
    /// at the socket.
    pub(crate) fn dropped(self, host: &Host) -> Result<u64> {
        match self {
            Self::XdpDrop => queue_statistic(host, "xdp_drops"),
            Self::Nothing => udp::without_room(host),
            Self::InputRules => iptables::dropped(host, "filter", "INPUT"),
            Self::IptablesRaw | Self::Ipset => iptables::dropped(host, "raw", "PREROUTING"),
            // What finds no place in its table is dropped, and no rule counts it.
            Self::Hashlimit => Ok(handled(host)?.saturating_sub(udp::without_room(host)?)),
            Self::NftPrerouting | Self::NftDynamicSet => {
                nftables::dropped(host, nftables::PREROUTING)
            }
            Self::NftIngress => nftables::dropped(host, nftables::INGRESS),
            Self::XdpFilterPorts | Self::XdpFilterAddresses => xdp_filter::dropped(host),
            Self::Rpcguard | Self::RpcguardGeneric | Self::RpcguardRate => rpcguard::dropped(host),
        }
        .with_context(|| format!("cannot read what {} has dropped", self.name()))
    }
}
