//! The run: reloads, and what is to be right after each.

use std::{
    collections::HashMap,
    fs,
    net::IpAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use nix::sys::signal::Signal;
use rpcguard_tests::daemon::Daemon;

use crate::{
    Arguments,
    churn::churn,
    lane::{Lane, Tally},
    lists::{Lists, PROBE, fleeting},
    resources::{self, Resources},
    town::{self, Town},
    traffic::{self, Portmapper},
};

/// Every so many reloads, the list is a bad one at first, and is to be refused.
const BAD: u32 = 10;

/// Every so many reloads, the daemon is killed and started again.
const KILL: u32 = 100;

/// After so many reloads, a daemon has grown to its size.
const SETTLED: u32 = 15;

/// By how many descriptors the daemon may differ when it does nothing: those of connections and of locks.
const DESCRIPTORS: usize = 8;

/// Every so many reloads, a line is printed.
const REPORT: u32 = 50;

/// How long a start or reload may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// What a guard takes at most, in KiB for each prefix; and besides.
const MEMORY: [u64; 2] = [1, 8192];

/// How it ended.
pub(crate) enum Ended {
    Interrupted,
    /// With so many wrong verdicts.
    Whole(u64),
}

pub(crate) fn endure(arguments: &Arguments, stop: &AtomicBool) -> Result<Ended> {
    let interfaces = usize::from(arguments.interfaces);
    let before = resources::available()?;
    let needed = u64::from(arguments.interfaces)
        * (MEMORY[0] * u64::from(arguments.prefixes) / 4 + MEMORY[1]);
    ensure!(
        before > needed,
        "this machine has {} MiB of memory left, and {} MiB may be needed: use fewer --interfaces or --prefixes",
        before >> 10,
        needed >> 10
    );
    let town = Town::build(interfaces)?;
    let ended = endure_in(&town, arguments, stop);
    if let Err(error) = &ended {
        // What is left of it may be less interesting than why.
        eprintln!("Something is wrong: {error:#}");
    }
    let left = town.leave();
    let ended = ended?;
    left?;
    Ok(ended)
}

fn endure_in(town: &Town, arguments: &Arguments, stop: &AtomicBool) -> Result<Ended> {
    let lists = Lists::of(arguments.prefixes);
    town.write_list(&lists.file(0))?;
    let begun = Instant::now();
    let mut daemon = start(town)?;
    let lanes: Vec<Lane> = (0..usize::from(arguments.interfaces))
        .map(Lane::new)
        .collect();
    for lane in &lanes {
        lane.await_guard(town)?;
    }
    let elapsed = begun.elapsed().as_secs_f64();
    let maps = town.site.lab.objects_of(lanes.len()).maps;
    println!(
        "{} interfaces are guarded after {elapsed:.1} s; their maps take {} MiB of memory",
        lanes.len(),
        resources::of_maps(maps)? >> 20
    );

    let portmapper = Portmapper::open(town)?;
    let to_pass = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let (sending_over, received_all) = (AtomicBool::new(false), AtomicBool::new(false));
    // The last one stays, and is flooded. Of a flood, some is lost on the wire, and whatever else is there.
    let (flooded_lane, passing) = lanes.split_last().ok_or_else(|| anyhow!("no lane"))?;
    thread::scope(|scope| {
        let receiver = scope.spawn(|| portmapper.receive(&received_all));
        let sender = scope.spawn(|| {
            let to = (&portmapper, &to_pass);
            traffic::send(town, passing, lists, arguments.rate, to, &sending_over)
        });
        let churner = scope.spawn(|| churn(town, passing, arguments.seed, &over));
        let flooder = scope.spawn(|| traffic::flood(town, flooded_lane, arguments.flood, &over));
        let workers = Workers {
            sender: &sender,
            churner: &churner,
        };
        let reloaded = reload_all(
            town,
            &mut daemon,
            arguments,
            (passing, &to_pass),
            &workers,
            stop,
        );
        over.store(true, Ordering::Relaxed);
        let churned = join(churner);
        let flooded = join(flooder);
        sending_over.store(true, Ordering::Relaxed);
        let sent = join(sender);
        received_all.store(true, Ordering::Relaxed);
        let received = receiver.join().map_err(|_| anyhow!("a thread panicked"))?;
        let (churned, flooded, sent) = (churned?, flooded?, sent?);
        let mut reloads = reloaded?;
        thread::sleep(Duration::from_secs(1));
        reloads.last = Resources::of(daemon.id())?;

        let mut wrong = [churned.wrong, 0, 0, 0];
        for lane in &lanes {
            wrong[1] += lane.close()?[0];
        }
        let (from_listed, from_others) = of_whom(&received, lists);
        let passed = to_pass.load(Ordering::Relaxed);
        let snmp = town
            .site
            .host
            .enter(|| fs::read_to_string("/proc/thread-self/net/snmp"))?;
        let overflowed = resources::overflowed(&snmp);
        ensure!(
            overflowed == 0,
            "the portmapper's socket had no room for {overflowed} datagrams"
        );
        wrong[2] = passed.abs_diff(from_listed);
        wrong[3] = from_others;
        println!(
            "{} reloads, of which {} were refused as they should, {} kills, {} interfaces that went and came, \
             {:.0} s",
            reloads.times.len(),
            reloads.refused,
            reloads.kills,
            churned.times,
            begun.elapsed().as_secs_f64()
        );
        println!(
            "a reload took {} (of 0, 50, 99 and 100 %); an interface was guarded after {}; a start took {}",
            quantiles(reloads.times),
            quantiles(churned.unguarded),
            quantiles(reloads.starts)
        );
        println!(
            "{sent} packets of listed sources and strangers and {} probes, half to pass; flood: {} packets, {:.0} a second",
            reloads.probes,
            flooded.packets,
            flooded.rate()
        );
        println!(
            "the daemon: {} KiB, {} descriptors (after {SETTLED} reloads {} KiB, {})",
            reloads.last.resident,
            reloads.last.descriptors,
            reloads.first.resident,
            reloads.first.descriptors
        );
        println!(
            "wrong verdicts: {} on interfaces that went, {} on the others, {} lost, {} let through",
            wrong[0], wrong[1], wrong[2], wrong[3]
        );
        daemon.signal(Signal::SIGTERM)?;
        ensure!(
            daemon.ended()?.success(),
            "the daemon did not end well:\n{}",
            daemon.log()
        );
        // Nothing comes and goes any more, so that it does nothing.
        let descriptors = reloads.last.descriptors;
        ensure!(
            descriptors <= reloads.first.descriptors + DESCRIPTORS,
            "the daemon had {} descriptors and has {descriptors}",
            reloads.first.descriptors
        );
        let wrong = wrong.iter().sum();
        Ok(if reloads.is_whole || wrong != 0 {
            Ended::Whole(wrong)
        } else {
            Ended::Interrupted
        })
    })
}

/// Threads that only end early if something is wrong.
struct Workers<'a, 'scope> {
    sender: &'a ScopedJoinHandle<'scope, Result<u64>>,
    churner: &'a ScopedJoinHandle<'scope, Result<crate::churn::Churned>>,
}

struct Reloads {
    /// Whether all that were asked for were made.
    is_whole: bool,
    times: Vec<Duration>,
    starts: Vec<Duration>,
    refused: u32,
    kills: u32,
    probes: u64,
    first: Resources,
    last: Resources,
}

/// Makes all reloads, and looks whether each is in force everywhere when the daemon says so; as many as there
/// are before somebody interrupts it.
fn reload_all(
    town: &Town,
    daemon: &mut Daemon,
    arguments: &Arguments,
    (lanes, to_pass): (&[Lane], &AtomicU64),
    workers: &Workers<'_, '_>,
    stop: &AtomicBool,
) -> Result<Reloads> {
    let lists = Lists::of(arguments.prefixes);
    let mut reloads = Reloads {
        is_whole: false,
        times: Vec::new(),
        starts: Vec::new(),
        refused: 0,
        kills: 0,
        probes: 0,
        first: Resources::of(daemon.id())?,
        last: Resources::of(daemon.id())?,
    };
    for version in 1..=arguments.reloads {
        // One of them only ends early if something is wrong, and whoever waits for it tells what.
        let are_over = workers.sender.is_finished() || workers.churner.is_finished();
        if stop.load(Ordering::Relaxed) || are_over {
            return Ok(reloads);
        }
        let list = lists.file(version);
        if version % BAD == 0 {
            town.write_list(&format!("{list}no address\n"))?;
            let (said, _) = reload(daemon)?;
            ensure!(
                said.contains("STATUS=not reloaded"),
                "a bad list was taken: {said}"
            );
            reloads.probes += probe(town, lanes, version - 1, to_pass)?;
            reloads.refused += 1;
        }
        town.write_list(&list)?;
        let (said, time) = reload(daemon)?;
        ensure!(
            !said.contains("STATUS=not reloaded"),
            "a good list was refused: {}",
            daemon.log()
        );
        reloads.times.push(time);
        reloads.probes += probe(town, lanes, version, to_pass)?;
        if version % KILL == 0 {
            daemon.signal(Signal::SIGKILL)?;
            daemon.ended()?;
            let begun = Instant::now();
            *daemon = start(town)?;
            reloads.starts.push(begun.elapsed());
            reloads.probes += probe(town, lanes, version, to_pass)?;
            reloads.kills += 1;
            reloads.first.descriptors = Resources::of(daemon.id())?.descriptors;
        }
        reloads.last = Resources::of(daemon.id())?;
        if version % KILL == SETTLED {
            reloads.first.resident = reloads.last.resident;
        } else if version % KILL > SETTLED {
            reloads.last.check(reloads.first)?;
        }
        if version % REPORT == 0 {
            println!(
                "  {version} reloads, the last in {} ms; {} probes; the daemon takes {} KiB",
                time.as_millis(),
                reloads.probes,
                reloads.last.resident
            );
        }
    }
    reloads.is_whole = true;
    Ok(reloads)
}

/// Starts the daemon, and waits until nothing more comes of that.
fn start(town: &Town) -> Result<Daemon> {
    let daemon = Daemon::spawn(
        &town.site.host,
        &town.config(),
        town.directory(),
        &[],
        PATIENCE,
    )?;
    daemon.notified_of("READY=1")?;
    // Files that are so new are read once more. Meanwhile, interfaces come and go, which is told of as well.
    let deadline = Instant::now() + Duration::from_secs(2);
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        let notification = daemon.notification(left).unwrap_or_default();
        if notification.lines().any(|line| line == "RELOADING=1") {
            daemon.notified_of("READY=1")?;
        }
    }
    Ok(daemon)
}

/// Has the daemon reload; what it says then, and how long it took.
fn reload(daemon: &Daemon) -> Result<(String, Duration)> {
    // The clock that files are dated by has gone on then, and the daemon need not read them twice.
    thread::sleep(Duration::from_millis(30));
    let begun = Instant::now();
    daemon.signal(Signal::SIGHUP)?;
    let said = daemon.reloaded()?;
    Ok((said, begun.elapsed()))
}

/// Sends from sources that tell which version of the list is in force, over each lane that is open.
fn probe(town: &Town, lanes: &[Lane], version: u32, to_pass: &AtomicU64) -> Result<u64> {
    let mut probes = 0;
    for lane in lanes {
        let mut open = lane.lock();
        let Some(open) = open.as_mut() else { continue };
        let frame = |generation| open.frame(town, fleeting(generation, PROBE));
        let (present, next) = (frame(version), frame(version + 1));
        let (before, after) = (frame(version.wrapping_sub(1) & 0xfff), frame(version + 2));
        let expected = Tally {
            passed: 2,
            dropped: 2,
        };
        to_pass.fetch_add(expected.passed, Ordering::Relaxed);
        let frames = [&present, &before, &next, &after];
        open.send(frames.map(Vec::as_slice), expected)?;
        let wrong = open.wrong()?;
        ensure!(
            wrong == 0,
            "version {version} is not in force on {}: {wrong} wrong",
            town::name(lane.number)
        );
        probes += 4;
    }
    Ok(probes)
}

/// How many packets came from sources that were listed when they sent, and from others.
fn of_whom(received: &HashMap<IpAddr, u64>, lists: Lists) -> (u64, u64) {
    let [listed, _] = lists.senders();
    let is_probe =
        |source: &IpAddr| matches!(source, IpAddr::V4(source) if source.octets()[0] == 172);
    let (mut from_listed, mut from_others) = (0, 0);
    for (source, packets) in received {
        if listed.contains(source) || is_probe(source) {
            from_listed += packets;
        } else {
            from_others += packets;
        }
    }
    (from_listed, from_others)
}

fn join<T>(worker: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    worker.join().map_err(|_| anyhow!("a thread panicked"))?
}

/// The least, the middle one, one that few are above, and the most of some times, in milliseconds.
fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let Some(last) = times.len().checked_sub(1) else {
        return "no time, as there was none".to_owned();
    };
    let at = |hundredths: usize| times[last * hundredths / 100].as_millis();
    format!("{}, {}, {}, {} ms", at(0), at(50), at(99), at(100))
}
