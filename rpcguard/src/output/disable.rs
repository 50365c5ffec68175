//! What `rpcguard disable` shows.

use std::io::{self, Write};

use serde::Serialize;

use super::{
    SCHEMA_VERSION, needs, stdout,
    text::{Align, table},
    write_json,
};
use crate::{
    check::transport_name,
    disable::{
        self, Applied, Holder, Init, Listener, Machine, Need, NfsServer, Place, Probe, Process,
        Record, Step, Survey, Undone, Version3, WATCHED,
    },
    foreign_text::printable,
};

/// What the document is about.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Plan,
    Apply,
    Undo,
}

/// What is printed as JSON. What an action does not look at is empty.
#[derive(Serialize)]
pub(crate) struct Document {
    schema_version: u32,
    action: Action,
    init: Option<&'static str>,
    services: Vec<Service>,
    processes: Vec<Stray>,
    needs: Vec<Needed>,
    steps: Vec<String>,
    probes: Vec<Probed>,
    not_assured: Vec<String>,
    holders: Vec<Held>,
    ended: Vec<Ended>,
    differs: Vec<String>,
}

/// A process that holds port 111; without a number, the sockets whose process could not be told.
#[derive(Serialize)]
struct Held {
    id: Option<i32>,
    name: Option<String>,
    program: Option<String>,
    is_portmapper: bool,
    unit: Option<String>,
    container: Option<String>,
    sockets: Vec<Bound>,
    remedy: Option<String>,
}

#[derive(Serialize)]
struct Bound {
    transport: String,
    address: String,
}

#[derive(Serialize)]
struct Ended {
    id: i32,
    program: String,
    start: Option<String>,
}

#[derive(Serialize)]
struct Service {
    name: String,
    state: String,
}

#[derive(Serialize)]
struct Stray {
    id: i32,
    program: String,
    arguments: Vec<String>,
}

#[derive(Serialize)]
struct Needed {
    kind: &'static str,
    text: String,
    place: Option<String>,
    reason: &'static str,
    blocks: bool,
}

#[derive(Serialize)]
struct Probed {
    transport: String,
    address: String,
    answer: &'static str,
}

impl Document {
    /// Of an action that comes to these steps.
    pub(crate) fn new(action: Action, steps: &[Step]) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            action,
            init: None,
            services: Vec::new(),
            processes: Vec::new(),
            needs: Vec::new(),
            steps: steps.iter().map(ToString::to_string).collect(),
            probes: Vec::new(),
            not_assured: Vec::new(),
            holders: Vec::new(),
            ended: Vec::new(),
            differs: Vec::new(),
        }
    }

    /// With what was found before.
    pub(crate) fn with_survey(self, survey: &Survey) -> Self {
        let Survey { state, needs, .. } = survey;
        let services = state.services.described().into_iter();
        let needs = needs.iter().map(|need| Needed {
            kind: need.kind(),
            text: need.to_string(),
            place: need.place().map(ToOwned::to_owned),
            reason: need.reason(),
            blocks: need.blocks(),
        });
        Self {
            init: Some(state.services.init().name()),
            services: services
                .map(|(name, state)| Service { name, state })
                .collect(),
            processes: state
                .strays
                .iter()
                .map(|process| Stray {
                    id: process.id,
                    program: process.program.clone(),
                    arguments: process.arguments.clone(),
                })
                .collect(),
            needs: needs.collect(),
            holders: held(survey),
            ..self
        }
    }

    /// With what undoing has not restored.
    pub(crate) fn with_undone(self, machine: &Machine, undone: &Undone) -> Self {
        let ended = undone.ended.iter().map(|process| Ended {
            id: process.id,
            program: process.program.clone(),
            start: process.by_hand(machine),
        });
        Self {
            ended: ended.collect(),
            differs: undone.differs.clone(),
            ..self
        }
    }

    /// With what became of trying to reach the port, and what may start the portmapper again.
    pub(crate) fn with_applied(self, applied: &Applied) -> Self {
        let probes = applied.probes.iter().map(|probe| Probed {
            transport: transport_name(probe.transport).to_lowercase(),
            address: probe.address.to_string(),
            answer: probe.answer.name(),
        });
        Self {
            probes: probes.collect(),
            not_assured: applied.not_assured.clone(),
            ..self
        }
    }

    /// Prints it on one line.
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = stdout();
        write_json(&mut out, self)?;
        out.flush()
    }
}

fn held(survey: &Survey) -> Vec<Held> {
    let state = &survey.state;
    let bound = |listener: &Listener| Bound {
        transport: transport_name(listener.transport).to_lowercase(),
        address: listener.address.to_string(),
    };
    let known = state.holders.known.iter().map(|holder| {
        let Holder { process, place, .. } = holder;
        let (unit, container) = match place {
            Some(Place::Unit(unit)) => (Some(unit.clone()), None),
            Some(Place::Container { id, .. }) => (None, Some(id.clone())),
            None => (None, None),
        };
        Held {
            id: Some(process.id),
            name: Some(process.name.clone()),
            program: (!process.program.is_empty()).then(|| process.program.clone()),
            is_portmapper: holder.is_portmapper,
            unit,
            container,
            sockets: holder.listeners.iter().map(bound).collect(),
            remedy: (!holder.is_portmapper).then(|| holder.remedy(state.services.shared())),
        }
    });
    let unseen = state.holders.unseen.iter().map(|listener| Held {
        id: None,
        name: None,
        program: None,
        is_portmapper: false,
        unit: None,
        container: None,
        sockets: vec![bound(listener)],
        remedy: None,
    });
    known.chain(unseen).collect()
}

/// The plan for a machine, and who is in its way.
pub(crate) fn print_plan(machine: &Machine, survey: &Survey) -> io::Result<()> {
    let mut out = stdout();
    write_plan(&mut out, machine, survey)?;
    out.flush()
}

fn write_plan(out: &mut impl Write, machine: &Machine, survey: &Survey) -> io::Result<()> {
    let Survey {
        state,
        nfs_server,
        needs,
    } = survey;
    let init = state.services.init();
    writeln!(out, "services are started by {init}")?;
    let services = state.services.described();
    let strays = state.strays.iter().map(|process| {
        let name = format!("process {}", process.id);
        (name, command_line(process))
    });
    let rows: Vec<_> = services
        .into_iter()
        .chain(strays)
        .map(|(name, text)| [printable(&name), printable(&text)])
        .collect();
    if rows.is_empty() {
        writeln!(
            out,
            "no portmapper was found here, as a service by its usual names or as a process"
        )?;
    } else {
        writeln!(out, "the portmapper:")?;
        table(out, [Align::Left; 2], &rows)?;
    }
    needs::write(out, needs)?;
    let steps = state.disable();
    let in_the_way = state.in_the_way(&steps);
    if steps.is_empty() {
        if in_the_way.is_empty() {
            writeln!(out, "nothing is to be done to disable it")?;
        }
        if Record::exists(machine) {
            writeln!(
                out,
                "`rpcguard disable --undo` restores what was before it was disabled"
            )?;
        }
    } else {
        writeln!(out, "to disable it:")?;
        for step in &steps {
            writeln!(out, "  {step}")?;
        }
        let is_needed = needs.iter().any(Need::blocks);
        let force = if is_needed { " --force" } else { "" };
        writeln!(
            out,
            "`rpcguard disable --apply{force}` does that and makes sure that port 111 is shut; \
             `rpcguard disable --undo` takes it back"
        )?;
    }
    for line in disable::not_assured(machine, init, &state.strays) {
        writeln!(out, "not assured: {}", printable(&line))?;
    }
    if !in_the_way.is_empty() {
        writeln!(
            out,
            "port 111 is held by what is not proven to be the portmapper, and is left alone:"
        )?;
        for line in in_the_way.described(state.services.shared()) {
            writeln!(out, "  {line}")?;
        }
    }
    for unit in state.services.shared() {
        let unit = printable(unit);
        writeln!(
            out,
            "{unit} listens on port 111 and on other ports as well, and is left alone: `systemctl edit --full {unit}` \
             takes port 111 out of it"
        )?;
    }
    write_nfs4(out, nfs_server, init)?;
    if let Some(command) = disable::removal(machine) {
        writeln!(out, "to remove it altogether: `{command}`")?;
    }
    Ok(())
}

/// A program and its arguments, as words of a shell.
fn command_line(process: &Process) -> String {
    let words = [std::slice::from_ref(&process.program), &process.arguments].concat();
    words.join(" ")
}

/// NFS without a portmapper.
fn write_nfs4(out: &mut impl Write, server: &NfsServer, init: Init) -> io::Result<()> {
    if !server.is_in_use() {
        return Ok(());
    }
    if let Version3::Off(setting) = &server.version3 {
        return writeln!(
            out,
            "the NFS server has no use for it: NFSv3 is switched off by {}",
            printable(setting)
        );
    }
    writeln!(
        out,
        "NFSv4 does without it; to serve nothing else, put this in /etc/nfs.conf:\n  \
         [nfsd]\n  vers3=n\n  udp=n"
    )?;
    if init == Init::Systemd {
        writeln!(
            out,
            "and then:\n  systemctl restart nfs-server.service\n  \
             systemctl mask --now rpc-statd.service"
        )
    } else {
        writeln!(
            out,
            "and then restart the NFS server, and have rpc.statd stopped and not started"
        )
    }
}

/// What has come of it.
pub(crate) fn print_applied(applied: &Applied, machine: &Machine) -> io::Result<()> {
    let mut out = stdout();
    if !applied.changed {
        writeln!(out, "nothing was to be done")?;
    }
    write_probes(&mut out, &applied.probes)?;
    if applied.changed {
        writeln!(
            out,
            "port 111 stayed shut for the {} s that it was watched",
            WATCHED.as_secs()
        )?;
    }
    for line in &applied.not_assured {
        writeln!(out, "not assured: {}", printable(line))?;
    }
    let state = if applied.not_assured.is_empty() {
        "the portmapper is disabled"
    } else {
        "the portmapper does not run now"
    };
    if let Some(command) = disable::removal(machine) {
        writeln!(out, "{state}; to remove it altogether: `{command}`")?;
    } else {
        writeln!(out, "{state}")?;
    }
    out.flush()
}

/// The outcome of undoing.
pub(crate) fn print_undone(machine: &Machine, undone: &Undone) -> io::Result<()> {
    let mut out = stdout();
    if !undone.was_recorded {
        let path = Record::path(machine);
        writeln!(out, "nothing to undo: there is no {}", path.display())?;
        return out.flush();
    }
    for line in &undone.differs {
        writeln!(out, "left as it is: {}", printable(line))?;
    }
    for process in &undone.ended {
        write!(
            out,
            "not started again, because no service had started it: "
        )?;
        match process.by_hand(machine) {
            Some(command) => writeln!(out, "{}; `{command}` starts it", process.described())?,
            None => writeln!(
                out,
                "{}; start it by what had started it",
                process.described()
            )?,
        }
    }
    if undone.differs.is_empty() && undone.ended.is_empty() {
        writeln!(
            out,
            "the portmapper is set as it was before it was disabled"
        )?;
    } else {
        writeln!(out, "all else is set as it was before it was disabled")?;
    }
    out.flush()
}

fn write_probes(out: &mut impl Write, probes: &[Probe]) -> io::Result<()> {
    let rows: Vec<_> = probes
        .iter()
        .map(|probe| {
            [
                transport_name(probe.transport).to_owned(),
                probe.address.to_string(),
                probe.answer.to_string(),
            ]
        })
        .collect();
    table(out, [Align::Left; 3], &rows)
}
