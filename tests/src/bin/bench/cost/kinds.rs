//! Packets from sources in lists and in none, and packets that are not the filter's business.

use anyhow::Result;
use aya::programs::Xdp;
use rpcguard_common::{abi::Verdict, parse::LinkLayer};
use rpcguard_tests::{
    kernel::{Kernel, Program},
    packet::{
        Frame, Setup,
        numbers::{ACK, ARP, DESTINATION_OPTIONS, DOT1Q, HOP_BY_HOP, ROUTING},
        peers::{FRIEND_V4, FRIEND_V6, STRANGER_V4, STRANGER_V6},
    },
};

use super::{Bare, Case, compare};
use crate::{
    Effort,
    chart::{Chart, Shape},
    report::{Report, Target},
};

/// Within this of a bare program is what must not notice the filter.
pub(super) const INNOCENT: Target = Target::AtMost(2.0);

/// As [`INNOCENT`], for a drop of an unlisted source.
pub(super) const UNLISTED: Target = Target::AtMost(8.0);

/// As [`INNOCENT`], for a call of a listed source.
pub(super) const LISTED: Target = Target::AtMost(25.0);

pub(super) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let mut kernel = Kernel::load(LinkLayer::Ethernet)?;
    kernel.apply(&Setup {
        prefixes: vec![
            ("192.0.2.0/24".parse()?, Verdict::Allow),
            ("2001:db8:a::/48".parse()?, Verdict::Allow),
        ],
        ..Setup::default()
    })?;
    let title = "Cost per packet, in nanoseconds over a bare program";
    report.section(title, "one allow prefix a family; BPF_PROG_TEST_RUN");
    let cases = cases(kernel.xdp(Program::Linear)?);
    let costs = compare(effort, report, "cost per packet", &cases)?;
    report.chart(&Chart {
        name: "cost".to_owned(),
        title: "Cost per packet".to_owned(),
        values: "nanoseconds over a bare program".to_owned(),
        shape: Shape::Bars(costs),
    })
}

/// A TCP segment or a datagram of somebody else's is innocent; the rest is to port 111.
fn cases(filter: &Xdp) -> Vec<Case<'_>> {
    let v4 = |source| Frame::ethernet().ipv4(source);
    let v6 = |source| Frame::ethernet().ipv6(source);
    let tcp = |frame: Frame| frame.tcp(443, ACK).payload(&[0; 64]);
    let dns = |frame: Frame| frame.udp(53).payload(&[0; 40]);
    let chain = |source| v6(source).extensions(&[HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS]);
    let pass = |name, frame, target| (name, frame, Bare::Pass, target);
    let drop = |name, frame, target| (name, frame, Bare::Drop, target);
    let arp = Frame::ethernet().ether_type(ARP).payload(&[0; 46]);
    let tagged = Frame::ethernet().vlan(DOT1Q, 7).ipv4(STRANGER_V4);
    let cases = [
        pass("TCP, IPv4", tcp(v4(STRANGER_V4)), INNOCENT),
        pass("UDP to port 53, IPv4", dns(v4(STRANGER_V4)), INNOCENT),
        pass("TCP, IPv6", tcp(v6(STRANGER_V6)), INNOCENT),
        pass("UDP to port 53, IPv6", dns(v6(STRANGER_V6)), INNOCENT),
        pass("ARP", arp, INNOCENT),
        pass("TCP, IPv4, VLAN tag", tcp(tagged), INNOCENT),
        pass(
            "TCP, IPv6, 3 extensions",
            tcp(chain(STRANGER_V6)),
            Target::None,
        ),
        drop("unlisted DUMP, IPv4", v4(STRANGER_V4).dump(), UNLISTED),
        drop("unlisted DUMP, IPv6", v6(STRANGER_V6).dump(), UNLISTED),
        drop(
            "unlisted DUMP, IPv6, 3 extensions",
            chain(STRANGER_V6).dump(),
            Target::None,
        ),
        pass("listed DUMP, IPv4", v4(FRIEND_V4).dump(), LISTED),
        pass("listed DUMP, IPv6", v6(FRIEND_V6).dump(), LISTED),
        pass(
            "listed DUMP, IPv6, 3 extensions",
            chain(FRIEND_V6).dump(),
            Target::None,
        ),
    ];
    let cases = cases.into_iter().map(|(name, frame, bare, target)| Case {
        name,
        frame: frame.build(),
        filter,
        bare,
        target,
    });
    cases.collect()
}
