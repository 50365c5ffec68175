//! The rate policy in simulated time.

mod alone;
mod floods;
mod memory;
mod mixtures;
mod places;

use rpcguard_common::{
    abi::{Limit, Limits},
    gcra,
    limiter::admit,
    policy::Address,
};

use memory::HostMemory;

const SECOND: u64 = 1_000_000_000;

/// So many packets in so many seconds, and so many at once.
fn limit(packets: u32, seconds: u32, burst: u32) -> Limit {
    let period = u64::from(seconds) * SECOND / u64::from(packets);
    Limit {
        period,
        tolerance: gcra::tolerance(burst, period),
        packets,
        seconds,
        burst,
        reserved: 0,
    }
}

/// A limit that nobody in these tests reaches.
fn no_limit() -> Limit {
    limit(1_000_000_000, 1, 1_000_000_000)
}

/// The limits of the rate policy, and the tables that it keeps.
struct Limiter {
    memory: HostMemory,
    limits: Limits,
}

impl Limiter {
    fn new(source: Limit, neighbourhood: Limit, total: Limit) -> Self {
        Self {
            memory: HostMemory::new(0x5eed),
            limits: Limits {
                source,
                neighbourhood,
                total,
            },
        }
    }

    /// The defaults of `rpcguard attach --rate 5/s`.
    fn by_default() -> Self {
        Self::new(limit(5, 1, 20), limit(40, 1, 160), limit(200, 1, 400))
    }

    /// With a limit for each source, and none beyond.
    fn of_sources(limit: Limit) -> Self {
        Self::new(limit, no_limit(), no_limit())
    }

    fn pass_time(&self, nanoseconds: u64) {
        self.memory.time.set(self.memory.time.get() + nanoseconds);
    }

    /// Whether a call is served now.
    fn admits_call(&self, source: Address, call: u32) -> bool {
        admit(&&self.memory, &self.limits, source, call)
    }

    /// Whether a call that everybody sends is served now.
    fn admits(&self, source: Address) -> bool {
        const CALL: u32 = 0x1aa9_ffe1;
        self.admits_call(source, CALL)
    }

    /// How many of so many of these calls are served.
    fn admitted(&self, source: Address, calls: u32) -> u32 {
        (0..calls).filter(|_| self.admits(source)).count() as u32
    }
}

/// An IPv4 address by number.
const fn v4(number: u32) -> Address {
    Address::V4(number.to_be_bytes())
}

/// A host of an IPv6 /64 by number.
fn v6(network: u64, host: u64) -> Address {
    let mut address = [0; 16];
    address[..8].copy_from_slice(&network.to_be_bytes());
    address[8..].copy_from_slice(&host.to_be_bytes());
    Address::V6(address)
}
