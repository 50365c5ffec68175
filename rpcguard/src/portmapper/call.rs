//! What a portmapper is asked (RFC 5531 section 9, RFC 1833), without credentials.

use onc_rpc::{CallBody, MessageType, RpcMessage, auth::AuthFlavor};

use super::{
    PROGRAM,
    record::RECORD_MARK_LEN,
    xdr::{string, words},
};

/// A call to a portmapper, or to a program that is registered with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    program: u32,
    version: u32,
    procedure: u32,
    arguments: Vec<u8>,
}

impl Call {
    /// The procedure that does nothing.
    #[must_use]
    pub const fn null(version: u32) -> Self {
        Self::without_arguments(version, 0)
    }

    /// A procedure without arguments of another program.
    #[must_use]
    pub const fn of_program(program: u32, version: u32, procedure: u32) -> Self {
        Self {
            program,
            version,
            procedure,
            arguments: Vec::new(),
        }
    }

    /// Asks for everything that is registered.
    #[must_use]
    pub const fn dump(version: u32) -> Self {
        Self::without_arguments(version, 4)
    }

    /// Asks how often each procedure was called, GETSTAT of version 4.
    #[must_use]
    pub const fn statistics() -> Self {
        Self::without_arguments(4, 12)
    }

    /// Asks for all addresses of the portmapper itself, GETADDRLIST of version 4: `rpcinfo -l`.
    #[must_use]
    pub fn address_list() -> Self {
        Self::of(4, 11)
    }

    /// Asks for the address of the portmapper itself: GETPORT of version 2, GETADDR of those after it.
    #[must_use]
    pub fn address(version: u32, netid: &str) -> Self {
        const UDP: u32 = 17;
        let arguments = match version {
            2 => words(&[PROGRAM, 2, UDP, 0]),
            _ => Self::binding(version, netid),
        };
        Self {
            program: PROGRAM,
            version,
            procedure: 3,
            arguments,
        }
    }

    /// Asks for a call of the portmapper's own procedure that does nothing to be relayed (CALLIT): nobody
    /// else is bothered.
    #[must_use]
    pub fn relay_null(version: u32) -> Self {
        Self {
            program: PROGRAM,
            version,
            procedure: 5,
            arguments: [words(&[PROGRAM, version, 0]), string(b"")].concat(),
        }
    }

    /// A call of any procedure, with arguments that ask for the portmapper itself where there are some
    /// that have no effect.
    pub(super) fn of(version: u32, procedure: u32) -> Self {
        // Port 111 of 127.0.0.1, as `struct sockaddr_in`.
        let sockaddr = [2, 0, 0, 111, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let arguments = match (version, procedure) {
            (2..=4, 3) => return Self::address(version, "udp"),
            (4, 9 | 11) => Self::binding(version, "udp"),
            (3 | 4, 7) => string(b"127.0.0.1.0.111"),
            (3 | 4, 8) => [words(&[sockaddr.len() as u32]), string(&sockaddr)].concat(),
            _ => Vec::new(),
        };
        Self {
            program: PROGRAM,
            version,
            procedure,
            arguments,
        }
    }

    const fn without_arguments(version: u32, procedure: u32) -> Self {
        Self {
            program: PROGRAM,
            version,
            procedure,
            arguments: Vec::new(),
        }
    }

    /// `struct rpcb`: program, version, netid, address, owner.
    fn binding(version: u32, netid: &str) -> Vec<u8> {
        [
            words(&[PROGRAM, version]),
            string(netid.as_bytes()),
            string(b""),
            string(b""),
        ]
        .concat()
    }

    /// The program's version that is asked.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The call as a record of one fragment, for a connection (RFC 5531 section 11).
    #[must_use]
    pub fn record(&self, xid: u32) -> Vec<u8> {
        let body = CallBody::new(
            self.program,
            self.version,
            self.procedure,
            AuthFlavor::AuthNone(None),
            AuthFlavor::AuthNone(None),
            self.arguments.clone(),
        );
        let message: RpcMessage<Vec<u8>, Vec<u8>> = RpcMessage::new(xid, MessageType::Call(body));
        // Writing to memory fails for messages of 2 GiB only.
        message.serialise().unwrap_or_default()
    }

    /// The call as the payload of a datagram.
    #[must_use]
    pub fn datagram(&self, xid: u32) -> Vec<u8> {
        self.record(xid).split_off(RECORD_MARK_LEN)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rpcguard_common::{
        packet::SliceReader,
        rpc::{Datagram, Request},
    };

    use super::Call;

    /// What the filter takes a call for.
    pub(in crate::portmapper) fn read_by_the_filter(call: &Call) -> Request {
        let payload = call.datagram(7);
        let len = 8 + payload.len();
        let header = [0, 1, 0, 111, (len >> 8) as u8, len as u8, 0, 0];
        let frame = [&header, &payload[..]].concat();
        let datagram = Datagram {
            offset: 0,
            end: frame.len(),
        };
        Request::read(&SliceReader(&frame), datagram)
    }

    #[test]
    fn calls_are_what_the_filter_reads() {
        for (call, name) in [
            (Call::null(2), "v2.NULL"),
            (Call::null(4), "v4.NULL"),
            (Call::dump(2), "v2.DUMP"),
            (Call::dump(3), "v3.DUMP"),
            (Call::dump(4), "v4.DUMP"),
            (Call::statistics(), "v4.GETSTAT"),
            (Call::address_list(), "v4.GETADDRLIST"),
            (Call::address(2, "udp"), "v2.GETPORT"),
            (Call::address(3, "udp6"), "v3.GETADDR"),
            (Call::relay_null(2), "v2.CALLIT"),
            (Call::relay_null(3), "v3.CALLIT"),
        ] {
            assert_eq!(read_by_the_filter(&call).name(), name);
        }
    }

    #[test]
    fn lengths_are_those_of_the_protocol() {
        assert_eq!(Call::dump(2).datagram(1).len(), 40);
        assert_eq!(Call::address(2, "udp").datagram(1).len(), 56);
        assert_eq!(Call::address(3, "udp").datagram(1).len(), 64);
        assert_eq!(Call::relay_null(2).datagram(1).len(), 56);
    }
}
