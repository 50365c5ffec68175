//! Calls of unlisted sources under the rate policy: as many are served as may be in all.

use anyhow::Result;
use rpcguard::policy::RatePolicy;
use rpcguard_common::parse::LinkLayer;
use rpcguard_tests::{
    kernel::{Kernel, Program},
    lab::{Lab, LabProgram, Sources},
    packet::{
        Frame, Setup,
        peers::{STRANGER_V4, STRANGER_V6},
        rpc,
    },
};

use super::compare;
use crate::{
    Effort,
    cores::Core,
    report::{Report, Target},
    wire::Wire,
};

const GETPORT: u32 = 3;

pub(super) fn measure(effort: Effort, core: &Core, report: &mut Report) -> Result<()> {
    let lab = Lab::new()?;
    let mut kernel = Kernel::load(LinkLayer::Ethernet)?;
    kernel.apply(&Setup {
        rate: Some(RatePolicy::default()),
        prefixes: Vec::new(),
        ..Setup::default()
    })?;
    let mut drop = LabProgram::load(LabProgram::DROP)?;
    let bare = Wire::guarded_by(&lab, drop.xdp_mut()?)?;
    let filtered = Wire::guarded_by(&lab, kernel.xdp_mut(Program::Linear)?)?;
    report.section(
        "Flood of GETPORT calls from random sources, in million packets a second on one core",
        "rate policy with its defaults; 200 a second pass",
    );
    let call = rpc::whole_call(2, GETPORT);
    let [v4, v6] = [
        Frame::ethernet().ipv4(STRANGER_V4),
        Frame::ethernet().ipv6(STRANGER_V6),
    ]
    .map(|packet| packet.udp(111).payload(&call).build());
    let target = Target::AtLeast(0.8);
    for (name, frame, sources) in [
        ("one call, IPv4", &v4, "0.0.0.0/0"),
        ("one call, IPv6", &v6, "::/0"),
    ] {
        let sources = Sources::any_of(sources.parse()?);
        let floods = [
            &bare.flood(frame, sources)?,
            &filtered.flood(frame, sources)?,
        ];
        compare(effort, core, report, name, floods, target)?;
    }
    let sources = Sources::any_of("0.0.0.0/0".parse()?);
    let floods = [
        &bare.flood_of_distinct_calls(&v4, sources)?,
        &filtered.flood_of_distinct_calls(&v4, sources)?,
    ];
    compare(effort, core, report, "distinct calls, IPv4", floods, target)
}
