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
        self, Applied, Init, Machine, Need, NfsServer, Probe, Record, Step, Survey, Version3,
    },
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
            ..self
        }
    }

    /// With what became of trying to reach the port.
    pub(crate) fn with_probes(self, probes: &[Probe]) -> Self {
        let probes = probes.iter().map(|probe| Probed {
            transport: transport_name(probe.transport).to_lowercase(),
            address: probe.address.to_string(),
            answer: probe.answer.name(),
        });
        Self {
            probes: probes.collect(),
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
        (
            name,
            format!("{} {}", process.program, process.arguments.join(" ")),
        )
    });
    let rows: Vec<_> = services
        .into_iter()
        .chain(strays)
        .map(|(name, text)| [name, text])
        .collect();
    if rows.is_empty() {
        writeln!(
            out,
            "there is no portmapper here, as a service or as a process"
        )?;
    } else {
        writeln!(out, "the portmapper:")?;
        table(out, [Align::Left; 2], &rows)?;
    }
    needs::write(out, needs)?;
    let steps = state.disable();
    if steps.is_empty() {
        writeln!(out, "nothing is to be done to disable it")?;
        let listeners = disable::listeners().unwrap_or_else(|error| {
            log::warn!("{error}");
            Vec::new()
        });
        for listener in &listeners {
            writeln!(out, "but something else listens on {listener}")?;
        }
        if Record::path(machine).exists() {
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
        if !state.strays.is_empty() {
            writeln!(
                out,
                "none of these services has started that process: what has may start it again"
            )?;
        }
        let is_needed = needs.iter().any(Need::blocks);
        let force = if is_needed { " --force" } else { "" };
        writeln!(
            out,
            "`rpcguard disable --apply{force}` does that and makes sure that port 111 is shut; \
             `rpcguard disable --undo` takes it back"
        )?;
    }
    write_nfs4(out, nfs_server, init)?;
    if let Some(command) = disable::removal(machine) {
        writeln!(out, "to remove it altogether: `{command}`")?;
    }
    Ok(())
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
            crate::foreign_text::printable(setting)
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
    if let Some(command) = disable::removal(machine) {
        writeln!(
            out,
            "the portmapper is disabled; to remove it altogether: `{command}`"
        )?;
    } else {
        writeln!(out, "the portmapper is disabled")?;
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
