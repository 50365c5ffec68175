//! What is a call, under the rate policy, and what is not.

use rpcguard_common::{reason::Reason, rpc::Request};
use rpcguard_tests::packet::{
    Frame,
    peers::{STRANGER_V4, STRANGER_V6},
    rpc,
};

use crate::case::{AMPLIFIER, Case, IGNORED, MALFORMED, UNLISTED, WITHIN_RATE, case};

/// Over IPv4.
fn v4(payload: &[u8]) -> Frame {
    Frame::ethernet()
        .ipv4(STRANGER_V4)
        .udp(111)
        .payload(payload)
}

/// Over IPv6.
fn v6(payload: &[u8]) -> Frame {
    Frame::ethernet()
        .ipv6(STRANGER_V6)
        .udp(111)
        .payload(payload)
}

/// The call with another word at this place.
fn with_word(call: &[u8], word: usize, value: u32) -> Vec<u8> {
    let mut call = call.to_vec();
    call[4 * word..4 * word + 4].copy_from_slice(&value.to_be_bytes());
    call
}

/// A row of both families.
fn both(name: &str, expected: Option<Reason>, payload: &[u8]) -> [Case; 2] {
    [
        case(name, expected, v4(payload)),
        case(format!("{name}, IPv6"), expected, v6(payload)),
    ]
    .map(Case::limiting_rate)
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    const REPLY: u32 = 1;
    const NFS: u32 = 100_003;
    let null = &rpc::call(2, 0)[..];
    let getport = &rpc::whole_call(2, 3)[..];
    // A procedure of version 3 with three strings.
    let getaddr = &[&rpc::call(3, 3)[..], &[0; 20]].concat()[..];
    let auth = |credential, verifier| {
        rpc::with_credential(&rpc::with_verifier(null, verifier), credential)
    };
    let mut cases: Vec<Case> = [
        // Headers.
        both("no payload", MALFORMED, &[]),
        both("four bytes", MALFORMED, &null[..4]),
        both("the short DUMP call of 24 bytes", MALFORMED, &rpc::DUMP[..24]),
        both("DUMP call without verifier", MALFORMED, &rpc::DUMP[..32]),
        both("DUMP call less its last byte", MALFORMED, &rpc::DUMP[..39]),
        both("DUMP call", AMPLIFIER, &rpc::DUMP),
        both("NULL call less its last byte", MALFORMED, &null[..39]),
        both("NULL call", WITHIN_RATE, null),
        both("NULL call and more", WITHIN_RATE, &[null, &[0xff; 100]].concat()),
        both("zeroes", MALFORMED, &[0; 60]),
        both("reply", MALFORMED, &with_word(null, 1, REPLY)),
        both("message of a third type", MALFORMED, &with_word(null, 1, 2)),
        both("RPC version 1", MALFORMED, &with_word(null, 2, 1)),
        both("RPC version 3", MALFORMED, &with_word(null, 2, 3)),
        both("call of NFS", MALFORMED, &with_word(null, 3, NFS)),
        both("program number in the other byte order", MALFORMED, &with_word(null, 3, 100_000_u32.swap_bytes())),
        both("any transaction", WITHIN_RATE, &with_word(null, 0, u32::MAX)),
        // Arguments.
        both("GETPORT call", WITHIN_RATE, getport),
        both("GETPORT call less its last byte", MALFORMED, &getport[..55]),
        both("GETADDR call", WITHIN_RATE, getaddr),
        both("GETADDR call less its last byte", MALFORMED, &getaddr[..59]),
        // Credentials and verifiers.
        both("credential of one byte", WITHIN_RATE, &auth(1, 0)),
        both("credential of 84 bytes", WITHIN_RATE, &auth(84, 0)),
        both("credential of 399 bytes", WITHIN_RATE, &auth(399, 0)),
        both("credential of 400 bytes", WITHIN_RATE, &auth(400, 0)),
        both("credential of 401 bytes", MALFORMED, &auth(401, 0)),
        both("credential of 404 bytes", MALFORMED, &auth(404, 0)),
        both("verifier of one byte", WITHIN_RATE, &auth(0, 1)),
        both("verifier of 400 bytes", WITHIN_RATE, &auth(0, 400)),
        both("verifier of 401 bytes", MALFORMED, &auth(0, 401)),
        both("credential and verifier of 400 bytes", WITHIN_RATE, &auth(400, 400)),
        both("verifier of 401 bytes after a credential", MALFORMED, &auth(400, 401)),
        both("credential and no verifier", MALFORMED, &auth(100, 0)[..132]),
        both("credential less its padding", MALFORMED, &auth(398, 0)[..437]),
        both("verifier less its padding", MALFORMED, &auth(0, 398)[..438]),
        both("credential that says 400 bytes, and is none", MALFORMED, &with_word(null, 7, 400)),
        both("credential that says 4 GiB", MALFORMED, &with_word(null, 7, u32::MAX)),
        both("verifier that says 4 GiB", MALFORMED, &with_word(null, 9, u32::MAX)),
        both("GETPORT call with a credential in its arguments' place", MALFORMED, &with_word(getport, 7, 16)),
    ].concat();
    cases.extend(lengths(null));
    cases.extend(shapes());
    cases
}

/// UDP and IP lengths that lie: what is behind the end is no part of the call.
#[rustfmt::skip]
fn lengths(null: &[u8]) -> Vec<Case> {
    vec![
        case("call, UDP length one less", MALFORMED, v4(null).udp_length(47)),
        case("call, UDP length one more", MALFORMED, v4(null).udp_length(49)),
        case("call, UDP length 8", MALFORMED, v4(null).udp_length(8)),
        case("call, UDP length 7", MALFORMED, v4(null).udp_length(7)),
        case("call, UDP length 65535", MALFORMED, v4(null).udp_length(65535)),
        case("call, UDP length without the padding behind it", WITHIN_RATE, v4(null).padding(&[0; 18])),
        case("call, UDP length with the padding behind it", MALFORMED,
            v4(null).udp_length(66).padding(&[0; 18])),
        case("call whose end is padding", MALFORMED, v4(&null[..30]).padding(&null[30..])),
        case("call whose end is padding, UDP length that counts it", MALFORMED,
            v4(&null[..30]).udp_length(48).padding(&null[30..])),
        case("call, UDP length less than the packet", WITHIN_RATE,
            v4(&[null, &[0; 16]].concat()).udp_length(48)),
        case("call, total length one less", MALFORMED, v4(null).ip_length(67)),
        case("call, total length one more", WITHIN_RATE, v4(null).ip_length(69)),
        case("call, total length of the header", MALFORMED, v4(null).ip_length(20)),
        case("call, total length 0 and UDP length 0", MALFORMED, v4(null).ip_length(0).udp_length(0)),
        case("call, IPv6 UDP length one less", MALFORMED, v6(null).udp_length(47)),
        case("call, IPv6 UDP length one more", MALFORMED, v6(null).udp_length(49)),
        case("call, IPv6 UDP length 65535", MALFORMED, v6(null).udp_length(65535)),
        // RFC 2675: all that is there.
        case("call, IPv6 UDP length 0", WITHIN_RATE, v6(null).udp_length(0)),
        case("DUMP call, IPv6 UDP length 0", AMPLIFIER, v6(&rpc::DUMP).udp_length(0)),
        case("short call, IPv6 UDP length 0", MALFORMED, v6(&null[..39]).udp_length(0)),
        case("call, IPv6 payload length one less", MALFORMED, v6(null).ip_length(47)),
        case("call, IPv6 payload length 47 and UDP length 0", MALFORMED, v6(null).ip_length(47).udp_length(0)),
        case("short call, IPv6 UDP length 0, its end in the padding", MALFORMED,
            v6(&null[..39]).udp_length(0).padding(&[0])),
        // The frame ends.
        case("call cut off one byte before its end", MALFORMED, v4(null).cut(81)),
        case("call cut off after the ports", MALFORMED, v4(null).cut(38)),
        case("call cut off inside the ports", IGNORED, v4(null).cut(37)),
        case("IPv6 call cut off one byte before its end", MALFORMED, v6(null).cut(101)),
    ]
    .into_iter()
    .map(Case::limiting_rate)
    .collect()
}

/// What is counted as asked for where the policy does not care.
#[rustfmt::skip]
fn shapes() -> Vec<Case> {
    vec![
        case("malformed call, no rate policy", UNLISTED, v4(&rpc::DUMP[..24])).asking(Request::MALFORMED),
        case("no payload, no rate policy", UNLISTED, v4(&[])).asking(Request::MALFORMED),
        case("first fragment, no rate policy", UNLISTED,
            Frame::ethernet().ipv4(STRANGER_V4).first_fragment().dump()).asking(Request::FRAGMENT),
    ]
}
