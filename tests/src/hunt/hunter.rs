//! Shoots at both twins, and follows up what looks wrong.

use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use aya::programs::XdpMode;

use super::{
    deliveries::Deliveries,
    grammar::Grammar,
    judge::{Kind, Tally, Wrong, judge},
    shot::{Feature, Shot},
    terrain::{ALLOW, DENY, Device, GUARDED, Guests, setup},
    twin::{FRAGMENTS_LAST, Twin},
};
use crate::{
    kernel::{Kernel, Load, Program},
    lab::Lab,
    site::CleanLab,
};

/// How many shots are sent before it is looked what has come of them: not more than a veth's ring
/// has room for, should its receiver fall behind.
const VOLLEY: usize = 64;

/// After so many findings, a hunt is over.
const ENOUGH: usize = 25;

/// How often a single shot is sent again to see whether what looked wrong is.
const REPETITIONS: u32 = 3;

/// Where and how to hunt.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// Gives the same frames every time.
    pub seed: u64,
    /// What they arrive on.
    pub device: Device,
    /// The largest IP packet.
    pub mtu: usize,
    /// `native` or `generic`.
    pub mode: &'static str,
    /// Whether to look for the shot behind each wrong, and for as little of it as shows it. That
    /// takes seconds each, since Linux keeps fragments for a while.
    pub follow_up: bool,
}

impl Hunt {
    /// How to do the same again.
    #[must_use]
    pub fn command(&self, frames: u64) -> String {
        let device = match self.device {
            Device::Veth => "veth",
            Device::Tun => "tun",
        };
        format!(
            "cargo xtask hunt --frames {frames} --seed {} --mode {} --device {device} --mtu {}",
            self.seed, self.mode, self.mtu
        )
    }
}

/// Something wrong, and the shot that shows it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What is wrong.
    pub wrong: Wrong,
    /// As few frames as show it.
    pub shot: Shot,
    /// Whether it was seen again when the shot was sent alone.
    pub reproduced: bool,
}

/// What a hunt came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Frames that were sent, each to both twins.
    pub frames: u64,
    /// Shots that these frames make up.
    pub shots: u64,
    /// What was delivered to the observing twin.
    pub tally: Tally,
    /// For each feature, how many shots had it, and how many of these reached a socket of the observing
    /// twin.
    pub features: BTreeMap<Feature, (u64, u64)>,
    /// Everything wrong.
    pub findings: Vec<Finding>,
    /// What looked wrong once and never again.
    pub passing: u64,
}

/// How to filter.
enum Filter {
    /// With the command, as anybody would.
    Command,
    /// With another BPF object, attached as long as it is loaded.
    Object { _kernel: Box<Kernel> },
    /// Not yet.
    Nothing,
}

/// Two twins, and what to shoot at them.
pub struct Hunter {
    hunt: Hunt,
    observing: Twin,
    enforcing: Twin,
    filter: Filter,
    grammar: Grammar,
    guests: Guests,
    /// Goes last, and asserts that nothing is left.
    _lab: CleanLab,
}

impl Hunter {
    /// Has the command guard the twins.
    ///
    /// # Errors
    ///
    /// If the machine lacks what is needed, or the command fails.
    pub fn new(lab: Lab, hunt: Hunt) -> Result<Self> {
        let hunter = Self::unguarded(lab, hunt, Filter::Command)?;
        for (twin, observe) in [(&hunter.observing, true), (&hunter.enforcing, false)] {
            let mut arguments = vec!["attach", twin.interface, "--mode", hunt.mode, "--tcp"];
            let ports = GUARDED.map(|port| port.to_string());
            arguments.extend(ports.iter().flat_map(|port| ["--port", port]));
            arguments.extend(ALLOW.iter().flat_map(|prefix| ["--allow", prefix]));
            arguments.extend(DENY.iter().flat_map(|prefix| ["--deny", prefix]));
            arguments.extend(observe.then_some("--observe"));
            let _ = twin.host.rpcguard(arguments).succeeded();
        }
        Ok(hunter)
    }

    /// Guards one twin with another BPF object, and the other not at all: for hunting on broken ones.
    ///
    /// # Errors
    ///
    /// If the machine lacks what is needed, or the kernel refuses the object.
    pub fn with_object(lab: Lab, hunt: Hunt, object: &[u8]) -> Result<Self> {
        let load = Load {
            link: hunt.device.link(),
            log_level: 0,
            limiter: false,
            tables: false,
        };
        let mut kernel = Kernel::load_object(object, load)?;
        kernel.apply(&setup(hunt.device))?;
        let mut hunter = Self::unguarded(lab, hunt, Filter::Nothing)?;
        let mode = match hunt.mode {
            "native" => XdpMode::Driver,
            _ => XdpMode::Skb,
        };
        let twin = &hunter.enforcing;
        let program = kernel.xdp_mut(Program::Linear)?;
        twin.host
            .enter(|| program.attach(twin.interface, mode))
            .context("cannot attach the object")?;
        hunter.filter = Filter::Object {
            _kernel: Box::new(kernel),
        };
        Ok(hunter)
    }

    fn unguarded(lab: Lab, hunt: Hunt, filter: Filter) -> Result<Self> {
        let lab = CleanLab::new(lab);
        let twin = || Twin::new(&lab, hunt.device, hunt.mtu);
        Ok(Self {
            observing: twin()?,
            enforcing: twin()?,
            grammar: Grammar::new(hunt.seed, hunt.device.link(), hunt.mtu),
            guests: Guests::default(),
            hunt,
            filter,
            _lab: lab,
        })
    }

    /// Sends at least so many frames, unless too much is wrong, and calls `progress` now and then; it
    /// says whether to go on.
    ///
    /// # Errors
    ///
    /// If a twin stops answering.
    pub fn hunt(
        &mut self,
        frames: u64,
        mut progress: impl FnMut(&Report) -> bool,
    ) -> Result<Report> {
        let mut report = Report::default();
        let mut go_on = |report: &Report| report.findings.len() < ENOUGH && progress(report);
        while report.frames < frames && go_on(&report) {
            let shots: Vec<_> = std::iter::repeat_with(|| self.grammar.shot())
                .take(VOLLEY)
                .collect();
            let (observed, wrongs) = self.shoot(&shots, &mut report.tally)?;
            report.count(&shots, &observed);
            if !wrongs.is_empty() {
                self.follow_up(&shots, wrongs, &mut report, &mut go_on)?;
            }
        }
        Ok(report)
    }

    /// Sends one shot, and says what is wrong.
    ///
    /// # Errors
    ///
    /// If a twin stops answering.
    pub fn try_shot(&mut self, shot: &Shot) -> Result<Vec<Wrong>> {
        let shots = std::slice::from_ref(shot);
        Ok(self.shoot(shots, &mut Tally::default())?.1)
    }

    fn shoot(&mut self, shots: &[Shot], tally: &mut Tally) -> Result<(Deliveries, Vec<Wrong>)> {
        let frames = || shots.iter().flat_map(|shot| &shot.frames);
        let observed = self.observing.volley(frames())?;
        let enforced = self.enforcing.volley(frames())?;
        let wrongs = judge(&self.guests, &observed, &enforced, shots, tally);
        Ok((observed, wrongs))
    }

    /// Finds the shot that is to blame for each wrong, and as little of it as shows it.
    fn follow_up(
        &mut self,
        shots: &[Shot],
        wrongs: Vec<Wrong>,
        report: &mut Report,
        mut go_on: impl FnMut(&Report) -> bool,
    ) -> Result<()> {
        for wrong in wrongs {
            if !go_on(report) {
                break;
            }
            let suspects = shots
                .iter()
                .filter(|shot| shot.may_come_from(wrong.delivery.source));
            let mut found = None;
            let follow_up = self.hunt.follow_up;
            for suspect in suspects.filter(|_| follow_up) {
                if self.reproduces(suspect, &wrong)? {
                    found = Some(self.shrink(suspect.clone(), &wrong)?);
                    break;
                }
            }
            let reproduced = found.is_some();
            // A packet can be lost once on a busy machine, but none gets through by accident.
            if self.hunt.follow_up && !reproduced && wrong.kind == Kind::Harm {
                report.passing += 1;
                continue;
            }
            let shot = found.unwrap_or_else(|| Shot {
                frames: shots.iter().flat_map(|shot| shot.frames.clone()).collect(),
                ..shots[0].clone()
            });
            report.findings.push(Finding {
                wrong,
                shot,
                reproduced,
            });
        }
        Ok(())
    }

    fn reproduces(&mut self, shot: &Shot, wrong: &Wrong) -> Result<bool> {
        for repetition in 0..REPETITIONS {
            if shot.frames.len() > 1 || repetition > 0 {
                // Until Linux has forgotten the fragments.
                thread::sleep(Duration::from_millis(1000 * FRAGMENTS_LAST + 200));
            }
            let again = self.try_shot(shot)?;
            if again.iter().any(|other| other.kind == wrong.kind) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Leaves frames away as long as the rest shows the same.
    fn shrink(&mut self, mut shot: Shot, wrong: &Wrong) -> Result<Shot> {
        let mut at = 0;
        while at < shot.frames.len() && shot.frames.len() > 1 {
            let mut smaller = shot.clone();
            smaller.frames.remove(at);
            if self.reproduces(&smaller, wrong)? {
                shot = smaller;
            } else {
                at += 1;
            }
        }
        Ok(shot)
    }
}

impl Drop for Hunter {
    /// The lab asserts that nothing is pinned in the end.
    fn drop(&mut self) {
        if matches!(self.filter, Filter::Command) && !thread::panicking() {
            for twin in [&self.observing, &self.enforcing] {
                let _ = twin.host.rpcguard(["detach", twin.interface]);
            }
        }
    }
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    fn count(&mut self, shots: &[Shot], observed: &Deliveries) {
        let delivered: HashSet<SocketAddr> = observed
            .iter()
            .map(|(delivery, _)| delivery.source)
            .collect();
        for shot in shots {
            self.frames += shot.frames.len() as u64;
            self.shots += 1;
            for feature in Feature::ALL {
                if shot.features.has(feature) {
                    let (sent, arrived) = self.features.entry(feature).or_default();
                    *sent += 1;
                    *arrived += u64::from(delivered.contains(&shot.source));
                }
            }
        }
    }
}
