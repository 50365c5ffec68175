//! What a portmapper answers, or whoever answers in its place.

use rpcguard::portmapper::{Refusal, Reply, is_reply_to, read_reply};

/// Nothing but an accepted reply to the call is taken for one (RFC 5531 section 9), and the common kind
/// always is.
pub fn reply(datagram: &[u8]) {
    let words: Vec<u32> = datagram
        .chunks_exact(4)
        .map(|word| {
            word.iter()
                .fold(0, |word, byte| word << 8 | u32::from(*byte))
        })
        .collect();
    let transaction = words.first().copied().unwrap_or_default();
    let is_reply = is_reply_to(transaction, datagram);
    // Transaction, REPLY, MSG_ACCEPTED; verifier: flavour, length.
    let accepted = matches!(words[..], [_, 1, 0, _, 0..=200, _, ..]);
    assert!(accepted || !is_reply);
    // AUTH_NONE without a body, SUCCESS.
    let usual = matches!(words[..], [_, 1, 0, 0, 0, 0, ..]);
    assert!(is_reply || !usual);
    assert!(!is_reply_to(!transaction, datagram));
    assert_eq!(read_reply(!transaction, datagram), None);
    match read_reply(transaction, datagram) {
        Some(Reply::Success(results)) => {
            assert!(is_reply && datagram.ends_with(results));
            // Transaction, REPLY, MSG_ACCEPTED, verifier, SUCCESS: six words at least.
            assert!(results.len() + 24 <= datagram.len());
        }
        // Transaction, REPLY, MSG_DENIED: the call was understood, and not accepted.
        Some(Reply::Refused(Refusal::RpcVersion | Refusal::Authentication)) => {
            assert!(!is_reply && matches!(words[..], [_, 1, 1, ..]));
        }
        Some(Reply::Refused(_)) => assert!(is_reply),
        None => assert!(!is_reply),
    }
}
