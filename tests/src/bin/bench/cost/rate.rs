//! Calls under the rate policy: each is parsed, and what may be served is weighed.

use anyhow::Result;
use rpcguard::policy::RatePolicy;
use rpcguard_common::{
    abi::{Limit, Limits, State},
    parse::LinkLayer,
};
use rpcguard_tests::{
    kernel::{Kernel, Program},
    packet::{
        Frame, Setup,
        peers::{STRANGER_V4, STRANGER_V6},
        rpc,
    },
};

use super::{Bare, Case, compare};
use crate::{
    Effort,
    report::{Report, Target},
};

const GETPORT: u32 = 3;

/// A call in so few bytes is none (RFC 5531 section 9).
const CUT_OFF: usize = 24;

/// More than any measurement sends: a packet a nanosecond.
const AMPLE: Limit = limit(1, 1_000_000_000);

/// Used up for hours after the first few packets.
const SCANTY: Limit = limit(3_600_000_000_000, 19 * 3_600_000_000_000);

const fn limit(period: u64, tolerance: u64) -> Limit {
    Limit {
        period,
        tolerance,
        packets: 0,
        seconds: 0,
        burst: 0,
        reserved: 0,
    }
}

pub(super) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let ample = guard(AMPLE, AMPLE)?;
    let source_used_up = guard(SCANTY, AMPLE)?;
    let total_used_up = guard(AMPLE, SCANTY)?;
    let call = rpc::whole_call(2, GETPORT);
    let v4 = |payload: &[u8]| {
        Frame::ethernet()
            .ipv4(STRANGER_V4)
            .udp(111)
            .payload(payload)
    };
    let v6 = |payload: &[u8]| {
        Frame::ethernet()
            .ipv6(STRANGER_V6)
            .udp(111)
            .payload(payload)
    };
    let cases = [
        case("within_rate, IPv4", &ample, v4(&call), Bare::Pass),
        case("within_rate, IPv6", &ample, v6(&call), Bare::Pass),
        case(
            "over its own rate, IPv4",
            &source_used_up,
            v4(&call),
            Bare::Drop,
        ),
        case(
            "over its own rate, IPv6",
            &source_used_up,
            v6(&call),
            Bare::Drop,
        ),
        case("total used up, IPv4", &total_used_up, v4(&call), Bare::Drop),
        case("total used up, IPv6", &total_used_up, v6(&call), Bare::Drop),
        case("amplifier, IPv4", &ample, v4(&rpc::DUMP), Bare::Drop),
        case(
            "malformed, IPv4",
            &ample,
            v4(&rpc::DUMP[..CUT_OFF]),
            Bare::Drop,
        ),
    ];
    let cases: Vec<_> = cases.into_iter().collect::<Result<_>>()?;
    report.section(
        "Cost per packet under the rate policy, in nanoseconds over a bare program",
        "one source; no prefix; BPF_PROG_TEST_RUN",
    );
    compare(effort, report, "cost under the rate policy", &cases)?;
    Ok(())
}

fn case<'a>(name: &'static str, kernel: &'a Kernel, frame: Frame, bare: Bare) -> Result<Case<'a>> {
    Ok(Case {
        name,
        frame: frame.build(),
        filter: kernel.xdp(Program::Linear)?,
        bare,
        target: Target::AtMost(40.0),
    })
}

/// A filter with these limits of each source and of all together.
fn guard(source: Limit, total: Limit) -> Result<Kernel> {
    let setup = Setup {
        rate: Some(RatePolicy::default()),
        prefixes: Vec::new(),
        ..Setup::default()
    };
    let mut kernel = Kernel::load(LinkLayer::Ethernet)?;
    kernel.apply(&setup)?;
    let mut state = setup.state(0);
    state.settings[State::side(0)].limits = Limits {
        source,
        neighbourhood: AMPLE,
        total,
    };
    kernel.store(&state)?;
    Ok(kernel)
}
