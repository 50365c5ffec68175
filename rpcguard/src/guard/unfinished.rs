//! A change of several guards that was interrupted when it was in force on some of them.
//!
//! Each guard's epoch is stored by itself, so a command can be killed between two stores. The first
//! one decides about all: [`State::changing`] is the same on all guards of a change, and
//! [`State::next`] the epoch that it leads to. Whoever is the next to change anything stores the epochs
//! that are missing, before anything else.

use std::{collections::HashSet, mem::offset_of, os::fd::AsFd as _, path::Path};

use aya::maps::MapData;
use rpcguard_common::abi::{ABI_VERSION, State, map};

use super::{Lock, Registry, registry::read_header};
use crate::{
    error::{Doing as _, Result},
    sys::mapped::MappedArray,
};

/// A guard with a change that was interrupted.
struct Interrupted {
    state: MappedArray,
    change: u32,
    epoch: u32,
    next: u32,
}

impl Registry {
    /// Puts a change in force everywhere that is in force somewhere.
    ///
    /// # Errors
    ///
    /// If the state of a guard cannot be read.
    pub(super) fn carry_on(&self, _lock: &Lock) -> Result<()> {
        let mut interrupted = Vec::new();
        for directory in self.directories()? {
            let pin = directory.join(map::STATE);
            if pin.exists() && read_header(&pin)?.is_of(self.netns(), ABI_VERSION) {
                interrupted.extend(look_at(&pin)?);
            }
        }
        let decided: HashSet<u32> = interrupted
            .iter()
            .filter(|guard| guard.epoch == guard.next)
            .map(|guard| guard.change)
            .collect();
        for guard in interrupted {
            if decided.contains(&guard.change) && guard.epoch.wrapping_add(1) == guard.next {
                log::info!("carrying an interrupted change on");
                guard.state.store_u32(offset_of!(State, epoch), guard.next);
            }
        }
        Ok(())
    }
}

fn look_at(pin: &Path) -> Result<Option<Interrupted>> {
    let failed = format!("map the settings in {}", pin.display());
    let data = MapData::from_pin(pin).doing(&failed)?;
    let state = MappedArray::new(data.fd().as_fd(), size_of::<State>()).doing(&failed)?;
    let change = state.load_u32(offset_of!(State, changing));
    Ok((change != 0).then(|| Interrupted {
        change,
        epoch: state.load_u32(offset_of!(State, epoch)),
        next: state.load_u32(offset_of!(State, next)),
        state,
    }))
}
