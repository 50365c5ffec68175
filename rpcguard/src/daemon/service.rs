//! What systemd is told, if it has started the daemon (sd_notify(3)).

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use sd_notify::NotifyState;

use super::keeper::Progress;
use crate::foreign_text::printable;

/// How long one step of the work may take. Waiting for another rpcguard is one, of up to 30 seconds.
const LONGEST_STEP: Duration = Duration::from_secs(90);

/// Says that everything is as the configuration says.
pub(super) fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(&printable(status))]);
}

/// Says that the configuration is being read again.
pub(super) fn reloading() {
    let now = NotifyState::monotonic_usec_now();
    let now = now.inspect_err(|error| log::debug!("no monotonic clock: {error}"));
    match now {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// Says how things are.
pub(super) fn status(status: &str) {
    notify(&[NotifyState::Status(&printable(status))]);
}

/// Says that the daemon is about to end.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("cannot tell the service manager: {error}");
    }
}

/// Tells that the daemon is alive, as long as it is: its loop turns, and if there is work, that advances.
pub(super) struct Watchdog {
    /// How often it is to be told.
    pub(super) interval: Option<Duration>,
    progress: Progress,
    seen: (u64, Instant),
}

impl Watchdog {
    pub(super) fn new(progress: Progress) -> Self {
        Self {
            interval: sd_notify::watchdog_enabled().map(|limit| limit / 2),
            progress,
            seen: (0, Instant::now()),
        }
    }

    /// To be called by the loop, each interval. A transition is a start or an end: either takes the longer the more
    /// interfaces there are, and may go on for as long as the work advances.
    pub(super) fn tell(&mut self, is_working: bool, is_transition: bool) {
        if self.is_alive(is_working, Instant::now()) {
            notify(&[NotifyState::Watchdog]);
            if let (true, Some(interval)) = (is_transition, self.interval) {
                let until = u32::try_from((3 * interval).as_micros()).unwrap_or(u32::MAX);
                notify(&[NotifyState::ExtendTimeoutUsec(until)]);
            }
        } else {
            log::error!(
                "the work has not advanced for {LONGEST_STEP:?}: the watchdog is not told otherwise"
            );
        }
    }

    fn is_alive(&mut self, is_working: bool, now: Instant) -> bool {
        let steps = self.progress.load(Ordering::Relaxed);
        if !is_working || steps != self.seen.0 {
            self.seen = (steps, now);
        }
        now.duration_since(self.seen.1) < LONGEST_STEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_does_not_advance_is_not_alive() {
        let progress = Progress::default();
        let mut watchdog = Watchdog::new(Progress::clone(&progress));
        let mut now = Instant::now();
        for (steps, is_working, is_alive) in [
            (0, false, true),
            (0, false, true),
            (0, true, false),
            (1, true, true),
            (1, true, false),
            (1, false, true),
        ] {
            progress.fetch_max(steps, Ordering::Relaxed);
            now += LONGEST_STEP;
            assert_eq!(
                watchdog.is_alive(is_working, now),
                is_alive,
                "{steps} {is_working}"
            );
        }
    }
}
