//! Portmapper calls (RFC 5531, RFC 1833).

/// A version 2 DUMP call without credentials: the request of a reflection attack.
pub const DUMP: [u8; 40] = call(2, 4);

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
