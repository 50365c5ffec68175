//! Carrying out what follows from a state, with a record of what was before.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    DisableError, Holder, Machine, Probe, Process, Record, State, Step, not_assured, run, verify,
    watch,
};
use crate::{
    error::{Error, Result},
    guard::Lock,
};

/// How often the machine is looked at again after all steps were made: what only then shows, such
/// as a process that is no service's, is dealt with in the next round.
const ROUNDS: usize = 3;

/// How long what was stopped may take to end by itself.
const SETTLING: Duration = Duration::from_secs(2);

/// How often to look whether it has.
const INTERVAL: Duration = Duration::from_millis(50);

/// What disabling has come to.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Whether there was anything to do.
    pub changed: bool,
    /// What became of trying to reach the port after it: none of them is [`Answer::Open`].
    ///
    /// [`Answer::Open`]: super::Answer::Open
    pub probes: Vec<Probe>,
    /// The ways in which it may start again all the same, for people.
    pub not_assured: Vec<String>,
}

/// The outcome of undoing.
#[derive(Clone, Debug, Default)]
pub struct Undone {
    /// Whether there was a record.
    pub was_recorded: bool,
    /// Processes that were ended, and are not started again: no service has started them.
    pub ended: Vec<Process>,
    /// Services that were changed by hand in the meantime, and so were left as they are.
    pub differs: Vec<String>,
}

/// Switches the portmapper off, and makes sure that it is, and stays so for some seconds; `tell`
/// hears of each step before it is made.
///
/// # Errors
///
/// The first step that failed, [`DisableError::StillOpen`], [`DisableError::Restarted`], a lock or
/// a record that cannot be had.
pub fn apply(machine: &Machine, mut tell: impl FnMut(&Step)) -> Result<Applied> {
    let _lock = lock(machine)?;
    let first = State::look(machine)?;
    let mut record: Option<Record> = None;
    for _ in 0..ROUNDS {
        let state = match &record {
            None => first.clone(),
            Some(_) => settled(machine)?,
        };
        if let Some(holder) = started_since(&first, &state) {
            return Err(watch::back(machine, holder).into());
        }
        let steps = state.disable();
        if steps.is_empty() {
            return finish(machine, state, record, &first);
        }
        let mut recording = match record.take() {
            Some(record) => record,
            None => begin(machine, state)?,
        };
        for step in steps {
            tell(&step);
            recording.begin(&step);
            recording.save(machine)?;
            run::step(machine, &step)?;
        }
        record = Some(recording);
    }
    let state = State::look(machine)?;
    match state.disable().into_iter().next() {
        Some(step) => Err(DisableError::Back(Box::new(step)).into()),
        None => finish(machine, state, record, &first),
    }
}

/// Records how the machine is left, and makes sure that the port is shut.
fn finish(
    machine: &Machine,
    state: State,
    record: Option<Record>,
    first: &State,
) -> Result<Applied> {
    let changed = record.is_some();
    let not_assured = not_assured(machine, state.services.init(), &first.strays);
    let shared = state.services.shared().to_vec();
    if let Some(mut record) = record {
        record.left = Some(state);
        record.save(machine)?;
    }
    let mut probes = verify::closed(machine, &shared)?;
    if changed {
        watch::watch(machine)?;
        probes = verify::closed(machine, &shared)?;
    }
    Ok(Applied {
        changed,
        probes,
        not_assured,
    })
}

/// A portmapper that no service has started, and that was not there at first.
fn started_since<'a>(first: &State, now: &'a State) -> Option<&'a Holder> {
    let is_new = |process: &Process| {
        let mut known = first.holders.known.iter();
        !known.any(|holder| holder.process.is(process))
    };
    let is_stray = |process: &Process| now.strays.iter().any(|stray| stray.is(process));
    let mut holders = now.holders.known.iter();
    holders.find(|holder| is_new(&holder.process) && is_stray(&holder.process))
}

/// Looks when processes that were about to end have had the time to.
fn settled(machine: &Machine) -> Result<State> {
    let begun = Instant::now();
    loop {
        let state = State::look(machine)?;
        if state.strays.is_empty() || begun.elapsed() >= SETTLING {
            return Ok(state);
        }
        thread::sleep(INTERVAL);
    }
}

/// The record to go on with: what it says was before, except for what somebody has set anew since.
fn begin(machine: &Machine, state: State) -> Result<Record> {
    let Some(mut record) = Record::load(machine)? else {
        return Ok(Record::new(state));
    };
    let (recorded, now) = (record.before.services.init(), state.services.init());
    record.before = record
        .before
        .merged_with(record.left.as_ref(), &state)
        .ok_or_else(|| DisableError::OtherInit {
            path: Record::path(machine),
            recorded,
            now,
        })?;
    Ok(record)
}

/// Restores what was before, as it is recorded, and takes the record away; `tell` hears of each
/// step before it is made. Only services are started, and what somebody has set anew is left as it
/// is.
///
/// # Errors
///
/// The first step that failed, a lock or a record that cannot be had. The record is kept then.
pub fn undo(machine: &Machine, mut tell: impl FnMut(&Step)) -> Result<Undone> {
    let _lock = lock(machine)?;
    let Some(mut record) = Record::load(machine)? else {
        return Ok(Undone::default());
    };
    let state = State::look_also(machine, Some(&record.before))?;
    let mut differs = Vec::new();
    if let Some(left) = record.left.take() {
        differs = record.before.keep_untouched(&left, &state);
        // From here on, what is neither as it was left nor as it was before is the work of this
        // command.
        record.save(machine)?;
    }
    let steps = state
        .restore(&record.before)
        .ok_or_else(|| DisableError::OtherInit {
            path: Record::path(machine),
            recorded: record.before.services.init(),
            now: state.services.init(),
        })?;
    for step in steps {
        tell(&step);
        run::step(machine, &step)?;
    }
    Record::remove(machine)?;
    let runs = |process: &Process| {
        let mut running = state.holders.portmappers();
        running.any(|now| now.is(process) || now.program == process.program)
    };
    Ok(Undone {
        was_recorded: true,
        ended: record
            .before
            .strays
            .into_iter()
            .filter(|stray| !runs(stray))
            .collect(),
        differs,
    })
}

fn lock(machine: &Machine) -> Result<Lock> {
    let directory = Record::directory(machine);
    Lock::acquire(&directory, || {
        Record::make_directory(machine).map_err(Error::from)
    })
}
