//! Calls, right and wrong, and what is read of them.

use rpcguard_common::{
    packet::SliceReader,
    rpc::{Datagram, Request},
};

/// A call, field by field.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Transaction, message type, RPC version, program, version, procedure.
    pub(crate) words: [u32; 6],
    pub(crate) credential: Auth,
    pub(crate) verifier: Auth,
    pub(crate) arguments: Vec<u8>,
}

/// Credential or verifier: the length that it claims, and the bytes that are there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Auth {
    pub(crate) length: u32,
    pub(crate) body: Vec<u8>,
}

impl Auth {
    /// As it should be, with padding.
    pub(crate) fn of(length: u32) -> Self {
        Self {
            length,
            body: vec![0xee; length.next_multiple_of(4) as usize],
        }
    }

    fn bytes(&self) -> Vec<u8> {
        const SYSTEM: u32 = 1;
        [
            &SYSTEM.to_be_bytes()[..],
            &self.length.to_be_bytes(),
            &self.body,
        ]
        .concat()
    }
}

impl Call {
    pub(crate) fn new(version: u32, procedure: u32, arguments: usize) -> Self {
        Self {
            words: [0x1234_5678, 0, 2, 100_000, version, procedure],
            credential: Auth::default(),
            verifier: Auth::default(),
            arguments: vec![0; arguments],
        }
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        let words = self.words.iter().flat_map(|word| word.to_be_bytes());
        let auth = [self.credential.bytes(), self.verifier.bytes()].concat();
        words.chain(auth).chain(self.arguments.clone()).collect()
    }

    pub(crate) fn datagram(&self) -> Vec<u8> {
        let payload = self.payload();
        with_length(&payload, 8 + payload.len() as u16)
    }

    pub(crate) fn read(&self) -> Request {
        read(&self.datagram())
    }
}

pub(crate) fn with_length(payload: &[u8], length: u16) -> Vec<u8> {
    let [high, low] = length.to_be_bytes();
    [&[0x9c, 0x40, 0, 111, high, low, 0, 0][..], payload].concat()
}

/// Reads what begins with a UDP header and ends where it ends.
pub(crate) fn read(datagram: &[u8]) -> Request {
    read_at(datagram, 0, datagram.len())
}

pub(crate) fn read_at(frame: &[u8], offset: usize, end: usize) -> Request {
    Request::read(&SliceReader(frame), Datagram { offset, end })
}

pub(crate) fn procedure(version: u32, procedure: u32) -> Request {
    Request::procedure(version, procedure).expect("a procedure")
}
