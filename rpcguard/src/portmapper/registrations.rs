//! The programs that are registered with a portmapper.

use std::{io, net::SocketAddr};

use rpcguard_common::rpc::Request;

use super::ask;

/// A `mapping` of RFC 1833 section 3.1: where a program of some version is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The program's number.
    pub program: u32,
    /// Its version.
    pub version: u32,
    /// The protocol as IP numbers it: 6 is TCP, 17 UDP.
    pub protocol: u32,
    /// The port.
    pub port: u32,
}

/// Asks the portmapper at `address` over UDP for all that is registered (version 2, DUMP).
///
/// # Errors
///
/// Those of the socket, and of having waited in vain; [`io::ErrorKind::InvalidData`] for a reply that
/// holds no such list.
pub fn registrations(address: SocketAddr) -> io::Result<Vec<Registration>> {
    let dump = Request::all().find(|request| request.name() == "v2.DUMP");
    let reply = ask::reply(address, dump.ok_or(io::ErrorKind::InvalidInput)?)?;
    registrations_in(&reply).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The list in a reply to DUMP; none if the reply is no accepted one, or has another form. Anybody may
/// have sent it.
#[must_use]
pub fn registrations_in(reply: &[u8]) -> Option<Vec<Registration>> {
    read(&ask::results(reply)?)
}

/// Reads a `pmaplist`: before each mapping the word 1, and 0 behind the last.
fn read(results: &[u8]) -> Option<Vec<Registration>> {
    let mut words = results
        .chunks(4)
        .map(|word| word.try_into().ok().map(u32::from_be_bytes));
    let mut word = || words.next().flatten();
    let mut list = Vec::new();
    loop {
        match word()? {
            0 => return Some(list),
            1 => list.push(Registration {
                program: word()?,
                version: word()?,
                protocol: word()?,
                port: word()?,
            }),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Registration, read};

    fn encoded(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn a_list_is_read_to_its_end() {
        let status = Registration {
            program: 100_024,
            version: 1,
            protocol: 17,
            port: 4046,
        };
        let list = encoded(&[1, 100_024, 1, 17, 4046, 0]);
        assert_eq!(read(&list), Some(vec![status]));
        assert_eq!(read(&encoded(&[0])), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_list_is_none() {
        let list = encoded(&[1, 100_024, 1, 17, 4046, 0]);
        for len in 0..list.len() {
            assert_eq!(read(&list[..len]), None, "{len} bytes");
        }
        assert_eq!(read(&encoded(&[2, 0])), None);
    }
}
