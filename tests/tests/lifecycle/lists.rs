//! Long lists, and files of them.

use std::{io::Write as _, net::Ipv4Addr, ops::Range};

use rpcguard::prefix::Prefix;
use tempfile::NamedTempFile;

/// The address of this number in 10.0.0.0/8.
pub(crate) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from_be_bytes([10, 0, 0, 0]) + number)
}

/// Host prefixes with these numbers.
pub(crate) fn hosts(numbers: Range<u32>) -> Vec<Prefix> {
    numbers
        .map(|number| Prefix::from(std::net::IpAddr::from(address(number))))
        .collect()
}

/// A list file.
pub(crate) fn file(prefixes: &[Prefix]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    let text: String = prefixes
        .iter()
        .map(|prefix| format!("{prefix}\n"))
        .collect();
    file.write_all(text.as_bytes()).unwrap();
    file
}
