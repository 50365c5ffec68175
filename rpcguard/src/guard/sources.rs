//! Who the dropped packets claim to be from.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsFd as _,
};

use rpcguard_common::{
    abi::{SOURCE_SETS, SourceEntry, SourceSet},
    sampling::Aggregate,
};

use super::Guard;
use crate::{
    error::{Doing as _, Result},
    prefix::Prefix,
    sys::bpf,
};

/// A source of dropped packets. The numbers are estimates from samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceEstimate {
    /// The source: a host or a neighbourhood.
    pub prefix: Prefix,
    /// Packets, since the filter was attached.
    pub packets: u64,
    /// Bytes of these packets.
    pub bytes: u64,
    /// So many more packets may have been from it before it was noticed: zero for whoever has sent
    /// much from the beginning.
    pub unnoticed: u64,
}

impl Guard {
    /// The sources of dropped packets that were seen most, by address or neighbourhood, in descending
    /// order of their packets. At most about a thousand of each are known.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn sources(&self, aggregate: Aggregate) -> Result<Vec<SourceEstimate>> {
        let mut estimates: HashMap<u64, SourceEstimate> = HashMap::new();
        for (index, set) in self.source_sets()? {
            if index / SOURCE_SETS % Aggregate::ALL.len() as u32 != aggregate as u32 {
                continue;
            }
            for entry in set.entries.iter().filter(|entry| entry.packets != 0) {
                let Some(prefix) = prefix(aggregate, entry.prefix) else {
                    continue;
                };
                let SourceEntry {
                    packets,
                    excess,
                    bytes,
                    ..
                } = *entry;
                let estimate = estimates.entry(entry.prefix).or_insert(SourceEstimate {
                    prefix,
                    packets: 0,
                    bytes: 0,
                    unnoticed: 0,
                });
                estimate.packets += packets.saturating_sub(excess);
                estimate.bytes += bytes;
                estimate.unnoticed += excess;
            }
        }
        let mut estimates: Vec<_> = estimates.into_values().collect();
        estimates.sort_unstable_by_key(|e| (std::cmp::Reverse(e.packets), e.prefix));
        Ok(estimates)
    }

    /// Every set of every CPU, with its index.
    fn source_sets(&self) -> Result<Vec<(u32, SourceSet)>> {
        let failed = format!("read the sources of `{}`", self.interface.name);
        let sets = bpf::lookup_batch(self.sources.fd().as_fd()).doing(&failed)?;
        // Arrays take batches since Linux 5.6.
        sets.ok_or(io::Error::from(io::ErrorKind::Unsupported))
            .doing(failed)
    }
}

fn prefix(aggregate: Aggregate, number: u64) -> Option<Prefix> {
    let address = match aggregate {
        Aggregate::HostV4 | Aggregate::NeighbourhoodV4 => {
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number).ok()?))
        }
        Aggregate::HostV6 | Aggregate::NeighbourhoodV6 => {
            IpAddr::V6(Ipv6Addr::from_bits(u128::from(number) << 64))
        }
    };
    Prefix::new(address, aggregate.length())
}
