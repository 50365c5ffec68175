//! What a connection to a portmapper brings.

use rpcguard::portmapper::{MAX_RECORD_LEN, read_record};

use crate::naive::portmapper::record as naive;

/// A record is put together from its fragments as a slow reader does it, and nothing behind it is taken.
pub fn record(bytes: &[u8]) {
    let mut reader = bytes;
    let read = read_record(&mut reader);
    match naive(bytes, MAX_RECORD_LEN) {
        Some((record, len)) => {
            assert_eq!(read.expect("a record"), record);
            assert_eq!(reader.len(), bytes.len() - len);
        }
        None => assert!(read.is_err()),
    }
}
