//! Packets for the limiter, and what it admits.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use rpcguard::policy::{Procedures, RateLimit, RatePolicy};
use rpcguard_common::{parse::LinkLayer, reason::Reason};
use rpcguard_tests::{
    kernel::{Kernel, Program},
    lab::skip,
    packet::{Frame, Setup, rpc},
};

/// A limit that nobody in these tests reaches.
pub(crate) const AMPLE: &str = "1000000/s";

/// So much at a rate, and so much at once.
pub(crate) fn limit(rate: &str, burst: u32) -> RateLimit {
    RateLimit {
        rate: rate.parse().expect("a rate"),
        burst,
    }
}

pub(crate) fn ample() -> RateLimit {
    limit(AMPLE, RateLimit::MAX_BURST)
}

/// The default procedures, within these limits.
pub(crate) fn policy(source: RateLimit, prefix: RateLimit, total: RateLimit) -> RatePolicy {
    RatePolicy {
        source,
        prefix,
        total,
        procedures: Procedures::default(),
    }
}

/// One at a time, or they would take each other's CPU. `None`, having said so, if there are not so many
/// CPUs.
pub(crate) fn turn(test: &str, cpus: usize) -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    if self::cpus().len() < cpus {
        skip(test, &format!("needs {cpus} CPUs"));
        return None;
    }
    Some(TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The filter under a rate policy, with port 111 guarded and nothing listed.
pub(crate) fn kernel(test: &str, rate: RatePolicy) -> Option<Kernel> {
    let mut kernel = Kernel::load_or_skip(test, LinkLayer::Ethernet)?;
    kernel.apply(&setup(rate)).expect("settings");
    Some(kernel)
}

pub(crate) fn setup(rate: RatePolicy) -> Setup {
    Setup {
        rate: Some(rate),
        prefixes: Vec::new(),
        ..Setup::default()
    }
}

/// A call that is served, from this source.
pub(crate) fn call_from(source: IpAddr, transaction: u32) -> Vec<u8> {
    let frame = match source {
        IpAddr::V4(source) => Frame::ethernet().ipv4(source),
        IpAddr::V6(source) => Frame::ethernet().ipv6(source),
    };
    let call = rpc::with_transaction(&rpc::whole_call(2, 3), transaction);
    frame.udp(111).payload(&call).build()
}

/// A source by number, none in the neighbourhood of another.
pub(crate) fn source(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0001 + (number << 8)).into()
}

/// What was offered in some time, and what was admitted of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) elapsed: Duration,
    pub(crate) offered: u64,
    pub(crate) admitted: u64,
}

impl Run {
    /// Packets admitted a second.
    pub(crate) fn rate(&self) -> f64 {
        self.admitted as f64 / self.elapsed.as_secs_f64()
    }
}

/// What the limiter has counted at a time.
struct Mark {
    time: Instant,
    admitted: u64,
    refused: u64,
}

impl Mark {
    fn read(kernel: &Kernel) -> Self {
        let start = Instant::now();
        let counters = kernel.counters().expect("counters");
        let packets = |reason: Reason| counters.reasons[reason.index()].packets;
        Self {
            time: start + start.elapsed() / 2,
            admitted: packets(Reason::WithinRate),
            refused: packets(Reason::OverRate),
        }
    }

    /// Within a millisecond of a packet that was refused, which is when nothing is left of a burst. From
    /// one such mark to another, what was admitted is the rate and nothing else, even if the machine had
    /// other work in between than to offer packets.
    fn at_refusal(kernel: &Kernel) -> Self {
        const PATIENCE: Duration = Duration::from_secs(20);
        let start = Instant::now();
        let mut before = Self::read(kernel);
        loop {
            let now = Self::read(kernel);
            let is_close = now.time - before.time < Duration::from_millis(1);
            if is_close && now.refused > before.refused {
                return now;
            }
            assert!(start.elapsed() < PATIENCE, "too little is offered");
            before = now;
        }
    }

    fn until(&self, later: &Self) -> Run {
        let admitted = later.admitted - self.admitted;
        Run {
            elapsed: later.time - self.time,
            offered: admitted + later.refused - self.refused,
            admitted,
        }
    }
}

/// Counts what `offer` comes to, from before it begins until it has ended.
pub(crate) fn count(kernel: &Kernel, offer: impl FnOnce()) -> Run {
    let start = Mark::read(kernel);
    offer();
    start.until(&Mark::read(kernel))
}

/// Measures for so long while `offer` offers too much, until it is told that it is enough.
pub(crate) fn measure(
    kernel: &Kernel,
    time: Duration,
    offer: impl FnOnce(&AtomicBool) + Send,
) -> Run {
    let enough = &AtomicBool::new(false);
    thread::scope(|scope| {
        let offering = scope.spawn(move || offer(enough));
        let start = Mark::at_refusal(kernel);
        thread::sleep(time);
        let end = Mark::at_refusal(kernel);
        assert!(!offering.is_finished(), "too little was offered");
        enough.store(true, Ordering::Relaxed);
        start.until(&end)
    })
}

/// Shows a frame to a program until it is enough, or for a minute.
pub(crate) fn offer(kernel: &Kernel, program: Program, frame: &[u8], enough: &AtomicBool) {
    const AT_ONCE: u32 = 20_000;
    let start = Instant::now();
    while !enough.load(Ordering::Relaxed) && start.elapsed() < Duration::from_secs(60) {
        kernel.repeat(program, frame, AT_ONCE).expect("a test run");
    }
}

/// The CPUs that this process may use.
pub(crate) fn cpus() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).expect("the CPUs allowed");
    (0..CpuSet::count())
        .filter(|cpu| allowed.is_set(*cpu).unwrap_or(false))
        .collect()
}

/// Calls `body` on each of two CPUs at the same time.
pub(crate) fn on_two_cpus(body: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for (number, cpu) in cpus().into_iter().take(2).enumerate() {
            let body = &body;
            scope.spawn(move || {
                let mut only = CpuSet::new();
                only.set(cpu).expect("a CPU");
                sched_setaffinity(Pid::from_raw(0), &only).expect("a thread can be pinned");
                body(number);
            });
        }
    });
}
