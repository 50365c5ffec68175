//! The rate policy.

use std::{cell::RefCell, collections::HashMap};

use arbitrary::{Arbitrary as _, Result, Unstructured};
use rpcguard::policy::{Destinations, Policy, PolicyChange, Rate, RateChange, RateLimit};
use rpcguard_common::{
    abi::{LIMITS_LEN, Limit, Limits, SIGHTINGS_LEN, STANDINGS_LEN, Settings},
    gcra,
    limiter::{Charge, Memory, TICK, Word, admit},
    policy::Address,
};

/// The largest start of a clock, in nanoseconds: a century and more of uptime.
const LATEST_START: u64 = 1 << 62;

/// More calls would take too long to compare with each other.
const MAX_CALLS: usize = 200;

/// In any stretch of time, of any source, any neighbourhood and all together, whatever was in the
/// tables before.
pub(crate) fn admits_no_more_than_the_limits(bytes: &mut Unstructured<'_>) -> Result<()> {
    let settings = settings(&policy(bytes)?);
    let limits = settings.limits;
    let memory = SparseMemory {
        garbage: bool::arbitrary(bytes)?,
        seed: u64::arbitrary(bytes)?,
        ..SparseMemory::default()
    };
    let mut now = u64::arbitrary(bytes)? % LATEST_START;
    let mut admitted: Vec<(Address, u64)> = Vec::new();
    let strictest = [limits.source, limits.neighbourhood, limits.total]
        .map(|limit| limit.tolerance)
        .into_iter()
        .min();
    // Where limits do not tolerate a tick, the exact time is asked for.
    let late = if strictest < Some(TICK) { 0 } else { TICK };
    let mut calls = 0;
    while calls < MAX_CALLS && !bytes.is_empty() {
        now += pause(bytes)?;
        let source = source(u8::arbitrary(bytes)?);
        let call = u32::from(u8::arbitrary(bytes)?);
        memory.clock.replace((now, u64::arbitrary(bytes)? % TICK));
        let times = 1 + u8::arbitrary(bytes)? % 32;
        for _ in 0..times {
            if admit(&&memory, &limits, source, call) {
                admitted.push((source, now));
            }
        }
        calls += usize::from(times);
    }
    for (limit, group) in [
        (&limits.source, own as fn(Address) -> Vec<u8>),
        (&limits.neighbourhood, neighbourhood),
        (&limits.total, |_| Vec::new()),
    ] {
        let mut groups: HashMap<Vec<u8>, Vec<u64>> = HashMap::new();
        for (source, time) in &admitted {
            groups.entry(group(*source)).or_default().push(*time);
        }
        for times in groups.values() {
            within(times, limit, late);
        }
    }
    Ok(())
}

/// A burst, and one more for each period.
fn within(times: &[u64], limit: &Limit, late: u64) {
    for (first, start) in times.iter().enumerate() {
        for (last, end) in times.iter().enumerate().skip(first) {
            let count = (last - first) as u64 + 1;
            let most = u64::from(limit.burst) + (end - start + late) / limit.period;
            assert!(count <= most, "{count} in {} ns: {limit:?}", end - start);
        }
    }
}

fn pause(bytes: &mut Unstructured<'_>) -> Result<u64> {
    let unit =
        [0, 1, 1_000_000, 50_000_000, 1_000_000_000, 15_000_000_000][bytes.choose_index(6)?];
    Ok(u64::from(u8::arbitrary(bytes)?) * unit)
}

/// Some are neighbours; some share a /64.
fn source(number: u8) -> Address {
    let [host, network] = [number & 3, number >> 2 & 3];
    if number < 128 {
        Address::V4([198, 51, network, host])
    } else {
        let mut address = [0x20; 16];
        address[5..9].copy_from_slice(&[network, 0, number >> 4 & 1, host]);
        Address::V6(address)
    }
}

/// What has the limit of a source.
fn own(source: Address) -> Vec<u8> {
    match source {
        Address::V4(address) => address.to_vec(),
        Address::V6(address) => address[..8].to_vec(),
    }
}

fn neighbourhood(source: Address) -> Vec<u8> {
    match source {
        Address::V4(address) => address[..3].to_vec(),
        Address::V6(address) => address[..6].to_vec(),
    }
}

/// A policy as it can come about by commands.
fn policy(bytes: &mut Unstructured<'_>) -> Result<Policy> {
    let mut policy = Policy::default();
    for _ in 0..bytes.int_in_range(1..=3)? {
        let rate = RateChange {
            off: false,
            source: rate(bytes)?,
            source_burst: burst(bytes)?,
            prefix: rate(bytes)?,
            prefix_burst: burst(bytes)?,
            total: rate(bytes)?,
            total_burst: burst(bytes)?,
            procedures: None,
        };
        // Without a rate policy there is none to change.
        let _ = policy.apply(&PolicyChange {
            rate,
            ..PolicyChange::default()
        });
    }
    let begin = RateChange {
        source: Some("5/s".parse().expect("a rate")),
        ..RateChange::default()
    };
    if policy.rate.is_none() {
        let change = PolicyChange {
            rate: begin,
            ..PolicyChange::default()
        };
        policy.apply(&change).expect("a rate policy");
    }
    Ok(policy)
}

fn rate(bytes: &mut Unstructured<'_>) -> Result<Option<Rate>> {
    let packets = match u8::arbitrary(bytes)? {
        0..64 => return Ok(None),
        64..128 => bytes.int_in_range(1..=1_000_000)?,
        few => u32::from(few) - 127,
    };
    let unit = bytes.choose(&["s", "m", "h"])?;
    Ok(Some(format!("{packets}/{unit}").parse().expect("a rate")))
}

fn burst(bytes: &mut Unstructured<'_>) -> Result<Option<u32>> {
    Ok(match u8::arbitrary(bytes)? {
        0..64 => None,
        64..128 => Some(bytes.int_in_range(1..=RateLimit::MAX_BURST)?),
        few => Some(u32::from(few) - 127),
    })
}

fn settings(policy: &Policy) -> Settings {
    let mut settings = Settings::EMPTY;
    policy.write_to(&mut settings);
    settings
}

/// Those that a policy was written to give it back, and so do any others once they have been read.
pub(crate) fn settings_hold_what_a_policy_is(bytes: &mut Unstructured<'_>) -> Result<()> {
    let written = policy(bytes)?;
    assert_eq!(
        Policy::from_settings(&settings(&written), Destinations::All),
        written
    );

    let mut found = Settings {
        flags: u32::arbitrary(bytes)?,
        procedures: u64::arbitrary(bytes)?,
        limits: Limits {
            source: limit(bytes)?,
            neighbourhood: limit(bytes)?,
            total: limit(bytes)?,
        },
        ..Settings::EMPTY
    };
    for _ in 0..bytes.int_in_range(0..=8)? {
        found.ports.insert(u16::arbitrary(bytes)?);
    }
    let read = Policy::from_settings(&found, Destinations::All);
    if let Some(rate) = &read.rate {
        for limit in [rate.source, rate.prefix, rate.total] {
            assert!(!limit.rate.to_string().is_empty());
        }
    }
    assert_eq!(
        Policy::from_settings(&settings(&read), Destinations::All),
        read
    );
    Ok(())
}

fn limit(bytes: &mut Unstructured<'_>) -> Result<Limit> {
    Ok(Limit {
        period: u64::arbitrary(bytes)?,
        tolerance: u64::arbitrary(bytes)?,
        packets: u32::arbitrary(bytes)?,
        seconds: u32::arbitrary(bytes)?,
        burst: u32::arbitrary(bytes)?,
        reserved: u32::arbitrary(bytes)?,
    })
}

type Words = RefCell<HashMap<u32, u64>>;

/// Tables of which only the words exist that were written.
#[derive(Default)]
struct SparseMemory {
    /// The exact time, and by how much the other one is late.
    clock: RefCell<(u64, u64)>,
    seed: u64,
    /// Whether words that were not written are anything but zero.
    garbage: bool,
    limits: Words,
    sightings: Words,
    standings: Words,
}

struct SparseWord<'a> {
    words: &'a Words,
    index: u32,
    /// If it was not written.
    value: u64,
}

impl SparseMemory {
    fn word<'a>(&self, words: &'a Words, index: u32, len: u32) -> Option<SparseWord<'a>> {
        let value = match self.garbage {
            true => (u64::from(index) ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            false => 0,
        };
        (index < len).then_some(SparseWord {
            words,
            index,
            value,
        })
    }
}

impl Word for SparseWord<'_> {
    fn load(&self) -> u64 {
        let words = self.words.borrow();
        words.get(&self.index).copied().unwrap_or(self.value)
    }

    fn store(&self, value: u64) {
        self.words.borrow_mut().insert(self.index, value);
    }
}

impl<'a> Memory for &'a SparseMemory {
    type Word = SparseWord<'a>;

    fn now(&self) -> u64 {
        let (now, late) = *self.clock.borrow();
        now.saturating_sub(late)
    }

    fn precise_now(&self) -> u64 {
        self.clock.borrow().0
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn arrival(&self, cell: u32) -> Option<SparseWord<'a>> {
        let word = self.word(&self.limits, cell, LIMITS_LEN);
        Some(word.expect("a cell of the table"))
    }

    fn charge(&self, now: u64, charges: [Charge; 3]) -> bool {
        let cells = charges.map(|charge| (self.arrival(charge.cell), charge));
        let conforms = cells.iter().all(|(word, charge)| {
            word.as_ref()
                .is_some_and(|word| gcra::conforms(word.load(), now, charge.tolerance))
        });
        for (word, charge) in cells {
            if let Some(word) = word.filter(|_| conforms) {
                word.store(gcra::charged(word.load(), now, charge.period));
            }
        }
        conforms
    }

    fn sightings(&self, index: u32) -> Option<SparseWord<'a>> {
        let word = self.word(&self.sightings, index, SIGHTINGS_LEN);
        Some(word.expect("a word of the table"))
    }

    fn standings(&self, index: u32) -> Option<SparseWord<'a>> {
        let word = self.word(&self.standings, index, STANDINGS_LEN);
        Some(word.expect("a word of the table"))
    }
}
