//! The tables of hosts that a guard with long lists has, mapped into memory.
//!
//! Whoever writes them has the lock; packets and readers look at them at any time.

use std::{
    marker::PhantomData,
    mem::offset_of,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsFd as _,
    path::Path,
};

use aya::maps::MapData;
use rpcguard_common::abi::{
    BUCKET_HOSTS, HostEntry, HostsV4, HostsV6, PrefixEntry, host_hash_v4, host_hash_v6, map,
};

use crate::{
    error::{Doing as _, Result},
    prefix::Prefix,
    sys::mapped::MappedArray,
};

/// Both tables.
pub(super) struct Hosts {
    v4: Table<Ipv4Addr>,
    v6: Table<Ipv6Addr>,
}

impl Hosts {
    /// Those that are pinned in a directory.
    pub(super) fn of(directory: &Path, seed: u64) -> Result<Self> {
        let open = |name| {
            let path = directory.join(name);
            let failed = format!("open the pinned map {}", path.display());
            MapData::from_pin(&path).doing(failed)
        };
        Self::new(&open(map::HOSTS_V4)?, &open(map::HOSTS_V6)?, seed)
    }

    /// Those of these maps.
    pub(super) fn new(v4: &MapData, v6: &MapData, seed: u64) -> Result<Self> {
        Ok(Self {
            v4: Table::new(v4, seed)?,
            v6: Table::new(v6, seed)?,
        })
    }

    /// The entry of a host, if it is here.
    pub(super) fn get(&self, address: IpAddr) -> Option<HostEntry> {
        match address {
            IpAddr::V4(address) => self.v4.get(address),
            IpAddr::V6(address) => self.v6.get(address),
        }
    }

    /// Inserts the entry of a host, or replaces it; false if there is no room for it.
    pub(super) fn insert(&self, address: IpAddr, entry: HostEntry) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.insert(address, entry),
            IpAddr::V6(address) => self.v6.insert(address, entry),
        }
    }

    /// Removes hosts, as far as they are here; true if any was. Another host may get the place once no packet is
    /// under way that has seen the old one.
    #[must_use]
    pub(super) fn remove(&self, addresses: impl IntoIterator<Item = IpAddr>) -> bool {
        let mut any = false;
        for address in addresses {
            any |= match address {
                IpAddr::V4(address) => self.v4.remove(address),
                IpAddr::V6(address) => self.v6.remove(address),
            };
        }
        any
    }

    /// Whether hosts of the same bucket may be in the trie.
    pub(super) fn overflowed(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.overflowed(address),
            IpAddr::V6(address) => self.v6.overflowed(address),
        }
    }

    /// Notes whether hosts of the same bucket may be in the trie.
    pub(super) fn set_overflowed(&self, address: IpAddr, overflowed: bool) {
        match address {
            IpAddr::V4(address) => self.v4.set_overflowed(address, overflowed),
            IpAddr::V6(address) => self.v6.set_overflowed(address, overflowed),
        }
    }

    /// Which bucket a host belongs to.
    pub(super) fn bucket(&self, address: IpAddr) -> Bucket {
        match address {
            IpAddr::V4(address) => Bucket::V4(self.v4.bucket(address)),
            IpAddr::V6(address) => Bucket::V6(self.v6.bucket(address)),
        }
    }

    /// All that is here, as entries of tries are, while `epoch` is in force.
    pub(super) fn entries(&self, epoch: u32) -> impl Iterator<Item = (Prefix, PrefixEntry)> {
        let all = self.v4.iter().chain(self.v6.iter());
        all.map(move |(prefix, entry): (Prefix, HostEntry)| {
            (prefix, entry.to_prefix_entry(prefix.length(), epoch))
        })
    }

    /// Makes every entry of a change that is in force one that says the same under every epoch.
    pub(super) fn settle(&self, epoch: u32) {
        self.v4.settle(epoch);
        self.v6.settle(epoch);
    }
}

/// The number of a bucket, in one of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Bucket {
    V4(usize),
    V6(usize),
}

struct Table<A> {
    memory: MappedArray,
    buckets: usize,
    seed: u64,
    addresses: PhantomData<A>,
}

impl<A: Address> Table<A> {
    fn new(map: &MapData, seed: u64) -> Result<Self> {
        let failed = "map the hosts";
        let buckets = map.info().doing(failed)?.max_entries() as usize;
        Ok(Self {
            memory: MappedArray::new(map.fd().as_fd(), buckets * A::BUCKET).doing(failed)?,
            buckets,
            seed,
            addresses: PhantomData,
        })
    }

    fn bucket(&self, address: A) -> usize {
        address.hash(self.seed) as usize & (self.buckets - 1)
    }

    fn word_offset(bucket: usize, place: usize) -> usize {
        bucket * A::BUCKET + A::WORDS + place * size_of::<u64>()
    }

    fn address_offset(bucket: usize, place: usize) -> usize {
        bucket * A::BUCKET + A::ADDRESSES + place * size_of::<A>()
    }

    fn entry(&self, bucket: usize, place: usize) -> Option<HostEntry> {
        HostEntry::from_word(self.memory.load_u64(Self::word_offset(bucket, place)))
    }

    fn address(&self, bucket: usize, place: usize) -> A {
        A::load(&self.memory, Self::address_offset(bucket, place))
    }

    /// Where a host is.
    fn place(&self, address: A) -> Option<(usize, HostEntry)> {
        let bucket = self.bucket(address);
        (0..BUCKET_HOSTS).find_map(|place| {
            let entry = self.entry(bucket, place)?;
            (self.address(bucket, place) == address).then_some((place, entry))
        })
    }

    fn get(&self, address: A) -> Option<HostEntry> {
        self.place(address).map(|(_, entry)| entry)
    }

    fn insert(&self, address: A, entry: HostEntry) -> bool {
        let bucket = self.bucket(address);
        let present = self.place(address).map(|(place, _)| place);
        let free = || (0..BUCKET_HOSTS).find(|place| self.entry(bucket, *place).is_none());
        let Some(place) = present.or_else(free) else {
            return false;
        };
        if present.is_none() {
            address.store(&self.memory, Self::address_offset(bucket, place));
        }
        // Now that the address is there: packets go by the word.
        self.memory
            .store_u64(Self::word_offset(bucket, place), entry.word());
        true
    }

    fn remove(&self, address: A) -> bool {
        let Some((place, _)) = self.place(address) else {
            return false;
        };
        let bucket = self.bucket(address);
        self.memory.store_u64(Self::word_offset(bucket, place), 0);
        true
    }

    fn overflowed_offset(&self, address: A) -> usize {
        self.bucket(address) * A::BUCKET + A::OVERFLOWED
    }

    fn overflowed(&self, address: A) -> bool {
        self.memory.load_u32(self.overflowed_offset(address)) != 0
    }

    fn set_overflowed(&self, address: A, overflowed: bool) {
        self.memory
            .store_u32(self.overflowed_offset(address), overflowed.into());
    }

    fn iter(&self) -> impl Iterator<Item = (Prefix, HostEntry)> {
        let places = |bucket| (0..BUCKET_HOSTS).map(move |place| (bucket, place));
        (0..self.buckets)
            .flat_map(places)
            .filter_map(|(bucket, place)| {
                let entry = self.entry(bucket, place)?;
                Some((Prefix::from(self.address(bucket, place).into()), entry))
            })
    }

    fn settle(&self, epoch: u32) {
        for bucket in 0..self.buckets {
            for place in 0..BUCKET_HOSTS {
                if let Some(settled) = self.entry(bucket, place).and_then(|it| it.settling(epoch)) {
                    self.memory
                        .store_u64(Self::word_offset(bucket, place), settled.word());
                }
            }
        }
    }
}

/// An address, and the layout of the buckets that it is in.
trait Address: Copy + PartialEq + Into<IpAddr> {
    const BUCKET: usize;
    const ADDRESSES: usize;
    const OVERFLOWED: usize;
    const WORDS: usize;

    fn hash(self, seed: u64) -> u32;
    fn load(memory: &MappedArray, offset: usize) -> Self;
    fn store(self, memory: &MappedArray, offset: usize);
}

impl Address for Ipv4Addr {
    const BUCKET: usize = size_of::<HostsV4>();
    const ADDRESSES: usize = offset_of!(HostsV4, addresses);
    const OVERFLOWED: usize = offset_of!(HostsV4, overflowed);
    const WORDS: usize = offset_of!(HostsV4, words);

    fn hash(self, seed: u64) -> u32 {
        host_hash_v4(self.to_bits(), seed)
    }

    fn load(memory: &MappedArray, offset: usize) -> Self {
        Self::from_bits(memory.load_u32(offset))
    }

    fn store(self, memory: &MappedArray, offset: usize) {
        memory.store_u32(offset, self.to_bits());
    }
}

impl Address for Ipv6Addr {
    const BUCKET: usize = size_of::<HostsV6>();
    const ADDRESSES: usize = offset_of!(HostsV6, addresses);
    const OVERFLOWED: usize = offset_of!(HostsV6, overflowed);
    const WORDS: usize = offset_of!(HostsV6, words);

    fn hash(self, seed: u64) -> u32 {
        host_hash_v6(halves(self), seed)
    }

    fn load(memory: &MappedArray, offset: usize) -> Self {
        let [high, low] = [offset, offset + 8].map(|offset| u128::from(memory.load_u64(offset)));
        Self::from_bits(high << 64 | low)
    }

    fn store(self, memory: &MappedArray, offset: usize) {
        let [high, low] = halves(self);
        memory.store_u64(offset, high);
        memory.store_u64(offset + 8, low);
    }
}

fn halves(address: Ipv6Addr) -> [u64; 2] {
    let bits = address.to_bits();
    [(bits >> 64) as u64, bits as u64]
}
