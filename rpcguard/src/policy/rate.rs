//! How much unlisted sources are served.

use std::{fmt, str::FromStr};

use rpcguard_common::{
    abi::{Limit, Limits, Settings},
    gcra,
    limiter::Standing,
    rpc::Request,
};

use super::{NoRatePolicy, Procedures};

/// So many packets in so much time: `5/s`, `100/m`, `20/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    packets: u32,
    seconds: u32,
}

const UNITS: [(&str, u32); 3] = [("s", 1), ("m", 60), ("h", 3600)];

/// Beyond it, a burst or the packets of a rate cannot be told from no limit at all.
const MAX_PACKETS: u32 = 1_000_000;

impl Rate {
    const fn per_second(packets: u32) -> Self {
        Self {
            packets,
            seconds: 1,
        }
    }

    /// How many packets that comes to in a second.
    #[must_use]
    pub fn packets_per_second(self) -> f64 {
        f64::from(self.packets) / f64::from(self.seconds)
    }

    /// Nanoseconds from one packet to the next.
    const fn period(self) -> u64 {
        self.seconds as u64 * 1_000_000_000 / self.packets as u64
    }
}

/// What is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a rate is a number of packets from 1 to {MAX_PACKETS} for each second, minute or hour: `5/s`, \
     `100/m`, `20/h`"
)]
pub struct ParseRateError;

impl FromStr for Rate {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (packets, unit) = text.split_once('/').ok_or(ParseRateError)?;
        let known = UNITS.into_iter().find(|(name, _)| *name == unit);
        let (_, seconds) = known.ok_or(ParseRateError)?;
        match packets.parse() {
            Ok(packets @ 1..=MAX_PACKETS) => Ok(Self { packets, seconds }),
            _ => Err(ParseRateError),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS
            .into_iter()
            .find(|(_, seconds)| *seconds == self.seconds);
        match unit {
            Some((unit, _)) => write!(f, "{}/{unit}", self.packets),
            None => write!(f, "{} in {} seconds", self.packets, self.seconds),
        }
    }
}

/// A rate, and how many packets may come at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// In the long run.
    pub rate: Rate,
    /// At once; from one to a million.
    pub burst: u32,
}

impl RateLimit {
    /// The largest burst.
    pub const MAX_BURST: u32 = MAX_PACKETS;

    /// Whichever is more of each.
    fn at_least(self, other: Self) -> Self {
        Self {
            rate: if self.rate.period() <= other.rate.period() {
                self.rate
            } else {
                other.rate
            },
            burst: self.burst.max(other.burst),
        }
    }

    fn to_abi(self) -> Limit {
        let period = self.rate.period();
        Limit {
            period,
            tolerance: gcra::tolerance(self.burst, period),
            packets: self.rate.packets,
            seconds: self.rate.seconds,
            burst: self.burst,
            reserved: 0,
        }
    }

    fn from_abi(limit: &Limit) -> Self {
        Self {
            rate: Rate {
                packets: limit.packets.max(1),
                seconds: limit.seconds,
            },
            burst: limit.burst,
        }
    }
}

/// What unlisted sources are served: all three limits hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RatePolicy {
    /// Of each source: an IPv4 address, or an IPv6 /64.
    pub source: RateLimit,
    /// Of each neighbourhood: an IPv4 /24, or an IPv6 /48.
    pub prefix: RateLimit,
    /// Of all unlisted sources together.
    pub total: RateLimit,
    /// The procedures that are served at all.
    pub procedures: Procedures,
}

impl Default for RatePolicy {
    /// A few mounts of every client, and no more than a slow line's worth of replies in all.
    fn default() -> Self {
        let limit = |rate, burst| RateLimit {
            rate: Rate::per_second(rate),
            burst,
        };
        Self {
            source: limit(5, 20),
            prefix: limit(40, 160),
            total: limit(200, 400),
            procedures: Procedures::default(),
        }
    }
}

impl RatePolicy {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self {
            source: RateLimit::from_abi(&settings.limits.source),
            prefix: RateLimit::from_abi(&settings.limits.neighbourhood),
            total: RateLimit::from_abi(&settings.limits.total),
            procedures: Procedures::from_bits(settings.procedures),
        }
    }

    pub(super) fn write_to(&self, settings: &mut Settings) {
        settings.limits = Limits {
            source: self.source.to_abi(),
            neighbourhood: self.prefix.to_abi(),
            total: self.total.to_abi(),
        };
        // A TCP connection has no procedure to judge by.
        settings.procedures = self.procedures.bits() | Request::CONNECTION.bit();
    }
}

/// What to change about a rate policy; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateChange {
    /// Drop what unlisted sources send, instead of serving it at a rate. Nothing else is then looked
    /// at.
    pub off: bool,
    /// The rate of [`RatePolicy::source`]; begins a rate policy if none is in force.
    pub source: Option<Rate>,
    /// The burst of [`RatePolicy::source`].
    pub source_burst: Option<u32>,
    /// The rate of [`RatePolicy::prefix`].
    pub prefix: Option<Rate>,
    /// The burst of [`RatePolicy::prefix`].
    pub prefix_burst: Option<u32>,
    /// The rate of [`RatePolicy::total`].
    pub total: Option<Rate>,
    /// The burst of [`RatePolicy::total`].
    pub total_burst: Option<u32>,
    /// See [`RatePolicy::procedures`].
    pub procedures: Option<Procedures>,
}

impl RateChange {
    /// Whether a rate policy is in force after it, whatever was before.
    pub(crate) const fn begins(&self) -> bool {
        self.source.is_some() && !self.off
    }

    /// The policy after the change.
    ///
    /// A limit that is not given, and would be below that of a part of it, is raised to that: it was
    /// not meant to forbid what another allows. The burst of the total is graded
    /// ([`limiter`](rpcguard_common::limiter)), so that it takes more of it for one source to get its own;
    /// but nothing is raised above what can be given.
    pub(super) fn applied_to(
        &self,
        present: Option<RatePolicy>,
    ) -> Result<Option<RatePolicy>, NoRatePolicy> {
        if self.off {
            return Ok(None);
        }
        if *self == Self::default() {
            return Ok(present);
        }
        let start = self.source.map(|_| RatePolicy::default());
        let mut policy = present.or(start).ok_or(NoRatePolicy)?;
        policy.source = with(policy.source, self.source, self.source_burst);
        let prefix = policy.prefix.at_least(policy.source);
        policy.prefix = with(prefix, self.prefix, self.prefix_burst);
        let mut total = policy.total.at_least(policy.prefix);
        let share = Standing::Crowd.eighths();
        let enough = (policy.source.burst * 8).div_ceil(share);
        total.burst = total.burst.max(enough).min(RateLimit::MAX_BURST);
        policy.total = with(total, self.total, self.total_burst);
        policy.procedures = self.procedures.unwrap_or(policy.procedures);
        Ok(Some(policy))
    }
}

fn with(limit: RateLimit, rate: Option<Rate>, burst: Option<u32>) -> RateLimit {
    RateLimit {
        rate: rate.unwrap_or(limit.rate),
        burst: burst.unwrap_or(limit.burst),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn rates_are_written_as_they_are_read() {
        for text in ["1/s", "5/s", "100/m", "1000000/h"] {
            assert_eq!(rate(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "5",
            "5/",
            "/s",
            "0/s",
            "-1/s",
            "5/d",
            "5/sec",
            "5 /s",
            "1000001/s",
            "1.5/s",
        ] {
            assert_eq!(text.parse::<Rate>(), Err(ParseRateError), "{text}");
        }
    }

    #[test]
    fn a_period_is_the_time_from_packet_to_packet() {
        assert_eq!(rate("5/s").period(), 200_000_000);
        assert_eq!(rate("2/m").period(), 30_000_000_000);
        assert_eq!(rate("1/h").period(), 3_600_000_000_000);
    }

    #[test]
    fn the_rate_of_a_source_begins_a_policy_with_the_defaults() {
        let change = RateChange {
            source: Some(rate("3/s")),
            ..RateChange::default()
        };
        let policy = change.applied_to(None).unwrap().unwrap();
        assert_eq!(policy.source.rate, rate("3/s"));
        assert_eq!(policy.source.burst, 20);
        assert_eq!(policy.prefix, RatePolicy::default().prefix);
        assert_eq!(policy.total, RatePolicy::default().total);
    }

    #[test]
    fn a_limit_that_is_not_given_does_not_forbid_what_is() {
        let change = RateChange {
            source: Some(rate("100/s")),
            source_burst: Some(500),
            total: Some(rate("50/s")),
            ..RateChange::default()
        };
        let policy = change.applied_to(None).unwrap().unwrap();
        assert_eq!(policy.prefix.rate, rate("100/s"));
        assert_eq!(policy.prefix.burst, 500);
        assert_eq!(policy.total.rate, rate("50/s"), "as it was given");
        assert_eq!(
            policy.total.burst, 1334,
            "of which three eighths are for anybody"
        );
    }

    #[test]
    fn no_limit_is_raised_above_what_can_be_given() {
        for burst in [375_000, 375_001, RateLimit::MAX_BURST] {
            let change = RateChange {
                source: Some(rate("1/s")),
                source_burst: Some(burst),
                ..RateChange::default()
            };
            let policy = change.applied_to(None).unwrap().unwrap();
            assert_eq!((policy.source.burst, policy.prefix.burst), (burst, burst));
            assert_eq!(policy.total.burst, RateLimit::MAX_BURST);
        }
    }

    #[test]
    fn without_a_policy_there_is_nothing_to_change() {
        let change = RateChange {
            total: Some(rate("50/s")),
            ..RateChange::default()
        };
        assert_eq!(change.applied_to(None), Err(NoRatePolicy));
        assert_eq!(RateChange::default().applied_to(None), Ok(None));
        let present = Some(RatePolicy::default());
        let off = RateChange {
            off: true,
            ..RateChange::default()
        };
        assert_eq!(off.applied_to(present), Ok(None));
        assert_eq!(
            change.applied_to(present).unwrap().unwrap().total.rate,
            rate("50/s")
        );
    }
}
