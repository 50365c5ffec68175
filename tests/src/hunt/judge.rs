//! Whether what was delivered is what should be.

use std::fmt;

use super::{
    deliveries::{Deliveries, Delivery},
    shot::Shot,
    terrain::Guests,
};

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It reached a guarded socket and should not.
    Bypass,
    /// It was lost and should not.
    Harm,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bypass => "bypass",
            Self::Harm => "harm",
        })
    }
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// In which way.
    pub kind: Kind,
    /// What was delivered, or lost.
    pub delivery: Delivery,
}

/// What of all that was delivered without filter there was, and what of it was lost as it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// From allowed sources to guarded ports.
    pub welcome: u64,
    /// To other ports.
    pub elsewhere: u64,
    /// From other sources to guarded ports: what a hole would let in.
    pub unwelcome: u64,
    /// Lost as part of a shot for which there is an excuse.
    pub excused: u64,
}

/// Compares what the observing twin received with what the enforcing one received.
#[must_use]
pub fn judge(
    guests: &Guests,
    observed: &Deliveries,
    enforced: &Deliveries,
    shots: &[Shot],
    tally: &mut Tally,
) -> Vec<Wrong> {
    let unwelcome = |delivery: &Delivery| {
        delivery.reached_a_socket() && guests.unwelcome(delivery.source, delivery.port)
    };
    let bypasses = enforced
        .iter()
        .filter(|(delivery, _)| unwelcome(delivery))
        .map(|(delivery, _)| Wrong {
            kind: Kind::Bypass,
            delivery: delivery.clone(),
        });
    let mut wrongs: Vec<_> = bypasses.collect();
    for (delivery, count) in observed.iter() {
        let count = u64::from(count);
        if unwelcome(delivery) {
            tally.unwelcome += count;
            continue;
        }
        if guests.guards(delivery.port) {
            tally.welcome += count;
        } else {
            tally.elsewhere += count;
        }
        let lost = count.saturating_sub(enforced.count(delivery).into());
        if lost == 0 {
            continue;
        }
        let excused = shots
            .iter()
            .any(|shot| shot.excuse.is_some() && shot.may_come_from(delivery.source));
        if excused {
            tally.excused += lost;
        } else {
            wrongs.push(Wrong {
                kind: Kind::Harm,
                delivery: delivery.clone(),
            });
        }
    }
    wrongs
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::{Kind, Tally, judge};
    use crate::hunt::{
        deliveries::{Content, Deliveries, Delivery},
        shot::{Excuse, Features, Shot},
        terrain::Guests,
    };

    const ALLOWED: &str = "10.0.0.1:1";
    const DENIED: &str = "10.66.0.1:1";
    const STRANGER: &str = "198.51.100.1:1";

    fn datagram(source: &str, port: u16) -> Delivery {
        Delivery {
            source: source.parse().unwrap(),
            port,
            content: Content::Datagram(vec![1, 2, 3]),
        }
    }

    fn reply(source: &str, flags: u8) -> Delivery {
        Delivery {
            content: Content::Reply {
                flags,
                acknowledges: 1,
            },
            ..datagram(source, 111)
        }
    }

    fn all(deliveries: &[Delivery]) -> Deliveries {
        let mut all = Deliveries::default();
        for delivery in deliveries {
            all.add(delivery.clone());
        }
        all
    }

    fn kinds(observed: &[Delivery], enforced: &[Delivery], shots: &[Shot]) -> Vec<Kind> {
        let (observed, enforced) = (all(observed), all(enforced));
        let mut tally = Tally::default();
        judge(&Guests::default(), &observed, &enforced, shots, &mut tally)
            .iter()
            .map(|wrong| wrong.kind)
            .collect()
    }

    #[test]
    fn what_should_be_lost_must_be() {
        for source in [STRANGER, DENIED] {
            let seen = [datagram(source, 111), reply(source, 0x12)];
            assert_eq!(kinds(&seen, &[], &[]), []);
            assert_eq!(kinds(&seen, &seen, &[]), [Kind::Bypass, Kind::Bypass]);
            // Whether or not the other twin got it too.
            assert_eq!(kinds(&[], &seen, &[]), [Kind::Bypass, Kind::Bypass]);
        }
    }

    #[test]
    fn what_should_arrive_must_arrive_as_often() {
        for delivery in [
            datagram(ALLOWED, 111),
            datagram(STRANGER, 110),
            reply(ALLOWED, 0x12),
            reply(STRANGER, 0x14),
        ] {
            let twice = [delivery.clone(), delivery.clone()];
            assert_eq!(kinds(&twice, &twice, &[]), []);
            assert_eq!(kinds(&twice, &twice[..1], &[]), [Kind::Harm]);
            assert_eq!(kinds(&twice, &[], &[]), [Kind::Harm]);
        }
    }

    #[test]
    fn an_excuse_is_for_its_own_shot_and_for_harm_only() {
        let shot = |source: &str, excuse| {
            let source: SocketAddr = source.parse().unwrap();
            let IpAddr::V4(address) = source.ip() else {
                panic!("IPv4")
            };
            let frame = [&[9; 5][..], &address.octets(), &source.port().to_be_bytes()].concat();
            Shot {
                frames: vec![vec![7; 3], frame],
                source,
                features: Features::default(),
                excuse,
            }
        };
        let (lost, other) = (datagram(STRANGER, 110), datagram(ALLOWED, 110));
        let shots = [shot(STRANGER, Some(Excuse::Mixed)), shot(ALLOWED, None)];
        assert_eq!(kinds(&[lost], &[], &shots), []);
        assert_eq!(kinds(&[other], &[], &shots), [Kind::Harm]);
        let through = datagram(STRANGER, 111);
        assert_eq!(kinds(&[], &[through], &shots), [Kind::Bypass]);
    }
}
