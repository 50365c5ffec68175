//! Carrying out what follows from a state, with a record of what was before.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{DisableError, Machine, Probe, Record, State, Step, run, verify};
use crate::{
    error::{Error, Result},
    guard::Lock,
};

/// How often the machine is looked at again after all steps were made: what only then shows, such as a
/// process that is no service's, is dealt with in the next round.
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
}

/// Switches the portmapper off, and makes sure that it is; `tell` hears of each step before it is made.
///
/// # Errors
///
/// The first step that failed, [`DisableError::StillOpen`], a lock or a record that cannot be had.
pub fn apply(machine: &Machine, mut tell: impl FnMut(&Step)) -> Result<Applied> {
    let _lock = lock(machine)?;
    let mut record: Option<Record> = None;
    for _ in 0..ROUNDS {
        let state = match &record {
            None => State::look(machine)?,
            Some(_) => settled(machine)?,
        };
        let steps = state.disable();
        if steps.is_empty() {
            return Ok(Applied {
                changed: record.is_some(),
                probes: verify::closed()?,
            });
        }
        let mut recording = match record.take() {
            Some(record) => record,
            None => begin(machine, state)?,
        };
        for step in steps {
            tell(&step);
            recording.begun.push(step.clone());
            recording.save(machine)?;
            run::step(machine, &step)?;
        }
        record = Some(recording);
    }
    let next = State::look(machine)?.disable();
    match next.into_iter().next() {
        Some(step) => Err(DisableError::Back(Box::new(step)).into()),
        None => Ok(Applied {
            changed: true,
            probes: verify::closed()?,
        }),
    }
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

/// The record to go on with: what it says was before goes over what is found now, which may be what an
/// interrupted command has left.
fn begin(machine: &Machine, state: State) -> Result<Record> {
    let Some(Record { before, begun, .. }) = Record::load(machine)? else {
        return Ok(Record::new(state));
    };
    let (recorded, now) = (before.services.init(), state.services.init());
    let before = before
        .merged_with(&state)
        .ok_or_else(|| DisableError::OtherInit {
            path: Record::path(machine),
            recorded,
            now,
        })?;
    let mut record = Record::new(before);
    record.begun = begun;
    Ok(record)
}

/// Restores what was before, as it is recorded, and takes the record away; `tell` hears of each step
/// before it is made. Returns whether there was a record.
///
/// # Errors
///
/// The first step that failed, a lock or a record that cannot be had.
pub fn undo(machine: &Machine, mut tell: impl FnMut(&Step)) -> Result<bool> {
    let _lock = lock(machine)?;
    let Some(Record { before, .. }) = Record::load(machine)? else {
        return Ok(false);
    };
    let state = State::look(machine)?;
    let steps = state
        .restore(&before)
        .ok_or_else(|| DisableError::OtherInit {
            path: Record::path(machine),
            recorded: before.services.init(),
            now: state.services.init(),
        })?;
    for step in steps {
        tell(&step);
        run::step(machine, &step)?;
    }
    Record::remove(machine)?;
    Ok(true)
}

fn lock(machine: &Machine) -> Result<Lock> {
    let directory = Record::directory(machine);
    Lock::acquire(&directory, || {
        Record::make_directory(&directory).map_err(Error::from)
    })
}
