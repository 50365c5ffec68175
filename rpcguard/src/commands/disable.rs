//! `rpcguard disable`

use std::io::{self, Write as _};

use anyhow::Context as _;
use rustix::process::geteuid;

use super::Exit;
use crate::{
    disable::{self, DisableError, Machine, Need, Step, Survey},
    error::Error,
    output::{
        self, Format,
        disable::{Action, Document},
    },
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
  rpcguard disable --undo             # make it as it was

Steps are made one by one, and each is recorded before it is made. If one fails (exit status 1),
those before it stay made: the same command goes on from there, and --undo takes them back.

A portmapper is a process that holds port 111 and runs root's rpcbind or portmap. Another process on
port 111 is named, with the step that frees the port, and left alone: exit status 1, also without
--apply. After --apply, the port is watched for five seconds: if a supervisor starts the portmapper
again, it is named, and the exit status is 1. --apply also says what may start it later: what had
started a process that was no service's, upstart, or an init system that is not known.

--undo starts services only, and leaves alone what was set anew since --apply. If no service had
started the portmapper, --undo prints the command that starts it.")]
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
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let machine = Machine::new("/");
    let format = Format::of(args.json);
    let is_root = geteuid().is_root();
    if !is_root && (args.apply || args.undo) {
        return Err(Error::NotPermitted {
            action: "change which services are started".to_owned(),
            missing: "the rights of root".to_owned(),
        }
        .into());
    }
    if args.undo {
        return undo(&machine, format);
    }
    let survey = Survey::of(&machine)?;
    if args.apply {
        return apply(&machine, &survey, args.force, format);
    }
    if !is_root {
        log::warn!("only root can see which processes are of this network namespace");
    }
    match format {
        Format::Text => output::disable::print_plan(&machine, &survey)?,
        Format::Json => Document::new(Action::Plan, &survey.state.disable())
            .with_survey(&survey)
            .print()?,
    }
    // `--apply` would not free these.
    let Survey { state, .. } = &survey;
    let is_free =
        state.in_the_way(&state.disable()).is_empty() && state.services.shared().is_empty();
    Ok(if is_free { Exit::Done } else { Exit::Failed })
}

fn apply(machine: &Machine, survey: &Survey, force: bool, format: Format) -> anyhow::Result<Exit> {
    let (needs, others): (Vec<Need>, Vec<Need>) =
        survey.needs.iter().cloned().partition(Need::blocks);
    if !survey.state.disable().is_empty() {
        let listed = |needs: &[Need]| -> String {
            let lines = needs.iter().map(|need| format!("\n  {need}"));
            lines.collect()
        };
        if !others.is_empty() {
            log::warn!(
                "the portmapper may be needed, as others than root say:{}",
                listed(&others)
            );
        }
        if !needs.is_empty() && !force {
            return Err(Error::from(DisableError::Needed(needs)).into());
        }
        if !needs.is_empty() {
            log::warn!(
                "the portmapper is needed, and is disabled all the same (--force):{}",
                listed(&needs)
            );
        }
    }
    let mut made = Made::new(format);
    let applied = disable::apply(machine, |step| made.tell(step))?;
    made.told.context(output::CHANGED)?;
    let printed = match format {
        Format::Text => output::disable::print_applied(&applied, machine),
        Format::Json => Document::new(Action::Apply, &made.steps)
            .with_survey(survey)
            .with_applied(&applied)
            .print(),
    };
    printed.context(output::CHANGED)?;
    Ok(Exit::Done)
}

fn undo(machine: &Machine, format: Format) -> anyhow::Result<Exit> {
    let mut made = Made::new(format);
    let undone = disable::undo(machine, |step| made.tell(step))?;
    made.told.context(output::CHANGED)?;
    let printed = match format {
        Format::Json => Document::new(Action::Undo, &made.steps)
            .with_undone(machine, &undone)
            .print(),
        Format::Text => output::disable::print_undone(machine, &undone),
    };
    printed.context(output::CHANGED)?;
    Ok(Exit::Done)
}

/// The steps that were made, shown as they are for people. Whoever stops reading does not stop them.
struct Made {
    format: Format,
    steps: Vec<Step>,
    told: io::Result<()>,
}

impl Made {
    const fn new(format: Format) -> Self {
        Self {
            format,
            steps: Vec::new(),
            told: Ok(()),
        }
    }

    fn tell(&mut self, step: &Step) {
        self.steps.push(step.clone());
        if self.format == Format::Text && self.told.is_ok() {
            let mut out = output::stdout();
            self.told = writeln!(out, "{step}").and_then(|()| out.flush());
        }
    }
}
