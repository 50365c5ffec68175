//! Waiting for somebody to confirm that the machine can still be reached.

use std::{
    io::{self, IsTerminal as _, Read as _},
    thread,
    time::Duration,
};

use rustix::{
    process::getpgrp,
    termios::{QueueSelector, tcflush, tcgetpgrp},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep},
};

use super::input::note;
use crate::{
    end_signals::EndSignals,
    error::{Doing as _, Error, Result},
    guard::{self, Fate, Guard, Registry, Unconfirmed},
};

/// How often to see whether another command has confirmed.
const INTERVAL: Duration = Duration::from_millis(50);

/// What ended the waiting.
enum End {
    Confirmed,
    /// Why not.
    NotConfirmed(String),
}

/// Waits for filters to be confirmed, here or by another command, and lets them stay then. Should that take longer
/// than `limit`, or anything else end the waiting, all of them are detached.
pub(super) fn wait(
    registry: &Registry,
    filters: Vec<Unconfirmed>,
    limit: Duration,
) -> Result<Vec<Guard>> {
    let interfaces = names(&filters);
    let why = match wait_for_end(&filters, limit)? {
        End::Confirmed => return guard::confirm(registry, &registry.lock()?, filters),
        End::NotConfirmed(why) => why,
    };
    match registry.lock() {
        // Nobody can confirm it any more, but somebody may have, at the last moment.
        Ok(lock) if fate(&filters)? == Fate::Confirmed => {
            return guard::confirm(registry, &lock, filters);
        }
        Ok(lock) => guard::end(&lock, filters)?,
        Err(error) => {
            log::warn!("`rpcguard detach {interfaces}` removes what is left: {error}");
            drop(filters);
        }
    }
    Err(Error::NotConfirmed { why, interfaces })
}

fn names(filters: &[Unconfirmed]) -> String {
    let names: Vec<&str> = filters.iter().map(Unconfirmed::interface).collect();
    names.join(" ")
}

fn wait_for_end(filters: &[Unconfirmed], limit: Duration) -> Result<End> {
    let failed = "wait for a confirmation";
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing(failed)?;
    runtime.block_on(async {
        let mut end = EndSignals::catch().doing(failed)?;
        // A process that is stopped would not see that its time is up.
        let _not_stopped = signal(SignalKind::from_raw(libc::SIGTSTP)).doing(failed)?;
        let mut confirmations = enter();
        let how = match &confirmations {
            Some(_) => "press Enter to keep it, or type `rpcguard confirm` in another session",
            None => "`rpcguard confirm` keeps it",
        };
        let seconds = limit.as_secs();
        note(&format!(
            "guarding {} for {seconds} s; {how}",
            names(filters)
        ));
        let late = sleep(limit);
        tokio::pin!(late);
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = end.wait() => {
                    return Ok(End::NotConfirmed("interrupted before it was confirmed".to_owned()));
                }
                Some(()) = next(&mut confirmations) => return Ok(End::Confirmed),
                () = &mut late => {
                    return Ok(End::NotConfirmed(format!("not confirmed within {seconds} s")));
                }
                _ = ticks.tick() => match fate(filters)? {
                    Fate::Waiting => {}
                    Fate::Confirmed => return Ok(End::Confirmed),
                    Fate::Detached => {
                        return Ok(End::NotConfirmed("detached before it was confirmed".to_owned()));
                    }
                }
            }
        }
    })
}

/// Waits for the next line, for ever if there is nobody to type one.
async fn next(lines: &mut Option<mpsc::UnboundedReceiver<()>>) -> Option<()> {
    match lines {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}

/// What has become of all filters: one that has been confirmed confirms the others, and one that has been detached
/// takes them along.
fn fate(filters: &[Unconfirmed]) -> Result<Fate> {
    let fates = filters.iter().map(Unconfirmed::fate);
    let fates: Vec<Fate> = fates.collect::<Result<_>>()?;
    let one_of_them = |fate| fates.contains(&fate).then_some(fate);
    Ok(one_of_them(Fate::Detached)
        .or_else(|| one_of_them(Fate::Confirmed))
        .unwrap_or(Fate::Waiting))
}

/// Tells when Enter is pressed; `None` without a terminal to press it on. The end of the input is no
/// confirmation, and neither is what was typed before the filter was attached.
fn enter() -> Option<mpsc::UnboundedReceiver<()>> {
    let input = io::stdin();
    // Whoever reads from the terminal in the background is stopped.
    let is_ours = input.is_terminal() && tcgetpgrp(&input).is_ok_and(|group| group == getpgrp());
    if !is_ours || tcflush(&input, QueueSelector::IFlush).is_err() {
        return None;
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    // Reading blocks, and stays blocked when the process ends.
    thread::spawn(move || {
        for byte in input.lock().bytes() {
            match byte {
                Ok(b'\n') if sender.send(()).is_ok() => {}
                Ok(b'\n') | Err(_) => break,
                Ok(_) => {}
            }
        }
    });
    Some(receiver)
}
