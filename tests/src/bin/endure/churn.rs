//! Interfaces that come and go.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::Result;

use crate::{lane::Lane, town::Town};

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Churned {
    /// How often an interface went and came again.
    pub(crate) times: u64,
    /// How long each was without a guard after it had come.
    pub(crate) unguarded: Vec<Duration>,
    pub(crate) wrong: u64,
    pub(crate) packets: u64,
}

/// Has lanes go and come again, all of them again and again in a random order, until told to stop.
pub(crate) fn churn(town: &Town, lanes: &[Lane], seed: u64, over: &AtomicBool) -> Result<Churned> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut churned = Churned::default();
    let mut order: Vec<&Lane> = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let lane = match order.pop() {
            Some(lane) => lane,
            None => {
                order.extend(lanes);
                random.shuffle(&mut order);
                continue;
            }
        };
        let [wrong, packets] = lane.close()?;
        churned.wrong += wrong;
        churned.packets += packets;
        town.delete_interface(lane.number)?;
        // Now and then it is there again before anybody has noticed.
        thread::sleep(Duration::from_millis(random.u64(0..4) * 20));
        town.add_interface(lane.number)?;
        churned.unguarded.push(lane.await_guard(town)?);
        churned.times += 1;
    }
    Ok(churned)
}
