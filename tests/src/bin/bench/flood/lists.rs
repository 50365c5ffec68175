//! Calls of unlisted sources, all of which are dropped.

use anyhow::Result;
use rpcguard_common::{abi::Verdict, parse::LinkLayer};
use rpcguard_tests::{
    kernel::{Kernel, Program},
    lab::{Lab, LabProgram, Sources},
    packet::{
        Frame, Setup,
        peers::{STRANGER_V4, STRANGER_V6},
    },
};

use super::{compare, wire::Wire};
use crate::{
    Effort,
    report::{Report, Target},
};

pub(super) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let lab = Lab::new()?;
    let mut kernel = Kernel::load(LinkLayer::Ethernet)?;
    kernel.apply(&Setup {
        prefixes: vec![
            ("192.0.2.0/24".parse()?, Verdict::Allow),
            ("2001:db8:a::/48".parse()?, Verdict::Allow),
        ],
        ..Setup::default()
    })?;
    let mut drop = LabProgram::load(LabProgram::DROP)?;
    let bare = Wire::guarded_by(&lab, drop.xdp_mut()?)?;
    let filtered = Wire::guarded_by(&lab, kernel.xdp_mut(Program::Linear)?)?;
    report.section(
        "Flood of DUMP calls from random sources, in million packets a second on one core",
        "one allow prefix a family; everything dropped",
    );
    let v4 = Frame::ethernet().ipv4(STRANGER_V4).dump().build();
    let v6 = Frame::ethernet().ipv6(STRANGER_V6).dump().build();
    for (name, frame, sources) in [("IPv4", v4, "0.0.0.0/0"), ("IPv6", v6, "::/0")] {
        let sources = Sources::any_of(sources.parse()?);
        let floods = [
            &bare.flood(&frame, sources)?,
            &filtered.flood(&frame, sources)?,
        ];
        compare(effort, report, name, floods, Target::AtLeast(0.9))?;
    }
    Ok(())
}
