//! A slow reader of portmapper calls, written from RFC 5531, RFC 1833 and RFC 4506 alone.

use rpcguard_common::rpc::Datagram;

/// What an argument is, in XDR.
#[derive(Clone, Copy)]
enum Type {
    /// A number.
    Word,
    /// A string or opaque data of variable length.
    Variable,
}

use Type::{Variable, Word};

/// RFC 1833 section 3.1: `struct mapping`.
const MAPPING: &[Type] = &[Word, Word, Word, Word];
/// RFC 1833 section 2.1: `struct rpcb`.
const RPCB: &[Type] = &[Word, Word, Variable, Variable, Variable];
/// RFC 1833 sections 2.1 and 3.1: `struct rpcb_rmtcallargs`, `struct call_args`.
const REMOTE_CALL: &[Type] = &[Word, Word, Word, Variable];
/// The largest size, then the bytes.
const NETBUF: &[Type] = &[Word, Variable];
const STRING: &[Type] = &[Variable];
const VOID: &[Type] = &[];

/// Version, procedure, name and arguments of every procedure, in the order of the standard, and of
/// what is called beyond it.
type Procedure = (u32, u32, &'static str, &'static [Type]);

#[rustfmt::skip]
const PROCEDURES: [Procedure; 29] = [
    (2, 0, "NULL", VOID),
    (2, 1, "SET", MAPPING),
    (2, 2, "UNSET", MAPPING),
    (2, 3, "GETPORT", MAPPING),
    (2, 4, "DUMP", VOID),
    (2, 5, "CALLIT", REMOTE_CALL),
    (3, 0, "NULL", VOID),
    (3, 1, "SET", RPCB),
    (3, 2, "UNSET", RPCB),
    (3, 3, "GETADDR", RPCB),
    (3, 4, "DUMP", VOID),
    (3, 5, "CALLIT", REMOTE_CALL),
    (3, 6, "GETTIME", VOID),
    (3, 7, "UADDR2TADDR", STRING),
    (3, 8, "TADDR2UADDR", NETBUF),
    (4, 0, "NULL", VOID),
    (4, 1, "SET", RPCB),
    (4, 2, "UNSET", RPCB),
    (4, 3, "GETADDR", RPCB),
    (4, 4, "DUMP", VOID),
    (4, 5, "BCAST", REMOTE_CALL),
    (4, 6, "GETTIME", VOID),
    (4, 7, "UADDR2TADDR", STRING),
    (4, 8, "TADDR2UADDR", NETBUF),
    (4, 9, "GETVERSADDR", RPCB),
    (4, 10, "INDIRECT", REMOTE_CALL),
    (4, 11, "GETADDRLIST", RPCB),
    (4, 12, "GETSTAT", VOID),
    // No version of the portmapper: RFC 5531 section 9 has the reply tell which there are.
    (0, 0, "NULL", VOID),
];

/// Every procedure: its version, number and name, and the fewest bytes of its arguments.
pub(crate) fn procedures() -> impl Iterator<Item = (u32, u32, String, usize)> {
    PROCEDURES.iter().map(|(version, procedure, name, types)| {
        // A word, or a length of zero.
        let shortest = 4 * types.len();
        (*version, *procedure, format!("v{version}.{name}"), shortest)
    })
}

/// Takes words from the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn word(&mut self) -> Option<u32> {
        self.bytes(4).map(|bytes| {
            bytes
                .iter()
                .fold(0, |word, byte| word << 8 | u32::from(*byte))
        })
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// `struct opaque_auth` of RFC 5531 section 8.2.
    fn auth(&mut self) -> Option<()> {
        self.word()?;
        let length = self.word()?;
        if length > 400 {
            return None;
        }
        self.bytes(length.next_multiple_of(4) as usize)?;
        Some(())
    }
}

/// The version and procedure that a datagram calls, if it is a whole call of the portmapper.
pub(crate) fn read(frame: &[u8], datagram: Datagram) -> Option<(u32, u32)> {
    let Datagram { offset, end } = datagram;
    let packet = frame.get(offset..)?;
    let room = end.checked_sub(offset)?;
    let length = match u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?]) {
        0 => room,
        length => usize::from(length),
    };
    if length > room {
        return None;
    }
    let mut cursor = Cursor(packet.get(..length)?);
    cursor.bytes(8)?;
    let _transaction = cursor.word()?;
    let call = (cursor.word()?, cursor.word()?, cursor.word()?);
    if call != (0, 2, 100_000) {
        return None;
    }
    let [version, procedure] = [cursor.word()?, cursor.word()?];
    cursor.auth()?;
    cursor.auth()?;
    let (.., arguments) = PROCEDURES
        .iter()
        .find(|known| (known.0, known.1) == (version, procedure))?;
    for _ in *arguments {
        cursor.word()?;
    }
    Some((version, procedure))
}
