//! The list, of which each reload brings another version.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// How many hosts are only in two versions of the list, one after the other.
const FLEETING: u32 = 100;

/// How many listed sources send packets all the time.
const SENDERS: u32 = 12;

/// All versions: prefixes that are in each of them, and hosts that come and go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lists {
    steady: u32,
}

/// The kinds of steady prefixes, of which there are six, three and one in ten.
#[derive(Clone, Copy, Debug)]
enum Steady {
    /// Single addresses, with others between them that are not listed.
    Host(u32),
    /// Halves of /27s.
    Half(u32),
    /// /64s of IPv6, every other one.
    Network(u32),
}

impl Steady {
    const fn number(number: u32) -> Self {
        let (ten, of_ten) = (number / 10, number % 10);
        match of_ten {
            0..6 => Self::Host(ten * 6 + of_ten),
            6..9 => Self::Half(ten * 3 + of_ten - 6),
            _ => Self::Network(ten),
        }
    }

    const fn address(self) -> IpAddr {
        match self {
            Self::Host(number) => IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number * 7)),
            Self::Half(number) => IpAddr::V4(Ipv4Addr::from_bits(0x1400_0000 + number * 32)),
            Self::Network(number) => {
                let prefix = 0x2001_0db8_0001_0000_u64 + 2 * number as u64;
                IpAddr::V6(Ipv6Addr::from_bits((prefix as u128) << 64))
            }
        }
    }

    const fn length(self) -> u8 {
        match self {
            Self::Host(_) => 32,
            Self::Half(_) => 28,
            Self::Network(_) => 64,
        }
    }

    /// An address in it, and one beside it that is not listed.
    fn inside_and_beside(self) -> [IpAddr; 2] {
        match (self, self.address()) {
            (Self::Host(_), IpAddr::V4(address)) => [0, 3].map(|by| plus(address, by).into()),
            (_, IpAddr::V4(address)) => [9, 16 + 9].map(|by| plus(address, by).into()),
            (_, IpAddr::V6(address)) => [0, 1 << 64].map(|by: u128| {
                let bits = address.to_bits() + by + 9;
                Ipv6Addr::from_bits(bits).into()
            }),
        }
    }
}

const fn plus(address: Ipv4Addr, by: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(address.to_bits() + by)
}

impl Lists {
    /// Lists of so many prefixes.
    pub(crate) const fn of(prefixes: u32) -> Self {
        Self {
            steady: prefixes - 2 * FLEETING,
        }
    }

    /// A version, as a file. The first is number 0.
    pub(crate) fn file(self, version: u32) -> String {
        let mut text = String::new();
        for steady in (0..self.steady).map(Steady::number) {
            let _ = writeln!(text, "{}/{}", steady.address(), steady.length());
        }
        for generation in [version, version + 1] {
            for host in 0..FLEETING {
                let _ = writeln!(text, "{}", fleeting(generation, host));
            }
        }
        text
    }

    /// Sources that are in every version, and as many that are in none: next to them, and far away.
    pub(crate) fn senders(self) -> [Vec<IpAddr>; 2] {
        let spread = |number| Steady::number((number * (self.steady / SENDERS)) + number);
        let pairs = (0..SENDERS).map(|number| spread(number).inside_and_beside());
        let (listed, mut strangers): (Vec<_>, Vec<_>) = pairs.map(|[a, b]| (a, b)).unzip();
        strangers[0] = Ipv4Addr::new(198, 51, 100, 7).into();
        [listed, strangers]
    }
}

/// A source that is in the versions of one number and the one before only.
pub(crate) fn fleeting(generation: u32, host: u32) -> IpAddr {
    // 172.16.0.0/12 holds 4,096 blocks of 256.
    Ipv4Addr::from_bits(0xac10_0000 + (generation << 8) + host).into()
}

/// A host of each generation that is sent from, to see which version is in force.
pub(crate) const PROBE: u32 = FLEETING / 2;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rpcguard::prefix::Prefix;

    use super::*;

    #[test]
    fn each_version_holds_what_it_should() {
        let lists = Lists::of(5000);
        let [listed, strangers] = lists.senders();
        assert_eq!(listed.len(), strangers.len());
        for version in [0, 7, 4000] {
            let file = lists.file(version);
            let prefixes: BTreeSet<Prefix> =
                file.lines().map(|line| line.parse().unwrap()).collect();
            assert_eq!(prefixes.len(), 5000, "each once");
            let holds = |address: IpAddr| {
                prefixes
                    .iter()
                    .any(|prefix| prefix.contains(Prefix::from(address)))
            };
            assert!(listed.iter().all(|address| holds(*address)));
            assert!(!strangers.iter().any(|address| holds(*address)));
            let of_generation = |generation| holds(fleeting(generation, PROBE));
            assert!(of_generation(version) && of_generation(version + 1));
            assert!(!of_generation(version + 2));
            assert!(version == 0 || !of_generation(version - 1));
        }
    }
}
