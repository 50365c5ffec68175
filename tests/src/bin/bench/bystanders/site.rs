//! A portmapper behind a contender, its bystanders, and the flood.

use std::{
    panic,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::Result;
use rpcguard_tests::lab::{Bounds, Flood, Lab, LabProgram};

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
    _program: Option<LabProgram>,
}

/// What bystanders get.
pub(super) struct Service {
    /// Of a TCP connection, in Gbit/s.
    pub(super) throughput: f64,
    pub(super) calls: Calls,
}

impl Site {
    /// Instead of bare `XDP_DROP`, which would drop the connection as well, a program that drops all UDP.
    pub(super) fn set_up(contender: Contender) -> Result<Self> {
        let town = Town::new(&Lab::new()?)?;
        // As from a wire: what an XDP program on veth is given is never larger than its MTU, so nothing
        // is larger for the others.
        town.router.ethtool("-K eth0 tso off gso off")?;
        let program = if contender == Contender::XdpDrop {
            let mut program = LabProgram::load(LabProgram::DROP_UDP)?;
            program.attach(&town.server, "eth0")?;
            Some(program)
        } else {
            contender.set_up(&town.server, &List::of_one(Family::V4)?)?
        };
        Ok(Self {
            contender,
            town,
            _program: program,
        })
    }

    pub(super) fn flood(&self) -> Result<Flood<'_>> {
        // In a steady flow, a millisecond's packets at a time.
        let mut flood = self.town.flood("0.0.0.0/0", false)?;
        self.town.router.ip("link add ready type veth")?;
        flood.stand_by("ready")?;
        Ok(flood)
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
