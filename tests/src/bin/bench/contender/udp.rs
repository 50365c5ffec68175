//! What got as far as a host's UDP sockets.

use std::fs;

use anyhow::{Context as _, Result};
use rpcguard_tests::lab::Host;

/// Datagrams that a socket has handed to a process.
pub(crate) fn delivered(host: &Host) -> Result<u64> {
    statistic(host, "InDatagrams")
}

/// Datagrams that a socket had no room for.
pub(crate) fn without_room(host: &Host) -> Result<u64> {
    statistic(host, "RcvbufErrors")
}

fn statistic(host: &Host, name: &str) -> Result<u64> {
    let file = "/proc/thread-self/net/snmp";
    let text = host
        .enter(|| fs::read_to_string(file))
        .with_context(|| format!("cannot read {file}"))?;
    // A line of names, and one of values.
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = lines
        .next()
        .zip(lines.next())
        .context("no UDP statistics")?;
    names
        .split(' ')
        .zip(values.split(' '))
        .find_map(|(of, value)| (of == name).then(|| value.parse().ok())?)
        .with_context(|| format!("no UDP statistic {name}"))
}
