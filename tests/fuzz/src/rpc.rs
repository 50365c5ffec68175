//! What a datagram asks the portmapper for.

use rpcguard_common::{
    packet::{MAX_HEADER_OFFSET, SliceReader},
    rpc::{Datagram, Request},
};

use crate::naive::call as naive;

/// Wherever the datagram is in its frame, it is read as a slow reader reads it. The first byte says
/// how far the IP header's end of it is from that of the frame.
pub fn call(bytes: &[u8]) {
    let Some((first, datagram)) = bytes.split_first() else {
        return;
    };
    let difference = i64::from(*first) - 128;
    for offset in [0, 34, MAX_HEADER_OFFSET] {
        let frame = [&vec![0xee; offset], datagram].concat();
        let end = (frame.len() as i64 + difference).max(0) as usize;
        let datagram = Datagram { offset, end };
        let expected = naive::read(&frame, datagram)
            .and_then(|(version, procedure)| Request::procedure(version, procedure))
            .unwrap_or(Request::MALFORMED);
        let read = Request::read(&SliceReader(&frame), datagram);
        assert_eq!(read, expected, "{} at {offset}", read.name());
    }
}
