//! One prefix is allowed, and the flood does not come from there: what most people have.

use anyhow::Result;
use rpcguard_tests::{lab::Sources, packet::peers::STRANGER_V4};

use super::{Goal, Heat};
use crate::{
    Effort,
    contender::{Contender, Family, List, internet},
    cores::Core,
    report::Report,
};

/// From the fastest that there can be to none at all.
const CONTENDERS: [Contender; 11] = [
    Contender::XdpDrop,
    Contender::Rpcguard,
    Contender::RpcguardRate,
    Contender::XdpFilterPorts,
    Contender::XdpFilterAddresses,
    Contender::RpcguardGeneric,
    Contender::NftIngress,
    Contender::IptablesRaw,
    Contender::NftPrerouting,
    Contender::InputRules,
    Contender::Nothing,
];

const GOALS: [Goal; 5] = [
    Goal {
        over: Contender::XdpDrop,
        times: 0.95,
    },
    Goal {
        over: Contender::XdpFilterPorts,
        times: 1.0,
    },
    Goal {
        over: Contender::XdpFilterAddresses,
        times: 1.3,
    },
    Goal {
        over: Contender::NftIngress,
        times: 3.0,
    },
    Goal {
        over: Contender::InputRules,
        times: 3.0,
    },
];

pub(super) fn measure(effort: Effort, core: &Core, report: &mut Report) -> Result<()> {
    let one_source = Sources::any_of(std::net::IpAddr::from(STRANGER_V4).into());
    let floods = [
        (
            "ipv4",
            "random IPv4 sources, one prefix",
            internet(Family::V4)?,
        ),
        ("one-source", "one IPv4 source, one prefix", one_source),
    ];
    // With one source, everything is in the cache: a quick run does without.
    let floods = if effort.quick { &floods[..1] } else { &floods };
    for (chart, what, sources) in floods {
        let heat = Heat {
            chart,
            what,
            list: &List::of_one(Family::V4)?,
            family: Family::V4,
            sources: *sources,
            contenders: &CONTENDERS,
            goals: &GOALS,
        };
        heat.run(effort, core, report)?;
    }
    let heat = Heat {
        chart: "ipv6",
        what: "random IPv6 sources, one prefix",
        list: &List::of_one(Family::V6)?,
        family: Family::V6,
        sources: internet(Family::V6)?,
        contenders: &CONTENDERS[..2],
        goals: &GOALS[..1],
    };
    heat.run(effort, core, report)
}
