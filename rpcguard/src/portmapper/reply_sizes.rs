//! How large the replies are that a portmapper gives.

use std::{io, net::SocketAddr};

use rpcguard_common::rpc::Request;

use super::ask;
use crate::policy::PORTMAPPER_PORT;

/// The size of a reply, in bytes of UDP payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplySize {
    /// The portmapper of this host was asked, and answered with so many.
    Measured(u32),
    /// What rpcbind 1.2.6 answers with nothing but itself registered: no portmapper could be asked, or
    /// the procedure is not one to try out.
    Typical(u32),
}

impl ReplySize {
    /// Bytes of payload.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Measured(bytes) | Self::Typical(bytes) => bytes,
        }
    }
}

/// The sizes of all replies.
#[derive(Clone, Debug)]
pub struct ReplySizes(Vec<ReplySize>);

impl ReplySizes {
    /// Asks the portmapper of this network namespace over loopback, for everything that changes nothing
    /// and is not passed on to others.
    #[must_use]
    pub fn measure() -> Self {
        Self::measure_at(SocketAddr::from(([127, 0, 0, 1], PORTMAPPER_PORT)))
    }

    fn measure_at(address: SocketAddr) -> Self {
        let mut silent = false;
        let sizes = Request::all().map(|request| {
            if silent || !is_asked(request) {
                return ReplySize::Typical(typical(request));
            }
            match ask::reply(address, request) {
                Ok(reply) => ReplySize::Measured(reply.len() as u32),
                Err(error) => {
                    log::debug!("no reply to {} from {address}: {error}", request.name());
                    // Where there is no portmapper, there is no point in asking on.
                    silent = request.index() == 0 || is_refusal(&error);
                    ReplySize::Typical(typical(request))
                }
            }
        });
        Self(sizes.collect())
    }

    /// The size of the reply to a request; zero for one that gets none.
    #[must_use]
    pub fn of(&self, request: Request) -> ReplySize {
        self.0[request.index()]
    }
}

fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

/// Whether the request can be tried out: it reads what is there, and has no effect.
pub(super) fn is_asked(request: Request) -> bool {
    const READING: [&str; 10] = [
        "NULL",
        "GETPORT",
        "GETADDR",
        "DUMP",
        "GETTIME",
        "UADDR2TADDR",
        "TADDR2UADDR",
        "GETVERSADDR",
        "GETADDRLIST",
        "GETSTAT",
    ];
    let name = request.name().split_once('.').map(|(_, name)| name);
    name.is_some_and(|name| READING.contains(&name))
}

fn typical(request: Request) -> u32 {
    match request.name() {
        "v2.NULL" | "v3.NULL" | "v4.NULL" => 24,
        "v0.NULL" => 32,
        "v2.DUMP" => 148,
        "v3.DUMP" | "v4.DUMP" => 684,
        "v3.GETADDR" | "v4.GETADDR" | "v4.GETVERSADDR" => 44,
        "v3.UADDR2TADDR" | "v4.UADDR2TADDR" | "v3.TADDR2UADDR" | "v4.TADDR2UADDR" => 44,
        "v4.GETADDRLIST" => 132,
        "v4.GETSTAT" => 228,
        "v2.GETPORT" | "v3.GETTIME" | "v4.GETTIME" => 28,
        "v2.SET" | "v2.UNSET" | "v3.SET" | "v3.UNSET" | "v4.SET" | "v4.UNSET" => 28,
        // Calls that are passed on get no reply unless rpcbind runs with -r, and what is malformed
        // mostly none.
        _ => 0,
    }
}
