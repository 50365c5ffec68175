//! Clients that ask the portmapper again and again.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rpcguard_tests::lab::{Finished, Host, Lab};

use crate::town::{SERVER, Town};

/// Between two calls of a client.
const PAUSE: Duration = Duration::from_millis(500);

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A host that was served more than once before the flood.
    Regular,
    /// A host that was never heard of: each call comes from a new address.
    Newcomer,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Regular, Self::Newcomer];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular clients",
            Self::Newcomer => "newcomers",
        }
    }
}

/// What became of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) kind: Kind,
    pub(super) served: bool,
    pub(super) took: Duration,
}

/// A client in a network of its own.
pub(super) struct Caller {
    host: Host,
    number: u8,
    address: u8,
    kind: Kind,
}

impl Caller {
    /// A client that has not called yet.
    pub(super) fn new(lab: &Lab, town: &Town, number: u8, kind: Kind) -> Result<Self> {
        let mut caller = Self {
            host: town.client(lab, number)?,
            number,
            address: 1,
            kind,
        };
        caller.take_next_address()?;
        Ok(caller)
    }

    pub(super) fn is_regular(&self) -> bool {
        self.kind == Kind::Regular
    }

    /// Moves to an address that it did not have before.
    fn take_next_address(&mut self) -> Result<()> {
        let Self { number, .. } = *self;
        self.address = self.address.checked_add(1).context("no address is left")?;
        self.host.ip("address flush dev eth0 scope global")?;
        let address = format!("198.18.{number}.{}/24", self.address);
        self.host.add_address("eth0", &address)?;
        self.host
            .ip(&format!("route replace default via 198.18.{number}.1"))?;
        Ok(())
    }

    /// Asks with rpcinfo, which gives up by itself.
    pub(super) fn call(&self) -> Call {
        let server = Ipv4Addr::from(SERVER).to_string();
        let start = Instant::now();
        let mut command = self.host.command("rpcinfo");
        let asked = Finished::wait_for(command.args(["-T", "udp", &server, "100000", "3"]));
        Call {
            kind: self.kind,
            served: asked.is_success(),
            took: start.elapsed(),
        }
    }

    /// Calls until it is told to stop, and then finishes its last call.
    pub(super) fn call_until(&mut self, stop: &AtomicBool) -> Result<Vec<Call>> {
        let mut calls = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            calls.push(self.call());
            if self.kind == Kind::Newcomer {
                self.take_next_address()?;
            }
            thread::sleep(PAUSE);
        }
        Ok(calls)
    }
}
