//! The allowed client, which goes on asking all along.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use rpcguard_common::parse::Transport;
use rpcguard_tests::lab::{Query, rpcinfo};

use crate::town::Town;

/// How long a query may take. rpcinfo itself sends its call again when there is no answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often it asks.
const INTERVAL: Duration = Duration::from_millis(250);

/// How its queries went.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Queries {
    /// Runs the real `rpcinfo`, over UDP, until told to stop.
    pub(crate) fn ask(&self, town: &Town, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let server = Town::server();
            let answer = rpcinfo(
                &town.client,
                Query::Services,
                Transport::Udp,
                server,
                PATIENCE,
            );
            let counter = if answer.is_success() {
                &self.answered
            } else {
                &self.failed
            };
            counter.fetch_add(1, Ordering::Relaxed);
            thread::sleep(INTERVAL.saturating_sub(begun.elapsed()));
        }
    }

    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}
