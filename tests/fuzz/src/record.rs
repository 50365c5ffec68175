//! What a connection to a portmapper brings.

use rpcguard::portmapper::{MAX_RECORD_LEN, Registrations, Reply, read_record, read_reply};

use crate::naive::portmapper::record as naive;

/// A record is put together from its fragments as a slow reader does it, and nothing behind it is taken. What is
/// in it goes through all readers of replies, whatever it is.
pub fn record(bytes: &[u8]) {
    let mut reader = bytes;
    let read = read_record(&mut reader);
    let Some((record, len)) = naive(bytes, MAX_RECORD_LEN) else {
        assert!(read.is_err());
        return;
    };
    assert_eq!(read.expect("a record"), record);
    assert_eq!(reader.len(), bytes.len() - len);

    let transaction = record.first_chunk().copied().map_or(0, u32::from_be_bytes);
    match read_reply(transaction, &record) {
        Some(Reply::Success(results)) => {
            for version in [2, 3, 4] {
                if let Some(list) = Registrations::read(version, results) {
                    // Of each entry, there are five words at least.
                    assert!(list.entries.len() * 20 <= results.len());
                }
            }
        }
        // It can be said why.
        Some(Reply::Refused(refusal)) => assert!(!refusal.to_string().is_empty()),
        None => {}
    }
}
