//! Whether an interface can be guarded, and how: told before anything is attached.
//!
//! [`examine`] gathers facts and judges them. It changes nothing.

mod drivers;
mod facts;
#[cfg(test)]
mod fixtures;
mod obstacle;
#[cfg(test)]
mod tests;

pub(crate) use drivers::{Native, Remedy};
pub(crate) use facts::{Device, Facts, Guarded, Machine, Version};
pub(crate) use obstacle::Obstacle;

use rpcguard_common::abi::program;

use crate::{
    error::Result,
    guard::{DISPATCHER, Registry},
};

/// The first kernel that lets no program below another.
const NONE_BELOW: Version = (5, 15);

/// Kernels from this one on do not count maps as locked memory.
const NO_MEMLOCK: Version = (5, 11);

/// The oldest kernel that has all that is used.
const OLDEST: Version = (5, 10);

/// The first kernel whose virtio_net shares queues between processors.
const VIRTIO_SHARES_QUEUES: Version = (5, 13);

/// More than a guard's maps take, but for long lists.
const ENOUGH_MEMLOCK: u64 = 256 << 20;

/// What taking somebody else's program off costs.
const ITS_WORK_ENDS: &str = "what that program does ends; its own tool may put it back";

/// The names of rpcguard's programs.
const RPCGUARDS: [&str; 2] = [program::LINEAR, program::FRAGS];

/// The MTU up to which every driver keeps a frame in one buffer.
const USUAL_MTU: u32 = 1500;

/// What an examination came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is guarded already.
    Guarded,
    /// It can be guarded in the driver.
    Native,
    /// It can be guarded, in the driver or else in the network stack: only trying tells.
    Either,
    /// It can be guarded in the network stack.
    Generic,
    /// It cannot be guarded as things are.
    Refused,
}

impl Verdict {
    /// The word for it in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guarded => "guarded",
            Self::Native => "native",
            Self::Either => "native_or_generic",
            Self::Generic => "generic",
            Self::Refused => "refused",
        }
    }
}

/// How much a [`Finding`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing can be attached.
    Blocks,
    /// Nothing can be attached in the driver.
    Generic,
    /// Good to know.
    Note,
}

impl Severity {
    /// The word for it in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Generic => "generic",
            Self::Note => "note",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What was found, in words.
    pub what: String,
    /// The command that changes it, if there is one.
    pub command: Option<String>,
    /// What that costs, in words.
    pub cost: Option<&'static str>,
}

/// The examination of an interface.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    pub(crate) facts: Facts,
    /// What it comes to.
    pub verdict: Verdict,
    /// What was found, what matters most first.
    pub findings: Vec<Finding>,
    /// The command to type next.
    pub next: String,
}

/// Examines an interface of this network namespace, and changes nothing.
///
/// # Errors
///
/// [`Error::NoSuchInterface`](crate::Error::NoSuchInterface), [`Error::InterfaceName`](crate::Error::InterfaceName), and
/// failing system calls.
pub fn examine(registry: &Registry, interface: &str) -> Result<Diagnosis> {
    Facts::gather(registry, interface).map(Diagnosis::of)
}

impl Diagnosis {
    /// The judgement of facts.
    pub(crate) fn of(facts: Facts) -> Self {
        let Facts {
            machine,
            device,
            guard,
            adoptable,
        } = &facts;
        let mut findings = blocks(machine, device, guard.as_ref(), *adoptable);
        let blocked = !findings.is_empty();
        // A guard's own program says where it runs.
        let native = match guard {
            Some(_) => Native::Yes,
            None => drivers::native(device, machine),
        };
        if let Native::No(hindrances) = &native {
            findings.extend(hindrances.iter().map(|hindrance| {
                let remedy = hindrance.remedy.as_ref();
                Finding {
                    severity: Severity::Generic,
                    what: hindrance.what.clone(),
                    command: remedy.map(|Remedy { command, .. }| command.clone()),
                    cost: remedy.map(|Remedy { cost, .. }| *cost),
                }
            }));
        }
        let verdict = match (guard, &native) {
            (Some(Guarded::Here { .. }), _) => Verdict::Guarded,
            _ if blocked => Verdict::Refused,
            (_, Native::Yes) => Verdict::Native,
            (_, Native::Unknown) => Verdict::Either,
            (_, Native::No(_)) => Verdict::Generic,
        };
        findings.extend(notes(&facts, &native));
        let next = next(&facts, verdict, &findings);
        Self {
            verdict,
            findings,
            next,
            facts,
        }
    }

    /// The verdict in words.
    #[must_use]
    pub fn summary(&self) -> String {
        let name = &self.facts.device.name;
        let because = |severity| {
            let mut reasons = self.findings.iter();
            let reason = reasons.find(|finding| finding.severity == severity);
            reason.map_or("", |finding| &*finding.what)
        };
        match (self.verdict, &self.facts.guard) {
            (
                Verdict::Guarded,
                Some(Guarded::Here {
                    mode: Some(mode), ..
                }),
            ) => {
                format!("`{name}` is guarded already, in {mode} mode")
            }
            (Verdict::Guarded, _) => format!("`{name}` is guarded already"),
            (Verdict::Native, _) => format!("`{name}` can be guarded in native mode"),
            (Verdict::Either, _) => format!(
                "`{name}` can be guarded; whether in native mode or, slower, in generic mode, only trying tells"
            ),
            (Verdict::Generic, _) => format!(
                "`{name}` can be guarded in generic mode only, which is slower: {}",
                because(Severity::Generic)
            ),
            (Verdict::Refused, _) => {
                format!("`{name}` cannot be guarded: {}", because(Severity::Blocks))
            }
        }
    }
}

fn finding(severity: Severity, what: impl Into<String>) -> Finding {
    Finding {
        severity,
        what: what.into(),
        command: None,
        cost: None,
    }
}

impl Finding {
    fn cured_by(self, command: impl Into<String>, cost: &'static str) -> Self {
        Self {
            command: Some(command.into()),
            cost: Some(cost),
            ..self
        }
    }
}

/// What keeps anything from being attached.
fn blocks(
    machine: &Machine,
    device: &Device,
    guard: Option<&Guarded>,
    adoptable: bool,
) -> Vec<Finding> {
    let block = |what: String| finding(Severity::Blocks, what);
    let mut found = Vec::new();
    let name = &device.name;
    if machine.version < OLDEST {
        found.push(block(format!(
            "this is Linux {}, and rpcguard needs 5.10 or later",
            machine.release
        )));
    }
    if let Some(missing) = &machine.missing {
        found.push(block(format!("this process lacks {missing}")).cured_by(
            format!("sudo rpcguard doctor {name}"),
            "it runs with all rights",
        ));
    }
    if let Some(why) = &machine.bpffs_error {
        let bpffs = machine.bpffs.display();
        found.push(block(why.clone()).cured_by(
            format!("mount -t bpf bpf {bpffs}"),
            "nothing; until the next boot, unless it is in /etc/fstab",
        ));
    }
    if let Some(why) = &device.strange {
        found.push(block(why.clone()));
    }
    if guard.is_none() && machine.version >= NONE_BELOW {
        found.extend(device.above.iter().map(|(above, program)| {
            let what = format!(
                "`{above}`, which is on top of it, has an XDP program (id {}, name `{}`), and the kernel then lets \
                 none below",
                program.id, program.name
            );
            if RPCGUARDS.contains(&&*program.name) {
                block(what).cured_by(
                    format!("rpcguard detach {above}"),
                    "nothing is filtered until this one is attached, and lists and counters are lost",
                )
            } else {
                block(what).cured_by(format!("ip link set dev {above} xdp off"), ITS_WORK_ENDS)
            }
        }));
    }
    match guard {
        Some(Guarded::Incompatible(version)) => found.push(
            block(format!(
                "an rpcguard of ABI version {version} guards it, whose guards this one cannot work with"
            ))
            .cured_by(
                format!("rpcguard detach {name}"),
                "nothing is filtered until it is attached again, and lists and counters are lost",
            ),
        ),
        Some(Guarded::Here { .. }) => {}
        None if adoptable => found.push(
            block(
                "somebody else attached a program of rpcguard's, which lets everything pass until it is adopted"
                    .to_owned(),
            )
            .cured_by(
                format!("rpcguard adopt {name} --allow CIDR"),
                "nothing, but there is no rate policy then",
            ),
        ),
        None => found.extend(device.programs.iter().map(|program| {
            let what = block(format!(
                "it has an XDP program of somebody else: id {}, name `{}`, in {} mode; rpcguard never replaces it",
                program.id, program.name, program.mode
            ));
            if program.name == DISPATCHER {
                what.cured_by(
                    format!("xdp-loader load -m native -n rpcguard {name} rpcguard.bpf.o"),
                    "there is no rate policy then; `rpcguard adopt` comes next",
                )
            } else {
                what.cured_by(format!("ip link set dev {name} xdp off"), ITS_WORK_ENDS)
            }
        })),
    }
    found
}

/// What is good to know besides.
fn notes(facts: &Facts, native: &Native) -> Vec<Finding> {
    let Facts {
        machine,
        device,
        guard,
        ..
    } = facts;
    let name = &device.name;
    let driver = device.driver.as_deref().unwrap_or_default();
    let note = |what: String| finding(Severity::Note, what);
    let mut found = Vec::new();
    if !device.up {
        found.push(note(format!("`{name}` is down: nothing arrives on it")));
    }
    match (&*device.kind, &device.lower) {
        ("vlan" | "macvlan" | "macvtap" | "ipvlan" | "ipvtap", Some(lower)) => {
            found.push(note(format!(
                "its packets pass `{lower}` first, tagged or not: a guard there covers `{name}` as well, and \
                 everything else on `{lower}`"
            )));
        }
        ("bridge", _) => found.push(note(format!(
            "a guard here does not see what `{name}` only forwards: guard the ports that face others{}",
            list(" (", device.ports.iter().map(|port| &*port.name), ")")
        ))),
        _ => {}
    }
    if let Some(master) = &device.master {
        let what = match &*master.kind {
            "bond" => "a guard of the bond covers all of its ports",
            _ => "a guard here sees all that arrives on this port, for guests as well",
        };
        found.push(note(format!(
            "`{name}` is a port of the {} `{}`: {what}",
            master.kind, master.name
        )));
    }
    if driver == "virtio_net"
        && machine.version < VIRTIO_SHARES_QUEUES
        && device.channels.is_some_and(|channels| {
            channels.combined as usize + machine.processors > channels.max_combined as usize
        })
    {
        let free = device.channels.map_or(1, |channels| channels.max_combined);
        let queues = (free as usize).saturating_sub(machine.processors).max(1);
        found.push(
            note(
                "virtio_net wants a queue of its own for each processor before Linux 5.13; some kernels, such as \
                 Debian's 5.10, can do without"
                    .to_owned(),
            )
            .cured_by(
                Obstacle::TxRings.command(name, u32::try_from(queues).ok()),
                Obstacle::TxRings.cost(),
            ),
        );
    }
    if *native == Native::Unknown {
        found.push(note(format!(
            "nobody knows beforehand whether the driver `{driver}` has XDP on Linux {}",
            machine.release
        )));
    }
    if guard.is_none() && device.mtu > USUAL_MTU && matches!(native, Native::Yes | Native::Unknown)
    {
        found.push(note(format!(
            "the MTU is {}: where frames do not fit into one buffer, a driver may refuse, and says so",
            device.mtu
        )));
    }
    if driver == "veth" && guard.is_some() {
        found.push(note(
            "veth shows a program only the queues that there were when it was attached: after `ethtool -L`, renew it"
                .to_owned(),
        ).cured_by(format!("rpcguard attach {name} --replace"), "nothing, there is no gap"));
    }
    if machine.version < NO_MEMLOCK
        && machine
            .memlock
            .is_some_and(|memlock| memlock < ENOUGH_MEMLOCK)
    {
        found.push(note(
            "before Linux 5.11, maps count as locked memory; rpcguard lifts the limit where it may (CAP_SYS_RESOURCE)"
                .to_owned(),
        ));
    }
    if machine.jit == Some(false) {
        found.push(
            note("BPF programs are interpreted, which is several times slower".to_owned())
                .cured_by("sysctl -w net.core.bpf_jit_enable=1", "nothing"),
        );
    }
    found
}

fn list<'a>(before: &str, names: impl Iterator<Item = &'a str>, after: &str) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("{before}{}{after}", names.join(", "))
    }
}

/// The command to type next.
fn next(facts: &Facts, verdict: Verdict, findings: &[Finding]) -> String {
    let Device {
        name, kind, lower, ..
    } = &facts.device;
    let cure = |severity| {
        let mut found = findings.iter();
        found
            .find(|finding| finding.severity == severity)
            .and_then(|finding| finding.command.clone())
    };
    let attach = format!("rpcguard attach {name} --allow CIDR --confirm 60");
    match verdict {
        Verdict::Guarded => match facts.guard {
            Some(Guarded::Here {
                confirmed: false, ..
            }) => format!("rpcguard confirm {name}"),
            _ => format!("rpcguard status {name}"),
        },
        Verdict::Native | Verdict::Either => attach,
        Verdict::Generic => match lower {
            Some(lower) if kind == "vlan" => format!("rpcguard doctor {lower}"),
            _ => cure(Severity::Generic).unwrap_or(attach),
        },
        Verdict::Refused => cure(Severity::Blocks).unwrap_or_else(|| "ip -br link".to_owned()),
    }
}
