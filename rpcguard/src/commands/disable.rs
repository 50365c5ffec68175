//! `rpcguard disable`

use std::io::{self, Write as _};

use anyhow::Context as _;
use rustix::process::geteuid;

use super::Exit;
use crate::{
    disable::{self, DisableError, Machine, Record, Step, Survey},
    error::Error,
    output,
};

/// Switch this machine's portmapper off, for good: by systemd, OpenRC, init scripts, or as a process.
///
/// Without --apply, nothing is changed: the plan is shown, as the commands that it comes to, and who
/// needs the portmapper.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rpcguard disable                    # what would be done, and who would miss it
  rpcguard disable --apply            # do it, and see that port 111 is shut
  rpcguard disable --undo             # make it as it was")]
pub(super) struct Args {
    /// Do it, unless somebody needs the portmapper, and make sure that port 111 is shut.
    #[arg(long)]
    apply: bool,
    /// Do it even if somebody needs the portmapper.
    #[arg(long, requires = "apply")]
    force: bool,
    /// Restore what --apply has changed, from what it recorded in /var/lib/rpcguard/disable.json.
    #[arg(long, conflicts_with_all = ["apply", "force"])]
    undo: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let machine = Machine::new("/");
    let is_root = geteuid().is_root();
    if !is_root && (args.apply || args.undo) {
        return Err(Error::NotPermitted {
            action: "change which services are started".to_owned(),
            missing: "the rights of root".to_owned(),
        }
        .into());
    }
    if args.undo {
        return undo(&machine);
    }
    let survey = Survey::of(&machine)?;
    if args.apply {
        apply(&machine, survey, args.force)
    } else {
        if !is_root {
            log::warn!("only root can see which processes are of this network namespace");
        }
        output::disable::print_plan(&machine, &survey)?;
        Ok(Exit::Done)
    }
}

fn apply(machine: &Machine, survey: Survey, force: bool) -> anyhow::Result<Exit> {
    if !survey.needs.is_empty() && !survey.state.disable().is_empty() {
        let needed = DisableError::Needed(survey.needs);
        if !force {
            return Err(Error::from(needed).into());
        }
        log::warn!("{needed}");
    }
    let mut teller = Teller::default();
    let applied = disable::apply(machine, |step| teller.tell(step))?;
    teller.result.context(output::CHANGED)?;
    output::disable::print_applied(&applied, machine).context(output::CHANGED)?;
    Ok(Exit::Done)
}

fn undo(machine: &Machine) -> anyhow::Result<Exit> {
    let mut teller = Teller::default();
    let restored = disable::undo(machine, |step| teller.tell(step))?;
    teller.result.context(output::CHANGED)?;
    let line = if restored {
        "the portmapper is set as it was before it was disabled".to_owned()
    } else {
        let path = Record::path(machine);
        format!("nothing to undo: there is no {}", path.display())
    };
    output::lines(&[line]).context(output::CHANGED)?;
    Ok(Exit::Done)
}

/// Shows steps as they are made. Whoever stops reading does not stop them.
struct Teller {
    result: io::Result<()>,
}

impl Default for Teller {
    fn default() -> Self {
        Self { result: Ok(()) }
    }
}

impl Teller {
    fn tell(&mut self, step: &Step) {
        if self.result.is_ok() {
            let mut out = output::stdout();
            self.result = writeln!(out, "{step}").and_then(|()| out.flush());
        }
    }
}
