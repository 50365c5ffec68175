//! Drops as they happen.

use std::{
    fs::{File, TryLockError},
    mem::offset_of,
    net::IpAddr,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use aya::maps::{Map, MapData, RingBuf};
use rpcguard_common::{
    abi::{self, State, map},
    reason::Reason,
    rpc::Request,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    time::{ClockId, clock_gettime},
};

use super::{Guard, pins};
use crate::{
    error::{Doing as _, Error, Result},
    sys::mapped::MappedArray,
};

/// For how long the filter goes on telling of drops when nobody asks it to any more.
const LEASE: Duration = Duration::from_secs(3);

/// A drop that was sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The interface that the packet came in by.
    pub interface: String,
    /// When.
    pub time: SystemTime,
    /// The source address that the packet claims.
    pub source: IpAddr,
    /// Why it was dropped.
    pub reason: Reason,
    /// What it asked for.
    pub request: Request,
    /// Bytes of the frame.
    pub length: u32,
    /// Whether it was passed all the same, because the guard observes.
    pub observed: bool,
    /// How many drops before it, on the same CPU, are not told of.
    pub skipped: u64,
}

/// The drops of some guards, from now on.
///
/// The filter tells of drops only while somebody reads them, and no more than some hundreds a second:
/// neither it nor the reader can be slowed down by a flood. One reader at a time has the events of a
/// guard.
pub struct Events {
    sources: Vec<Source>,
}

/// The events of one guard.
struct Source {
    interface: String,
    directory: PathBuf,
    ring: RingBuf<MapData>,
    state: MappedArray,
    /// Keeps other readers out.
    _lock: Turn,
}

/// A lock that is given back when dropped, even if a child that this process is just starting has a
/// copy of the descriptor: closing one's own would leave the lock with the child's.
struct Turn(File);

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl Events {
    /// Begins to follow these guards.
    ///
    /// # Errors
    ///
    /// [`Error::EventsTaken`]; failing system calls.
    pub fn follow<'a>(guards: impl IntoIterator<Item = &'a Guard>) -> Result<Self> {
        let sources: Result<Vec<_>> = guards.into_iter().map(Source::open).collect();
        let mut events = Self { sources: sources? };
        for source in &mut events.sources {
            // What nobody took when it was new.
            while source.ring.next().is_some() {}
            source.renew_lease();
        }
        Ok(events)
    }

    /// Waits for events, for at most so long, and appends them to `events` in the order in which each
    /// guard saw them. Called less than every few seconds, it misses some.
    ///
    /// # Errors
    ///
    /// If waiting fails.
    pub fn read(&mut self, timeout: Duration, events: &mut Vec<Event>) -> Result<()> {
        for source in &self.sources {
            source.renew_lease();
        }
        let timeout = Timespec::try_from(timeout).ok();
        let mut descriptors: Vec<_> = self
            .sources
            .iter()
            .map(|source| PollFd::new(&source.ring, PollFlags::IN))
            .collect();
        match poll(&mut descriptors, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).doing("wait for events"),
        }
        drop(descriptors);
        let offset = monotonic_to_wall();
        for source in &mut self.sources {
            source.take(offset, events);
        }
        Ok(())
    }
}

impl Events {
    /// Leaves off following guards that were detached, and returns their interfaces.
    pub fn leave_detached(&mut self) -> Vec<String> {
        let gone = self.sources.extract_if(.., |s| !s.directory.exists());
        gone.map(|source| source.interface).collect()
    }

    /// Whether there is no guard left to follow.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.sources.is_empty()
    }
}

impl Source {
    fn open(guard: &Guard) -> Result<Self> {
        let interface = guard.interface().to_owned();
        let failed = format!("follow the events of `{interface}`");
        let lock = File::open(&guard.directory).doing(&failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::EventsTaken(interface)),
            Err(TryLockError::Error(error)) => return Err(error).doing(failed),
        }
        let Map::RingBuf(ring) = pins::map(&guard.directory, map::EVENTS)? else {
            return Err(Error::System {
                action: failed,
                source: "the pinned map is no ring buffer".into(),
            });
        };
        let ring = RingBuf::try_from(Map::RingBuf(ring)).doing(&failed)?;
        Ok(Self {
            state: guard.map_state()?,
            directory: guard.directory.clone(),
            interface,
            ring,
            _lock: Turn(lock),
        })
    }

    /// Has the filter tell of drops for a while.
    fn renew_lease(&self) {
        let until = nanoseconds(ClockId::Monotonic) + LEASE;
        let until = u64::try_from(until.as_nanos()).unwrap_or(u64::MAX);
        self.state.store_u64(offset_of!(State, events_until), until);
    }

    /// Appends what is there; `clock_offset` makes times of day of the filter's.
    fn take(&mut self, clock_offset: Duration, events: &mut Vec<Event>) {
        while let Some(item) = self.ring.next() {
            let Some(event) = abi::Event::from_bytes(&item) else {
                continue;
            };
            let (Some(reason), Some(request)) = (
                Reason::from_index(event.reason.into()),
                Request::from_index(event.request.into()),
            ) else {
                continue;
            };
            let [a, b, c, d, ..] = event.source;
            events.push(Event {
                interface: self.interface.clone(),
                time: SystemTime::UNIX_EPOCH + clock_offset + Duration::from_nanos(event.time),
                source: match event.version {
                    4 => IpAddr::from([a, b, c, d]),
                    _ => IpAddr::from(event.source),
                },
                reason,
                request,
                length: event.length,
                observed: event.observed != 0,
                skipped: event.drops.saturating_sub(1),
            });
        }
    }
}

/// What to add to the monotonic clock for the time of day.
fn monotonic_to_wall() -> Duration {
    nanoseconds(ClockId::Realtime).saturating_sub(nanoseconds(ClockId::Monotonic))
}

fn nanoseconds(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}
