//! Portmappers, as their clients see them: asking one, on this host or elsewhere, and reading what it
//! says without believing it.

mod ask;
mod call;
mod exports;
mod heard;
mod names;
mod record;
mod registration;
mod reply;
mod reply_sizes;
mod services;
mod stream;
mod table;
mod udp;
mod xdr;

pub use call::Call;
pub use exports::exports_to_everybody;
pub use heard::{Heard, UdpPorts};
pub use names::ProgramNames;
pub use record::{MAX_RECORD_LEN, read_record};
pub use registration::{Registration, Registrations, universal_address};
pub use reply::{Refusal, Reply, is_reply_to, read as read_reply};
pub use reply_sizes::{ReplySize, ReplySizes};
pub use services::{Service, services};
pub use stream::Connection;
pub use table::{Table, table};
pub use udp::{Answer, Asked, ReplyFrom, ask, source_address};

/// The portmapper's program number (RFC 1833 section 3.1).
pub const PROGRAM: u32 = 100_000;
