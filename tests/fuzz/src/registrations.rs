//! What a portmapper says is registered, or whoever answers in its place.

use rpcguard::portmapper::{Registration, Registrations, universal_address};

use crate::naive::portmapper::{Entry, list};

/// A list is read as a slow reader reads it, and no further than to its bound. The first byte says of which
/// version it is.
pub fn registrations(bytes: &[u8]) {
    let Some((first, results)) = bytes.split_first() else {
        return;
    };
    let version = 2 + u32::from(first % 3);
    let read = Registrations::read(version, results);
    let expected = list(version, results, Registrations::MAX);
    assert_eq!(read.is_some(), expected.is_some());
    let (Some(read), Some(expected)) = (read, expected) else {
        return;
    };
    assert!(read.entries.len() <= Registrations::MAX);
    assert_eq!(read.entries.len(), expected.len());
    for (entry, expected) in read.entries.iter().zip(expected) {
        assert_same(entry, &expected);
        assert_address(entry);
    }
}

fn assert_same(entry: &Registration, expected: &Entry) {
    match expected {
        Entry::Mapping([program, version, protocol, port]) => {
            assert_eq!([entry.program, entry.version], [*program, *version]);
            match protocol {
                6 => assert_eq!(entry.netid, "tcp"),
                17 => assert_eq!(entry.netid, "udp"),
                _ => assert_eq!(entry.netid, format!("protocol {protocol}")),
            }
            let socket = universal_address(&entry.address).expect("an address");
            assert_eq!(u32::from(socket.port()), *port);
            assert!(socket.ip().is_unspecified());
        }
        Entry::Binding([program, version], strings) => {
            assert_eq!([entry.program, entry.version], [*program, *version]);
            let read = [&entry.netid, &entry.address, &entry.owner];
            for (read, expected) in read.into_iter().zip(strings) {
                assert_eq!(*read, String::from_utf8_lossy(expected));
            }
        }
    }
}

/// An address that is understood is found again when it is written.
fn assert_address(entry: &Registration) {
    if let Some(socket) = universal_address(&entry.address) {
        let [high, low] = socket.port().to_be_bytes();
        let written = format!("{}.{high}.{low}", socket.ip());
        assert_eq!(universal_address(&written), Some(socket));
        let is_ip = ["udp", "udp6", "tcp", "tcp6"].contains(&entry.netid.as_str());
        assert_eq!(entry.socket(), is_ip.then_some(socket));
    }
}
