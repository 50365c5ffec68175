//! Processor cores, and how long they were busy with what is measured.

use std::{fs, panic, path::PathBuf, thread, time::Duration};

use anyhow::{Context as _, Result};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

/// A core that this process may use.
#[derive(Debug)]
pub(crate) struct Core {
    number: usize,
    /// What the thread of the kernel that handles packets where they get too many has used.
    overflow: PathBuf,
}

impl Core {
    /// All that there are for this process.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let allowed =
            sched_getaffinity(Pid::from_raw(0)).context("cannot tell which cores are there")?;
        (0..CpuSet::count())
            .filter(|number| allowed.is_set(*number).unwrap_or(false))
            .map(|number| {
                let overflow = softirq_thread(number)?;
                Ok(Self { number, overflow })
            })
            .collect()
    }

    /// The last one: the first ones get more of the interrupts.
    pub(crate) fn last() -> Result<Self> {
        Self::all()?.pop().context("no core is there")
    }

    /// Its number, for those who are told where to run.
    pub(crate) const fn number(&self) -> usize {
        self.number
    }

    /// Calls `body` on a thread that stays on this core, as do the threads and processes that it starts,
    /// and what the kernel does with the packets that they send.
    pub(crate) fn run<T: Send>(&self, body: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let pinned = || {
            let mut only = CpuSet::new();
            only.set(self.number)
                .and_then(|()| sched_setaffinity(Pid::from_raw(0), &only))
                .with_context(|| format!("cannot stay on core {}", self.number))?;
            body()
        };
        thread::scope(|scope| scope.spawn(pinned).join())
            .unwrap_or_else(|payload| panic::resume_unwind(payload))
    }
}

/// How long `cores` have been busy with this process and with its packets. Other processes' turns are not
/// in it, so that it tells what a core of its own would have done.
pub(crate) fn busy<'a>(cores: impl IntoIterator<Item = &'a Core>) -> Result<Duration> {
    let process = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    let mut busy = Duration::from(process);
    for core in cores {
        busy += core.overflow()?;
    }
    Ok(busy)
}

impl Core {
    fn overflow(&self) -> Result<Duration> {
        let path = &self.overflow;
        let text = fs::read_to_string(path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        // Nanoseconds that it ran and that it waited, and how often it ran.
        let ran = text.split(' ').next().and_then(|ran| ran.parse().ok());
        ran.map(Duration::from_nanos)
            .with_context(|| format!("{} is of another form: {text}", path.display()))
    }
}

/// The statistics of the thread that the kernel hands a core's packets to when it has more than a few
/// milliseconds of them.
fn softirq_thread(core: usize) -> Result<PathBuf> {
    let name = format!("ksoftirqd/{core}\n");
    fs::read_dir("/proc")
        .context("cannot list processes")?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|process| fs::read_to_string(process.join("comm")).is_ok_and(|comm| comm == name))
        .map(|process| process.join("schedstat"))
        .with_context(|| format!("no thread {} of the kernel can be seen", name.trim()))
}
