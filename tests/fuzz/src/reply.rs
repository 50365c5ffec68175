//! What a portmapper answers, or whoever answers in its place.

use rpcguard::portmapper::{is_reply_to, registrations_in};

/// Before the list in a reply: transaction, REPLY, MSG_ACCEPTED, flavour, length, SUCCESS.
const USUAL_HEADER: usize = 6;

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
    list(datagram, &words, is_reply, usual);
}

/// A list of registrations is what is in the words of a usual reply, and only in a reply.
fn list(datagram: &[u8], words: &[u32], is_reply: bool, usual: bool) {
    let list = registrations_in(datagram);
    assert!(is_reply || list.is_none());
    if !usual {
        return;
    }
    let mut entries = words[USUAL_HEADER..].chunks(5);
    let known = entries
        .clone()
        .take_while(|entry| entry.len() == 5 && entry[0] == 1);
    let is_closed = entries
        .nth(known.clone().count())
        .is_some_and(|end| end[0] == 0);
    let expected: Vec<_> = known.map(<[u32]>::to_vec).collect();
    let found = list.map(|list| {
        let entries = list.into_iter();
        let words = entries.map(|at| vec![1, at.program, at.version, at.protocol, at.port]);
        words.collect::<Vec<_>>()
    });
    assert_eq!(found, is_closed.then_some(expected));
}
