//! Portmapper calls (RFC 5531, RFC 1833).

/// A version 2 DUMP call without credentials: the request of a reflection attack.
pub const DUMP: [u8; 40] = call(2, 4);

/// How many procedures each version has. There is no version zero; what clients call to be told which
/// there are is its NULL.
const PROCEDURES: [(u32, u32); 4] = [(2, 6), (3, 9), (4, 13), (0, 1)];

/// Every procedure, by version and number.
pub fn procedures() -> impl Iterator<Item = (u32, u32)> {
    PROCEDURES
        .into_iter()
        .flat_map(|(version, count)| (0..count).map(move |procedure| (version, procedure)))
}

/// The header of a portmapper call without credentials; the arguments of the procedure follow.
#[must_use]
pub const fn call(version: u32, procedure: u32) -> [u8; 40] {
    const XID: u32 = 0x1aa9_ffe1;
    const CALL: u32 = 0;
    const RPC_VERSION: u32 = 2;
    const PORTMAPPER: u32 = 100_000;
    const AUTH_NONE: u32 = 0;
    const EMPTY: u32 = 0;
    let words = [
        XID,
        CALL,
        RPC_VERSION,
        PORTMAPPER,
        version,
        procedure,
        AUTH_NONE,
        EMPTY,
        AUTH_NONE,
        EMPTY,
    ];
    let mut bytes = [0; 40];
    let mut i = 0;
    while i < bytes.len() {
        bytes[i] = words[i / 4].to_be_bytes()[i % 4];
        i += 1;
    }
    bytes
}

/// A call with the arguments that a client looking for NFS would send.
#[must_use]
pub fn whole_call(version: u32, procedure: u32) -> Vec<u8> {
    [
        &call(version, procedure)[..],
        &arguments(version, procedure),
    ]
    .concat()
}

/// Gives a call another transaction id.
#[must_use]
pub fn with_transaction(call: &[u8], transaction: u32) -> Vec<u8> {
    [&transaction.to_be_bytes()[..], &call[4..]].concat()
}

/// Puts credentials of this many bytes into a call that has none.
#[must_use]
pub fn with_credential(call: &[u8], length: u32) -> Vec<u8> {
    with_auth(call, 24, length)
}

/// Puts a verifier of this many bytes into a call that has neither it nor credentials.
#[must_use]
pub fn with_verifier(call: &[u8], length: u32) -> Vec<u8> {
    with_auth(call, 32, length)
}

/// RFC 5531 section 8.2; the body is padded to whole words.
fn with_auth(call: &[u8], at: usize, length: u32) -> Vec<u8> {
    const AUTH_SYS: u32 = 1;
    let body = vec![0; length.next_multiple_of(4) as usize];
    [
        &call[..at],
        &AUTH_SYS.to_be_bytes(),
        &length.to_be_bytes(),
        &body,
        &call[at + 8..],
    ]
    .concat()
}

/// RFC 1833 sections 2.1 and 3.1.
fn arguments(version: u32, procedure: u32) -> Vec<u8> {
    const NFS: u32 = 100_003;
    const NFS_VERSION: u32 = 3;
    const UDP: u32 = 17;
    const NULL: u32 = 0;
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_be_bytes()).collect() };
    match (version, procedure) {
        (2, 1..=3) => words(&[NFS, NFS_VERSION, UDP, 0]),
        (3 | 4, 1..=3) | (4, 9 | 11) => [
            words(&[NFS, NFS_VERSION]),
            string("udp"),
            string("203.0.113.1.0.111"),
            string("rpcinfo"),
        ]
        .concat(),
        // A call to be passed on, without arguments of its own.
        (_, 5) | (4, 10) => words(&[NFS, NFS_VERSION, NULL, 0]),
        (3 | 4, 7) => string("203.0.113.1.8.1"),
        // The room for an address, and one.
        (3 | 4, 8) => [words(&[16]), string("0123456789abcdef")].concat(),
        _ => Vec::new(),
    }
}

fn string(text: &str) -> Vec<u8> {
    let padding = text.len().next_multiple_of(4) - text.len();
    let length = u32::try_from(text.len()).expect("a short text");
    [
        &length.to_be_bytes()[..],
        text.as_bytes(),
        &vec![0; padding],
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_bodies_are_padded_to_whole_words() {
        assert_eq!(string("abcde"), *b"\0\0\0\x05abcde\0\0\0");
        let call = call(2, 0);
        for (length, padded) in [(0, 0), (1, 4), (4, 4), (399, 400), (400, 400)] {
            assert_eq!(with_credential(&call, length).len(), call.len() + padded);
            assert_eq!(with_verifier(&call, length).len(), call.len() + padded);
        }
    }
}
