//! Settings and lists for these tests.

use proptest::prelude::ProptestConfig;
use rpcguard_common::{
    abi::{Decision, Verdict},
    policy::{Address, Tables},
};

/// One port is guarded; sources whose first byte is [`ALLOWED`] or [`DENIED`] are listed.
#[derive(Clone, Copy)]
pub(crate) struct Guarding {
    pub(crate) port: u16,
    pub(crate) tcp: bool,
    /// See [`Tables::served`].
    pub(crate) served: Option<u64>,
    /// Whether every source is within its limits, or none.
    pub(crate) admitting: bool,
}

pub(crate) const ALLOWED: u8 = 10;
pub(crate) const DENIED: u8 = 11;

impl Guarding {
    pub(crate) const PORT_111: Self = Self {
        port: 111,
        tcp: false,
        served: None,
        admitting: true,
    };
}

impl Tables for Guarding {
    fn guards_port(&self, port: u16) -> bool {
        port == self.port
    }

    fn guards_tcp(&self) -> bool {
        self.tcp
    }

    fn is_selective(&self) -> bool {
        false
    }

    fn guards_destination(&self, _: Address) -> bool {
        false
    }

    fn lookup(&self, source: Address) -> Decision {
        let first = match source {
            Address::V4([first, ..]) | Address::V6([first, ..]) => first,
        };
        match first {
            ALLOWED => Decision::listed(Verdict::Allow, 1),
            DENIED => Decision::listed(Verdict::Deny, 2),
            _ => Decision::UNLISTED,
        }
    }

    fn served(&self) -> Option<u64> {
        self.served
    }

    fn admits(&self, _: Address, _: u32) -> bool {
        self.admitting
    }
}

/// So many steps of a case, fewer under Miri.
pub(crate) const fn steps(number: usize) -> usize {
    if cfg!(miri) { number / 20 } else { number }
}

/// So many cases, fewer under Miri, which takes a thousand times as long; and no file is written.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 4 } else { cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
