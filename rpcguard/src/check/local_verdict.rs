//! The verdict of the local report in words, with the next step.

use super::{
    Cover, Guarded, Starter, Verdict,
    forwards::exposed::{self, ExposedForward},
    local::{LocalReport, ports, reachable_ports, transport_name, transport_of},
};
use crate::{
    foreign_text::short,
    sockets::{Process, Reach},
};

impl LocalReport {
    /// Sets the verdict by what was found.
    pub(super) fn judge(&mut self) {
        let forwards = self.exposed_forwards();
        let forwards = forwards
            .iter()
            .map(|found| found.verdict(self.is_reached(found)));
        // A rule that could not be read may forward the port.
        let unread = match self.forwards.unread[..] {
            [] => Verdict::NotExposed,
            _ => Verdict::Unknown,
        };
        let of_forwards = Verdict::of_all(forwards.chain([unread]));
        self.verdict = self.of_sockets().max(of_forwards);
    }

    /// The verdict about the sockets of this host.
    fn of_sockets(&self) -> Verdict {
        if reachable_ports(&self.inventory, &self.heard).is_empty() {
            return Verdict::NotExposed;
        }
        if self.interfaces.is_err() {
            return Verdict::Unknown;
        }
        match self.exposures.iter().map(|exposure| exposure.cover).min() {
            // A proxy may have no portmapper behind it.
            Some(Cover::None) if self.may_be_another_service() => Verdict::Unknown,
            Some(Cover::None) => Verdict::Exposed,
            Some(Cover::Limited) => Verdict::Limited,
            // It may have other ports than the one that it is known by.
            Some(Cover::Full) | None if self.inventory.has_unseen_holder() => Verdict::Unknown,
            Some(Cover::Full) | None => Verdict::NotExposed,
        }
    }

    /// The processes that hold port 111 and are no portmapper, nor systemd for one.
    pub fn other_holders(&self) -> impl Iterator<Item = &Process> {
        let holders = self.inventory.other_holders().into_iter();
        holders.filter(|process| !process.is_init())
    }

    /// Whether only other processes hold port 111: there is no portmapper to disable.
    pub(super) fn is_held_by_others(&self) -> bool {
        let by_others = if self.inventory.portmapper_is_idle() {
            !self.other_sockets.is_empty()
        } else {
            self.other_holders().next().is_some()
        };
        by_others
            && self.inventory.portmapper_processes().is_empty()
            && !self.inventory.has_unseen_holder()
    }

    /// Whether nothing answered there as a portmapper does, either.
    fn may_be_another_service(&self) -> bool {
        self.is_held_by_others() && !matches!(self.table, Some(Ok(_)))
    }

    /// The rules that lead to or from port 111 through interfaces that do not guard it fully.
    pub(super) fn exposed_forwards(&self) -> Vec<ExposedForward<'_>> {
        exposed::exposed(
            &self.forwards.found,
            self.interfaces.as_deref().unwrap_or_default(),
        )
    }

    /// Whether a portmapper of this host answers what a rule leads to it.
    fn is_reached(&self, found: &ExposedForward<'_>) -> bool {
        let mut sockets = self.inventory.portmapper();
        !self.may_be_another_service()
            && sockets.any(|socket| {
                socket.reach() == Reach::Outside
                    && transport_of(socket.kind) == found.forward.transport
            })
    }

    /// The verdict in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let forwards = self.exposed_forwards();
        let decisive = forwards
            .iter()
            .find(|found| found.verdict(self.is_reached(found)) == self.verdict);
        let what = match (self.verdict, decisive) {
            (verdict, Some(found)) if verdict > self.of_sockets() => self.about_forward(found),
            (Verdict::Exposed, _) => format!(
                "unless a firewall is in front, anybody can use {}",
                ports(&self.exposures, Cover::None)
            ),
            (Verdict::Limited, _) => format!(
                "anybody is served, at a limited rate, on {}",
                ports(&self.exposures, Cover::Limited)
            ),
            (Verdict::Unknown, _) if self.of_sockets() < Verdict::Unknown => {
                let why = self.forwards.unread.iter().map(|why| short(why));
                format!(
                    "rules that may forward port 111 could not be read ({})",
                    why.collect::<Vec<_>>().join("; ")
                )
            }
            (Verdict::Unknown, _) => self.why_unknown(),
            (Verdict::NotExposed, _) => self.why_not_exposed(),
        };
        format!("{}: {what}", self.verdict.heading())
    }

    fn about_forward(&self, found: &ExposedForward<'_>) -> String {
        let forward = found.forward;
        let limited = match found.cover {
            Cover::Limited => ", at a limited rate",
            Cover::None | Cover::Full => "",
        };
        format!(
            "{} {} {} forwarded to {} by {}{limited} (through {}){}",
            transport_name(forward.transport),
            forward.ports_text(),
            if forward.certain { "is" } else { "may be" },
            short(&forward.to),
            short(&forward.origin),
            short(&found.interfaces.join(", ")),
            if forward.inward {
                ""
            } else {
                "; what answers there was not asked"
            }
        )
    }

    fn why_unknown(&self) -> String {
        match &self.interfaces {
            Err(why) => {
                let why = why.lines().next().unwrap_or_default();
                let why = why.strip_prefix("error: ").unwrap_or(why);
                format!("a portmapper listens, but guards cannot be looked at: {why}")
            }
            Ok(_) if self.may_be_another_service() => {
                let mut holders: Vec<_> = self.other_holders().map(ToString::to_string).collect();
                if holders.is_empty() {
                    holders.clone_from(&self.other_sockets);
                }
                format!(
                    "{} holds {}, and did not answer from here as a portmapper does",
                    short(&holders.join(", ")),
                    ports(&self.exposures, Cover::None)
                )
            }
            Ok(_) => "not every process could be looked into".to_owned(),
        }
    }

    fn why_not_exposed(&self) -> String {
        let at_boot = self.starters.iter().find(|starter| starter.at_boot);
        let why = if self.portmapper_sockets().next().is_none() {
            match at_boot {
                Some(starter) => &format!(
                    "no portmapper listens now, but {}, which is started at boot, starts {}",
                    short(&starter.by),
                    short(&starter.unit)
                ),
                None => "no portmapper listens",
            }
        } else if reachable_ports(&self.inventory, &self.heard).is_empty() {
            "the portmapper listens for this host only"
        } else {
            match self.interfaces.as_deref() {
                Ok([]) => "there is no interface that packets could come in through",
                Ok(interfaces)
                    if interfaces
                        .iter()
                        .filter_map(|interface| interface.guard.as_ref())
                        .any(Guarded::leaves_links_out) =>
                {
                    "every interface guards the portmapper, but for addresses of the link itself \
                     (fe80::/10), at which neighbours may reach it"
                }
                _ => "every interface guards the portmapper",
            }
        };
        let forwards = match self.forwards.found[..] {
            [] => "",
            _ => "; guards stand before the rules that forward port 111",
        };
        format!("{why}{forwards}")
    }

    /// The next step to take, as a command, if there is one.
    #[must_use]
    pub fn next_step(&self) -> Option<String> {
        let forwards = self.exposed_forwards();
        let forwards: Vec<_> = forwards
            .iter()
            .filter(|found| found.verdict(self.is_reached(found)) == self.verdict)
            .collect();
        let interfaces = self.interfaces.as_deref().unwrap_or_default();
        match self.verdict {
            Verdict::Unknown | Verdict::Exposed if self.of_sockets() < self.verdict => {
                let remedy = exposed::remedy(&forwards, interfaces);
                // Root reads more; what root cannot read either, no command of ours does.
                let is_root = rustix::process::geteuid().is_root();
                remedy.or_else(|| (!is_root).then(|| "sudo rpcguard check".to_owned()))
            }
            Verdict::Unknown if self.interfaces.is_ok() && self.may_be_another_service() => {
                self.remedy()
            }
            Verdict::Unknown => Some("sudo rpcguard check".to_owned()),
            Verdict::Exposed => self.remedy(),
            Verdict::Limited | Verdict::NotExposed => {
                if self.portmapper_sockets().next().is_some() {
                    return None;
                }
                // A unit that runs the program itself is not the portmapper's, and not disabled.
                let is_unit = |starter: &&Starter| !starter.unit.starts_with('/');
                let will_start = self.units.iter().any(|unit| unit.starts);
                if will_start || self.starters.iter().any(|starter| is_unit(&starter)) {
                    return Some("rpcguard disable".to_owned());
                }
                let runner = self.starters.first()?;
                let (by, program) = (short(&runner.by), short(&runner.unit));
                Some(format!("systemctl cat {by}    # it runs {program}"))
            }
        }
    }
}
