//! Who is registered with the portmapper of this host, and who listens there.

use rpcguard_common::parse::Transport;

use super::Registration;
use crate::sockets::{Address, Inventory, Kind, ListeningSocket, Reach};

/// A registration, and the sockets that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service<'a> {
    /// What the portmapper tells.
    pub registration: &'a Registration,
    /// Sockets at the registered address: none, if the program has gone without saying so.
    pub sockets: Vec<&'a ListeningSocket>,
}

impl Service<'_> {
    /// From where it can be reached: from wherever one of its sockets can.
    #[must_use]
    pub fn reach(&self) -> Option<Reach> {
        self.sockets.iter().map(|socket| socket.reach()).max()
    }

    /// Whether it is the portmapper itself.
    #[must_use]
    pub const fn is_portmapper(&self) -> bool {
        self.registration.program == super::PROGRAM
    }
}

/// Finds the sockets of each registration.
#[must_use]
pub fn services<'a>(
    registrations: &'a [Registration],
    inventory: &'a Inventory,
) -> Vec<Service<'a>> {
    registrations
        .iter()
        .map(|registration| Service {
            registration,
            sockets: inventory
                .sockets
                .iter()
                .filter(|socket| is_at(socket, registration) && !inventory.is_impostor(socket))
                .collect(),
        })
        .collect()
}

fn is_at(socket: &ListeningSocket, registration: &Registration) -> bool {
    let (Some(transport), Some(registered)) = (registration.transport(), registration.socket())
    else {
        let local = registration.netid == "local" && socket.kind == Kind::Unix;
        return local && socket.address == Address::Path(registration.address.clone().into());
    };
    let kind = match transport {
        Transport::Udp => Kind::Udp,
        Transport::Tcp => Kind::Tcp,
    };
    let Address::Ip(address) = socket.address else {
        return false;
    };
    // A socket of IPv6 may serve IPv4 as well.
    let both = address.is_ipv6() && address.ip().is_unspecified();
    let family = address.is_ipv4() == registered.is_ipv4() || both;
    let same = registered.ip().is_unspecified()
        || address.ip().is_unspecified()
        || address.ip() == registered.ip();
    socket.kind == kind && address.port() == registered.port() && family && same
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Kind, Registration, services};
    use crate::sockets::{Address, Inventory, ListeningSocket, Reach};

    fn socket(kind: Kind, address: &str) -> ListeningSocket {
        let address = address
            .parse()
            .map_or_else(|_| Address::Path(PathBuf::from(address)), Address::Ip);
        ListeningSocket {
            kind,
            address,
            inode: 0,
            processes: Vec::new(),
        }
    }

    fn registration(netid: &str, address: &str) -> Registration {
        Registration {
            program: 100_005,
            version: 3,
            netid: netid.to_owned(),
            address: address.to_owned(),
            owner: String::new(),
        }
    }

    #[test]
    fn registrations_lead_to_sockets() {
        let inventory = Inventory {
            sockets: vec![
                socket(Kind::Udp, "0.0.0.0:2049"),
                socket(Kind::Tcp, "127.0.0.1:2049"),
                socket(Kind::Tcp, "[::]:2050"),
                socket(Kind::Unix, "/run/rpcbind.sock"),
            ],
            complete: true,
            ..Inventory::default()
        };
        for (netid, address, reach) in [
            ("udp", "0.0.0.0.8.1", Some(Reach::Outside)),
            ("tcp", "0.0.0.0.8.1", Some(Reach::Loopback)),
            ("tcp", "192.0.2.1.8.1", None),
            ("udp6", "::.8.1", None),
            ("tcp6", "::.8.2", Some(Reach::Outside)),
            ("udp", "0.0.0.0.8.3", None),
            ("local", "/run/rpcbind.sock", Some(Reach::Host)),
            ("local", "/run/other.sock", None),
            ("unheard-of", "x", None),
        ] {
            let registrations = [registration(netid, address)];
            let found = services(&registrations, &inventory);
            assert_eq!(found[0].reach(), reach, "{netid} {address}");
        }
    }
}
