//! A portmapper behind a contender, its bystanders, and the flood.

use std::{
    panic,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::Result;
use rpcguard_tests::lab::{Bounds, Flood, Lab, LabProgram, connect};

use super::{calls::Calls, tcp};
use crate::{
    contender::{Contender, Family, List},
    cores::Core,
    town::Town,
};

/// Packets of the flood in a second: half of a core's time for the slower filters, so that a core is
/// left to bystanders for none to lose all.
const RATE: u64 = 500_000;

/// If the flood is not told to end.
const LIMIT: Duration = Duration::from_secs(60);

/// Until the flood flows.
const LEAD: Duration = Duration::from_millis(100);

pub(super) struct Site {
    pub(super) contender: Contender,
    town: Town,
    /// The interface of the router that the flood leaves by.
    flooded: &'static str,
    _programs: Vec<LabProgram>,
}

/// What bystanders get.
pub(super) struct Service {
    /// Of a TCP connection, in Gbit/s.
    pub(super) throughput: f64,
    pub(super) calls: Calls,
}

impl Site {
    /// Bare `XDP_DROP` would drop bystanders as well. It is attached to a second interface of the same
    /// host, which the flood goes to, and `XDP_PASS` to the first.
    pub(super) fn set_up(contender: Contender) -> Result<Self> {
        let town = Town::new(&Lab::new()?)?;
        // As from a wire: what an XDP program on veth is given is never larger than its MTU, so nothing
        // is larger for the others.
        town.router.ethtool("-K eth0 tso off gso off")?;
        let mut site = Self {
            contender,
            town,
            flooded: "eth0",
            _programs: Vec::new(),
        };
        let Town { server, router, .. } = &site.town;
        if contender == Contender::XdpDrop {
            connect((server, ("eth1", &[])), (router, ("eth1", &[])))?;
            for (name, interface) in [(LabProgram::PASS, "eth0"), (LabProgram::DROP, "eth1")] {
                let mut program = LabProgram::load(name)?;
                program.attach(server, interface)?;
                site._programs.push(program);
            }
            site.flooded = "eth1";
        } else {
            let program = contender.set_up(server, &List::of_one(Family::V4)?)?;
            site._programs.extend(program);
        }
        Ok(site)
    }

    pub(super) fn flood(&self) -> Result<Flood<'_>> {
        self.town.flood(self.flooded, "0.0.0.0/0", false)
    }

    /// What bystanders get while there is no flood.
    pub(super) fn serve(&self, cores: &[Core; 2], time: Duration) -> Result<Service> {
        let [bystanders, flooded] = cores;
        Ok(Service {
            throughput: tcp::throughput(&self.town, bystanders, flooded)?,
            calls: Calls::make(&self.town, time)?,
        })
    }

    /// What they get under the flood, which has the second core for generator and filter; and how many
    /// packets it came to in a second.
    pub(super) fn serve_flooded(
        &self,
        flood: &Flood<'_>,
        cores: &[Core; 2],
        time: Duration,
    ) -> Result<(Service, f64)> {
        let stop = AtomicBool::new(false);
        let bounds = Bounds {
            packets: u64::MAX,
            time: LIMIT,
            rate: Some(RATE),
        };
        thread::scope(|scope| {
            let flooding = scope.spawn(|| cores[1].run(|| flood.run(bounds, &stop)));
            thread::sleep(LEAD);
            let service = self.serve(cores, time);
            stop.store(true, Ordering::Relaxed);
            let flooded = flooding
                .join()
                .unwrap_or_else(|payload| panic::resume_unwind(payload))?;
            Ok((service?, flooded.rate()))
        })
    }
}
