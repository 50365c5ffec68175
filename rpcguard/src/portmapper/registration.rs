//! What is registered with a portmapper (RFC 1833).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rpcguard_common::parse::Transport;

use super::xdr::Reader;

/// A version of a program, and where it can be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Registration {
    /// The program's number.
    pub program: u32,
    /// Its version.
    pub version: u32,
    /// The transport: `udp`, `tcp`, `udp6`, `tcp6`, `local`, or what the portmapper says.
    pub netid: String,
    /// The address in universal form (RFC 5665 section 5.2.3): `192.0.2.1.0.111` is port 111 of
    /// 192.0.2.1. For `local`, a path.
    pub address: String,
    /// Who registered it; empty if the portmapper does not say (version 2).
    pub owner: String,
}

impl Registration {
    /// The transport, for those that are IP.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        match self.netid.as_str() {
            "udp" | "udp6" => Some(Transport::Udp),
            "tcp" | "tcp6" => Some(Transport::Tcp),
            _ => None,
        }
    }

    /// The address, for transports that are IP.
    #[must_use]
    pub fn socket(&self) -> Option<SocketAddr> {
        self.transport()?;
        universal_address(&self.address)
    }
}

/// Reads an address in universal form.
#[must_use]
pub fn universal_address(text: &str) -> Option<SocketAddr> {
    let (rest, low) = text.rsplit_once('.')?;
    let (host, high) = rest.rsplit_once('.')?;
    let octet = |text: &str| text.parse::<u8>().ok();
    let address: IpAddr = host.parse().ok()?;
    Some(SocketAddr::new(
        address,
        u16::from_be_bytes([octet(high)?, octet(low)?]),
    ))
}

/// What a portmapper said is registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registrations {
    /// In its order.
    pub entries: Vec<Registration>,
    /// Whether there were more than [`Registrations::MAX`].
    pub cut_off: bool,
}

impl Registrations {
    /// As many are kept. Hosts with all of NFS and NIS have under a hundred.
    pub const MAX: usize = 4096;

    /// The longest string that is kept, in bytes. Netids have 5, addresses 47 or the length of a path.
    const MAX_STRING: usize = 1024;

    /// Reads what DUMP of this version returns.
    ///
    /// `None` if it is not that: it ends early, a string is longer than any, what says whether more
    /// follows is neither. An empty list is one.
    #[must_use]
    pub fn read(version: u32, results: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(results);
        let mut read = Self::default();
        while reader.boolean()? {
            if read.entries.len() == Self::MAX {
                read.cut_off = true;
                break;
            }
            read.entries.push(match version {
                2 => Self::mapping(&mut reader)?,
                _ => Self::binding(&mut reader)?,
            });
        }
        Some(read)
    }

    /// `struct mapping`: program, version, protocol, port.
    fn mapping(reader: &mut Reader<'_>) -> Option<Registration> {
        const TCP: u32 = 6;
        const UDP: u32 = 17;
        let (program, version) = (reader.word()?, reader.word()?);
        let netid = match reader.word()? {
            TCP => "tcp".to_owned(),
            UDP => "udp".to_owned(),
            other => format!("protocol {other}"),
        };
        let [high, low] = u16::try_from(reader.word()?).ok()?.to_be_bytes();
        Some(Registration {
            program,
            version,
            netid,
            address: format!("{}.{high}.{low}", Ipv4Addr::UNSPECIFIED),
            owner: String::new(),
        })
    }

    /// `struct rpcb`: program, version, netid, address, owner.
    fn binding(reader: &mut Reader<'_>) -> Option<Registration> {
        let (program, version) = (reader.word()?, reader.word()?);
        let mut text = || -> Option<String> {
            let bytes = reader.string(Self::MAX_STRING)?;
            Some(String::from_utf8_lossy(bytes).into_owned())
        };
        Some(Registration {
            program,
            version,
            netid: text()?,
            address: text()?,
            owner: text()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::xdr::{string, words},
        Registrations, universal_address,
    };

    fn binding(netid: &str, address: &str) -> Vec<u8> {
        [
            words(&[1, 100_000, 4]),
            string(netid.as_bytes()),
            string(address.as_bytes()),
            string(b"superuser"),
        ]
        .concat()
    }

    #[test]
    fn universal_addresses_are_read() {
        for (text, socket) in [
            ("0.0.0.0.0.111", "0.0.0.0:111"),
            ("192.0.2.1.8.1", "192.0.2.1:2049"),
            ("::.0.111", "[::]:111"),
            ("2001:db8::1.255.255", "[2001:db8::1]:65535"),
        ] {
            assert_eq!(
                universal_address(text),
                Some(socket.parse().unwrap()),
                "{text}"
            );
        }
        for text in [
            "",
            ".",
            "0.0.0.0",
            "/run/rpcbind.sock",
            "1.2.3.4.5.256",
            "1.2.3.4..1",
            "::.1",
        ] {
            assert_eq!(universal_address(text), None, "{text}");
        }
    }

    #[test]
    fn both_kinds_of_list_are_read() {
        let list = [
            binding("udp6", "::.0.111"),
            binding("local", "/run/rpcbind.sock"),
            words(&[0]),
        ];
        let read = Registrations::read(4, &list.concat()).unwrap();
        assert!(!read.cut_off);
        let [udp, local] = &read.entries[..] else {
            panic!("{read:?}");
        };
        assert_eq!(udp.socket(), Some("[::]:111".parse().unwrap()));
        assert_eq!((local.socket(), local.transport()), (None, None));
        assert_eq!(local.owner, "superuser");

        let list = words(&[1, 100_003, 3, 17, 2049, 1, 100_003, 3, 6, 2049, 0]);
        let read = Registrations::read(2, &list).unwrap();
        let netids: Vec<_> = read
            .entries
            .iter()
            .map(|entry| entry.netid.as_str())
            .collect();
        assert_eq!(netids, ["udp", "tcp"]);
        assert_eq!(
            read.entries[0].socket(),
            Some("0.0.0.0:2049".parse().unwrap())
        );
        assert_eq!(
            Registrations::read(2, &words(&[0])),
            Some(Registrations::default())
        );
    }

    #[test]
    fn a_list_that_lies_is_refused() {
        let entry = binding("udp", "0.0.0.0.0.111");
        // No end, half an entry, neither yes nor no, a string longer than any, a port beyond the last.
        assert_eq!(Registrations::read(3, &entry), None);
        assert_eq!(Registrations::read(3, &entry[..20]), None);
        assert_eq!(Registrations::read(3, &words(&[2])), None);
        assert_eq!(
            Registrations::read(3, &words(&[1, 100_000, 4, u32::MAX])),
            None
        );
        assert_eq!(
            Registrations::read(3, &binding(&"x".repeat(1025), "")),
            None
        );
        assert_eq!(
            Registrations::read(2, &words(&[1, 1, 1, 17, 65_536, 0])),
            None
        );
    }

    #[test]
    fn a_list_without_end_is_cut_off() {
        let endless = words(&[1, 100_003, 3, 17, 2049]).repeat(Registrations::MAX + 1);
        let read = Registrations::read(2, &endless).unwrap();
        assert!(read.cut_off);
        assert_eq!(read.entries.len(), Registrations::MAX);
    }
}
