//! Packets from sources in lists and in none, and packets that are not the filter's business.

use anyhow::Result;
use aya::programs::Xdp;
use rpcguard_common::{abi::Verdict, parse::LinkLayer};
use rpcguard_tests::{
    kernel::{Kernel, Program},
    packet::{
        Frame, Setup,
        numbers::{ACK, ARP},
        peers::{FRIEND_V4, FRIEND_V6, STRANGER_V4, STRANGER_V6},
    },
};

use super::{Bare, Case, compare};
use crate::{
    Effort,
    report::{Report, Target},
};

pub(super) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let mut kernel = Kernel::load(LinkLayer::Ethernet)?;
    kernel.apply(&Setup {
        prefixes: vec![
            ("192.0.2.0/24".parse()?, Verdict::Allow),
            ("2001:db8:a::/48".parse()?, Verdict::Allow),
        ],
        ..Setup::default()
    })?;
    report.section(
        "Cost per packet, in nanoseconds over a bare program",
        "one allow prefix a family; BPF_PROG_TEST_RUN",
    );
    let cases = cases(kernel.xdp(Program::Linear)?);
    compare(effort, report, "cost per packet", &cases)
}

fn cases(filter: &Xdp) -> Vec<Case<'_>> {
    let case = |name, frame: Frame, bare, target| Case {
        name,
        frame: frame.build(),
        filter,
        bare,
        target,
    };
    let v4 = |source| Frame::ethernet().ipv4(source);
    let v6 = |source| Frame::ethernet().ipv6(source);
    let innocent = Target::AtMost(3.0);
    vec![
        case(
            "TCP, IPv4",
            v4(STRANGER_V4).tcp(443, ACK).payload(&[0; 64]),
            Bare::Pass,
            innocent,
        ),
        case(
            "UDP to port 53, IPv4",
            v4(STRANGER_V4).udp(53).payload(&[0; 40]),
            Bare::Pass,
            Target::None,
        ),
        case(
            "TCP, IPv6",
            v6(STRANGER_V6).tcp(443, ACK).payload(&[0; 64]),
            Bare::Pass,
            innocent,
        ),
        case(
            "UDP to port 53, IPv6",
            v6(STRANGER_V6).udp(53).payload(&[0; 40]),
            Bare::Pass,
            Target::None,
        ),
        case(
            "ARP",
            Frame::ethernet().ether_type(ARP).payload(&[0; 46]),
            Bare::Pass,
            Target::None,
        ),
        case(
            "unlisted DUMP, IPv4",
            v4(STRANGER_V4).dump(),
            Bare::Drop,
            Target::None,
        ),
        case(
            "unlisted DUMP, IPv6",
            v6(STRANGER_V6).dump(),
            Bare::Drop,
            Target::None,
        ),
        case(
            "listed DUMP, IPv4",
            v4(FRIEND_V4).dump(),
            Bare::Pass,
            Target::None,
        ),
        case(
            "listed DUMP, IPv6",
            v6(FRIEND_V6).dump(),
            Bare::Pass,
            Target::None,
        ),
    ]
}
