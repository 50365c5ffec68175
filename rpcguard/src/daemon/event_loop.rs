//! The loop that waits for everything that can happen.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tokio::{
    io::unix::AsyncFd,
    signal::unix::{Signal, SignalKind, signal},
    task::{JoinError, JoinHandle, spawn_blocking},
    time::{self, Interval, MissedTickBehavior},
};

use super::{
    files::WatchedFiles,
    keeper::{Keeper, Progress},
    metrics::Metrics,
    service::{self, Watchdog},
};
use crate::{
    config::Config,
    error::{Doing as _, Error, Report, Result},
    foreign_text,
    guard::Registry,
    sys::link_changes::LinkChanges,
};

/// How long files have to be left alone before they are read, since editors write more than once; and how
/// long they are waited for at most.
const QUIET: Duration = Duration::from_millis(300);
const UNQUIET: Duration = Duration::from_secs(3);

/// How often to look at what nobody tells of.
const PERIOD: Duration = Duration::from_secs(5);

/// After what time to try again what failed and may succeed then.
const AGAIN: Duration = Duration::from_secs(5);

/// How often at most to look for interfaces only because some cannot be guarded.
const RETRY: Duration = Duration::from_secs(1);

/// How long interfaces may go on changing before they are looked at: many come and go together.
const SETTLING: Duration = Duration::from_millis(20);

/// What is waited for, and what is to be done when.
pub(super) struct EventLoop {
    path: PathBuf,
    signals: Signals,
    links: AsyncFd<LinkChanges>,
    files: WatchedFiles,
    watchdog: Watchdog,
    metrics: Metrics,
    due: Due,
    stopping: bool,
    is_ready: bool,
    /// Why the configuration was not reloaded, if it is another than that in force.
    refusal: Option<String>,
    /// Whether that was said since somebody has asked for a reload or changed a file: not each time it is tried again.
    is_refusal_told: bool,
    /// Why metrics are not served where they are to be.
    metrics_failure: Option<String>,
    /// What the service manager was told last.
    status: String,
}

struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// When something is to be done at the earliest; `None` if it is not.
struct Due {
    reload: Option<Instant>,
    /// When files began to change.
    unquiet: Option<Instant>,
    interfaces: Option<Instant>,
    retry: Option<Instant>,
    periodic: Instant,
}

/// What the keeper does next.
enum Task {
    /// At first.
    Apply,
    Read,
    Reload(Box<Config>),
    FollowInterfaces,
    Periodic,
    Stop,
}

/// What it came to.
enum Outcome {
    Applied(Result<()>),
    Read(Result<Box<Config>>),
    Reloaded(Result<()>),
    FollowedInterfaces(Result<()>),
    Periodic(Result<()>),
    Stopped(Result<()>),
}

type Work = JoinHandle<(Keeper, Outcome)>;

enum Event {
    Stop,
    Reload,
    FilesChanged,
    InterfacesChanged,
    Watchdog,
    Timer,
    Worked(Box<Keeper>, Outcome),
}

impl EventLoop {
    /// From now on, nothing is missed.
    pub(super) fn new(registry: &Registry, path: &Path, progress: Progress) -> Result<Self> {
        #[expect(
            deprecated,
            reason = "sound for a socket of its own; its successor takes an unsafe block"
        )]
        let links = LinkChanges::subscribe().and_then(AsyncFd::new);
        let mut files = WatchedFiles::new().doing("watch files")?;
        files.watch(&[path.to_owned()]);
        Ok(Self {
            path: path.to_owned(),
            signals: Signals::catch().doing("catch signals")?,
            links: links.doing("follow the interfaces of this network namespace")?,
            files,
            watchdog: Watchdog::new(progress),
            metrics: Metrics::new(registry.clone()),
            due: Due {
                reload: None,
                unquiet: None,
                interfaces: None,
                retry: None,
                periodic: Instant::now() + PERIOD,
            },
            stopping: false,
            is_ready: false,
            refusal: None,
            is_refusal_told: false,
            metrics_failure: None,
            status: String::new(),
        })
    }

    /// Attaches what is to be attached, and keeps it so until a signal ends it.
    pub(super) async fn run(&mut self, keeper: Keeper) -> Result<()> {
        self.watch_also(&keeper);
        self.try_metrics(&keeper).await;
        let mut watchdog = self.watchdog.interval.map(|interval| {
            let mut ticks = time::interval(interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        // One of both is there: the keeper is with its work.
        let mut work = Some(begin(keeper, Task::Apply));
        let mut idle: Option<Keeper> = None;
        loop {
            if let Some(keeper) = idle.take() {
                match self.next_task() {
                    Some(task) => work = Some(begin(keeper, task)),
                    None => idle = Some(keeper),
                }
            }
            let is_working = work.is_some();
            match self.next_event(&mut work, &mut watchdog).await? {
                Event::Stop => {
                    if !self.stopping {
                        service::stopping();
                    }
                    self.stopping = true;
                }
                Event::Reload => {
                    log::info!("told to reload");
                    self.is_refusal_told = false;
                    self.due.reload = Some(Instant::now());
                }
                Event::FilesChanged => {
                    self.is_refusal_told = false;
                    self.due.files_changed();
                }
                Event::InterfacesChanged => {
                    let due = Instant::now() + SETTLING;
                    self.due.interfaces.get_or_insert(due);
                }
                Event::Watchdog => {
                    let is_transition = !self.is_ready || self.stopping;
                    self.watchdog.tell(is_working, is_transition);
                }
                Event::Timer => {}
                Event::Worked(keeper, outcome) => {
                    work = None;
                    match self.conclude(*keeper, outcome).await? {
                        Next::Idle(keeper) => idle = Some(keeper),
                        Next::Task(keeper, task) => work = Some(begin(keeper, task)),
                        Next::End => return Ok(()),
                    }
                }
            }
        }
    }

    /// What to do now, if there is anything.
    fn next_task(&mut self) -> Option<Task> {
        let now = Instant::now();
        let is_due = |time: &mut Option<Instant>| time.take_if(|time| *time <= now).is_some();
        if self.stopping {
            return Some(Task::Stop);
        }
        if is_due(&mut self.due.reload) {
            self.due.unquiet = None;
            self.files.note_looks();
            service::reloading();
            return Some(Task::Read);
        }
        // However often interfaces change.
        if self.due.periodic <= now {
            self.due.periodic = now + PERIOD;
            if self.files.have_settled_otherwise() {
                self.due.files_changed();
            }
            return Some(Task::Periodic);
        }
        if is_due(&mut self.due.interfaces) | is_due(&mut self.due.retry) {
            return Some(Task::FollowInterfaces);
        }
        None
    }

    async fn next_event(
        &mut self,
        work: &mut Option<Work>,
        watchdog: &mut Option<Interval>,
    ) -> Result<Event> {
        let timer = self.due.next();
        let idle = work.is_none();
        tokio::select! {
            biased;
            _ = self.signals.terminate.recv() => Ok(Event::Stop),
            _ = self.signals.interrupt.recv() => Ok(Event::Stop),
            _ = tick(watchdog) => Ok(Event::Watchdog),
            done = finished(work) => {
                let (keeper, outcome) = done.doing("go on after an error in this program")?;
                Ok(Event::Worked(Box::new(keeper), outcome))
            }
            _ = self.signals.reload.recv() => Ok(Event::Reload),
            heard = hear(&self.links) => {
                heard.doing("follow the interfaces of this network namespace")?;
                Ok(Event::InterfacesChanged)
            }
            changed = self.files.changed() => {
                changed.doing("watch files")?;
                Ok(Event::FilesChanged)
            }
            () = time::sleep_until(timer.into()), if idle => Ok(Event::Timer),
        }
    }

    /// Takes note of what a task came to.
    async fn conclude(&mut self, keeper: Keeper, outcome: Outcome) -> Result<Next> {
        match outcome {
            Outcome::Applied(applied) => {
                applied?;
                self.is_ready = true;
                self.status = self.status_of(&keeper);
                log::info!("{}: {}", foreign_text::path(&self.path), self.status);
                service::ready(&self.status);
            }
            Outcome::Read(Ok(config)) => {
                self.watch_also(&keeper);
                // An address that was not to be had before keeps nothing from being reloaded.
                let served = if config.metrics_listen == keeper.config().metrics_listen {
                    Ok(())
                } else {
                    self.metrics.serve_at(config.metrics_listen).await
                };
                match served {
                    Ok(()) => return Ok(Next::Task(keeper, Task::Reload(config))),
                    Err(error) => {
                        self.due.reload = Some(Instant::now() + AGAIN);
                        self.refuse(&keeper, &error).await;
                    }
                }
            }
            Outcome::Read(Err(error)) => {
                self.watch_also(&keeper);
                self.refuse(&keeper, &error).await;
            }
            Outcome::Reloaded(Ok(())) => {
                self.refusal = None;
                self.status = self.status_of(&keeper);
                log::info!(
                    "{}: reloaded: {}",
                    foreign_text::path(&self.path),
                    self.status
                );
                service::ready(&self.status);
            }
            Outcome::Reloaded(Err(error)) => {
                if !matches!(error, Error::Config(_)) {
                    self.due.reload = Some(Instant::now() + AGAIN);
                }
                self.refuse(&keeper, &error).await;
            }
            Outcome::FollowedInterfaces(Err(error)) => {
                log::error!("{error}; tried again");
                let again = Instant::now() + AGAIN;
                self.due.interfaces = Some(again);
                self.due.retry = Some(again);
                return Ok(Next::Idle(keeper));
            }
            Outcome::Periodic(Err(error)) => log::warn!("{error}"),
            Outcome::Stopped(stopped) => {
                stopped?;
                return Ok(Next::End);
            }
            Outcome::FollowedInterfaces(Ok(())) | Outcome::Periodic(Ok(())) => {
                self.try_metrics(&keeper).await;
                let status = self.status_of(&keeper);
                if status != self.status {
                    service::status(&status);
                    self.status = status;
                }
            }
        }
        let earliest = Instant::now() + RETRY;
        self.due.retry = keeper.next_retry().map(|due| due.max(earliest));
        Ok(Next::Idle(keeper))
    }

    /// Watches all files that the configuration consists of.
    fn watch_also(&mut self, keeper: &Keeper) {
        if self.files.watch(&keeper.files()) {
            self.due.files_changed();
        }
    }

    /// Says that the former configuration stays in force, and why.
    async fn refuse(&mut self, keeper: &Keeper, error: &Error) {
        self.try_metrics(keeper).await;
        let refusal = Report(error).to_string();
        if !self.is_refusal_told || self.refusal.as_ref() != Some(&refusal) {
            log::error!("not reloaded, the former configuration stays in force\n{refusal}");
        }
        self.refusal = Some(refusal);
        self.is_refusal_told = true;
        self.status = self.status_of(keeper);
        service::ready(&self.status);
    }

    /// Serves metrics as the configuration in force says. An address that is not to be had yet keeps nothing from
    /// being guarded, and is tried again.
    async fn try_metrics(&mut self, keeper: &Keeper) {
        let served = self.metrics.serve_at(keeper.config().metrics_listen).await;
        let failure = served.err().map(|error| error.to_string());
        if let Some(failure) = failure.as_ref().filter(|_| failure != self.metrics_failure) {
            log::error!("{failure}; tried again");
        }
        self.metrics_failure = failure;
    }

    /// How things are, in a few words.
    fn status_of(&self, keeper: &Keeper) -> String {
        let status = keeper.status();
        match &self.refusal {
            Some(_) => format!("not reloaded, see the log; {status}"),
            None => status,
        }
    }
}

/// What comes after a task.
enum Next {
    Idle(Keeper),
    Task(Keeper, Task),
    End,
}

/// Has the keeper do something, on a thread that may block.
fn begin(mut keeper: Keeper, task: Task) -> Work {
    spawn_blocking(move || {
        let outcome = match task {
            Task::Apply => Outcome::Applied(keeper.apply_present()),
            Task::Read => Outcome::Read(keeper.read_again().map(Box::new)),
            Task::Reload(config) => Outcome::Reloaded(keeper.apply(*config)),
            Task::FollowInterfaces => Outcome::FollowedInterfaces(keeper.follow_interfaces()),
            Task::Periodic => Outcome::Periodic(keeper.periodically()),
            Task::Stop => Outcome::Stopped(keeper.stop()),
        };
        (keeper, outcome)
    })
}

/// Waits for the work that is under way; for ever if none is.
async fn finished(work: &mut Option<Work>) -> std::result::Result<(Keeper, Outcome), JoinError> {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

/// Waits until interfaces have changed.
async fn hear(links: &AsyncFd<LinkChanges>) -> io::Result<()> {
    loop {
        let mut ready = links.readable().await?;
        let heard = links.get_ref().take();
        ready.clear_ready();
        if heard? {
            return Ok(());
        }
    }
}

impl Due {
    fn files_changed(&mut self) {
        let now = Instant::now();
        let unquiet = *self.unquiet.get_or_insert(now);
        let due = (now + QUIET).min(unquiet + UNQUIET);
        self.reload = Some(due);
    }

    fn next(&self) -> Instant {
        let times = [
            self.reload,
            self.interfaces,
            self.retry,
            Some(self.periodic),
        ];
        let next = times.into_iter().flatten().min();
        next.unwrap_or(self.periodic)
    }
}

impl Signals {
    fn catch() -> io::Result<Self> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}
