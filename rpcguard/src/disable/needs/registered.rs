//! Programs that are registered with the portmapper: their clients could not find them without it.

use std::{collections::BTreeMap, net::SocketAddr};

use procfs::{
    FromReadSI as _, current_system_info,
    net::{TcpNetEntries, TcpState, UdpNetEntries},
};
use rpcguard_common::parse::Transport;

use super::{
    need::{Kind, Need},
    process,
};
use crate::{
    disable::machine::Machine,
    portmapper::{PROGRAM, ProgramNames, Registration},
};

const NFS: u32 = 100_003;

/// The largest number of users' programs that are named: a user may register thousands.
const MAX_OTHERS: usize = 8;

/// A socket that waits for others, and the user who made it: 0 for those of the kernel as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Socket {
    transport: Transport,
    address: SocketAddr,
    user: u32,
}

/// Reads the sockets of this network namespace.
pub(super) fn sockets(machine: &Machine) -> Vec<Socket> {
    let system = current_system_info();
    let mut sockets = Vec::new();
    for table in ["udp", "udp6"] {
        let path = machine.path(format!("proc/thread-self/net/{table}"));
        let read = UdpNetEntries::from_file(path, system);
        let entries = read
            .map_or_else(|_| Vec::new(), |entries| entries.0)
            .into_iter();
        sockets.extend(entries.map(|entry| Socket {
            transport: Transport::Udp,
            address: entry.local_address,
            user: entry.uid,
        }));
    }
    for table in ["tcp", "tcp6"] {
        let path = machine.path(format!("proc/thread-self/net/{table}"));
        let read = TcpNetEntries::from_file(path, system);
        let entries = read
            .map_or_else(|_| Vec::new(), |entries| entries.0)
            .into_iter();
        let listening = entries.filter(|entry| entry.state == TcpState::Listen);
        sockets.extend(listening.map(|entry| Socket {
            transport: Transport::Tcp,
            address: entry.local_address,
            user: entry.uid,
        }));
    }
    sockets
}

impl Socket {
    /// Whether it is where a program was registered to be.
    fn is_at(&self, registration: &Registration) -> bool {
        let Some(address) = registration.socket() else {
            return false;
        };
        // One of IPv6 may serve IPv4 as well.
        let both = self.address.is_ipv6() && self.address.ip().is_unspecified();
        Some(self.transport) == registration.transport()
            && self.address.port() == address.port()
            && (both || self.address.is_ipv4() == address.is_ipv4())
            && (self.address.ip().is_unspecified()
                || address.ip().is_unspecified()
                || self.address.ip() == address.ip())
    }
}

/// Whether root, the account of a service or the kernel registered a program and listens there.
///
/// rpcbind lets every user of the machine register whatever they say. It tells who did so over its
/// socket in the file system; who did so over loopback, as the kernel may, it does not know: then
/// the program has to answer.
fn is_of_service(
    registration: &Registration,
    sockets: &[Socket],
    answers: &dyn Fn(&Registration) -> bool,
) -> bool {
    let mut there = sockets.iter().filter(|socket| socket.is_at(registration));
    there.any(|socket| process::is_service(socket.user))
        && match &*registration.owner {
            "superuser" => true,
            "unknown" | "" => answers(registration),
            owner => owner.parse().is_ok_and(process::is_service),
        }
}

/// A program that is registered.
#[derive(Default)]
struct Program {
    versions: Vec<u32>,
    is_of_service: bool,
}

pub(super) fn find(
    machine: &Machine,
    registrations: &[Registration],
    sockets: &[Socket],
    answers: &dyn Fn(&Registration) -> bool,
) -> Vec<Need> {
    let names = ProgramNames::load_from(&machine.path("etc/rpc"));
    let mut programs: BTreeMap<u32, Program> = BTreeMap::new();
    // There may be time to ask some of them only: those that are known first.
    let (known, others): (Vec<_>, Vec<_>) = registrations
        .iter()
        .partition(|registration| names.name(registration.program).is_some());
    for registration in known.into_iter().chain(others) {
        let (number, version) = (registration.program, registration.version);
        // Its clients know version 4 of NFS to be on port 2049 (RFC 7530 section 3.1).
        if number == PROGRAM || number == NFS && version >= 4 {
            continue;
        }
        let program = programs.entry(number).or_default();
        if !program.versions.contains(&version) {
            program.versions.push(version);
        }
        if !program.is_of_service {
            program.is_of_service = is_of_service(registration, sockets, answers);
        }
    }
    let needs = programs.into_iter().map(|(number, mut program)| {
        program.versions.sort_unstable();
        let versions: Vec<_> = program.versions.iter().map(ToString::to_string).collect();
        let name = names.name(number);
        let text = format!(
            "{} is registered with it, version{} {}{}",
            name.map_or_else(|| format!("program {number}"), str::to_owned),
            if versions.len() == 1 { "" } else { "s" },
            versions.join(", "),
            if program.is_of_service {
                ""
            } else {
                ", but by a user, or by a program that has ended: no service answers there"
            }
        );
        Need::new(Kind::Registered, text).blocks_if(program.is_of_service)
    });
    let (mut needs, mut others): (Vec<_>, Vec<_>) = needs.partition(Need::blocks);
    let left_out = others.len().saturating_sub(MAX_OTHERS);
    others.truncate(MAX_OTHERS);
    needs.extend(others);
    if left_out > 0 {
        let text = format!("{left_out} more programs like that are registered with it");
        needs.push(Need::new(Kind::Registered, text).blocks_if(false));
    }
    needs
}

#[cfg(test)]
mod tests {
    use rpcguard_common::parse::Transport;

    use super::{Socket, find};
    use crate::{
        disable::{machine::fixture::machine, needs::need::Need},
        portmapper::Registration,
    };

    fn registration(program: u32, version: u32, owner: &str) -> Registration {
        Registration {
            program,
            version,
            netid: "udp".to_owned(),
            address: "0.0.0.0.15.160".to_owned(),
            owner: owner.to_owned(),
        }
    }

    fn socket(address: &str, user: u32) -> Socket {
        Socket {
            transport: Transport::Udp,
            address: address.parse().unwrap(),
            user,
        }
    }

    #[test]
    fn what_is_registered_is_named_but_for_what_needs_no_portmapper() {
        let (_root, machine) = machine(&[("etc/rpc", "# comment\nsgi_fam 391002 fam\nbad\n")]);
        let registrations = [
            (100_000, 4),
            (100_000, 2),
            (100_003, 4),
            (100_024, 1),
            (100_021, 4),
            (100_021, 1),
            (100_021, 4),
            (391_002, 2),
            (536_870_913, 1),
        ]
        .map(|(program, version)| registration(program, version, ""));
        let needs = find(
            &machine,
            &registrations,
            &[socket("0.0.0.0:4000", 0)],
            &|_| true,
        );
        let needs: Vec<_> = needs.iter().map(ToString::to_string).collect();
        assert_eq!(
            needs,
            [
                "nlockmgr is registered with it, versions 1, 4",
                "status is registered with it, version 1",
                "sgi_fam is registered with it, version 2",
                "program 536870913 is registered with it, version 1",
            ]
        );
    }

    #[test]
    fn what_a_user_registers_blocks_nothing() {
        let (_root, machine) = machine(&[]);
        for (owner, address, user, answers, blocks) in [
            ("superuser", "0.0.0.0:4000", 0, false, true),
            ("unknown", "[::]:4000", 0, true, true),
            ("", "127.0.0.1:4000", 105, true, true),
            ("105", "0.0.0.0:4000", 105, false, true),
            // By whoever it may be, for a socket of another program.
            ("unknown", "0.0.0.0:4000", 0, false, false),
            ("", "0.0.0.0:4000", 0, false, false),
            // The socket is another's, or somewhere else, or not there any more.
            ("1000", "0.0.0.0:4000", 0, true, false),
            ("unknown", "0.0.0.0:4000", 1000, true, false),
            ("", "0.0.0.0:4000", 65534, true, false),
            ("superuser", "0.0.0.0:4001", 0, true, false),
            ("superuser", "[::1]:4000", 0, true, false),
        ] {
            let found = find(
                &machine,
                &[registration(536_870_913, 1, owner)],
                &[socket(address, user)],
                &|_| answers,
            );
            let blocking: Vec<_> = found.iter().map(Need::blocks).collect();
            assert_eq!(blocking, [blocks], "{owner} {address} {user}");
        }
    }

    #[test]
    fn thousands_of_registrations_fill_no_screen() {
        let (_root, machine) = machine(&[]);
        let registrations: Vec<_> = (0..4096)
            .map(|number| registration(536_870_912 + number, 1, "1000"))
            .chain([registration(100_024, 1, "superuser")])
            .collect();
        let sockets = [socket("0.0.0.0:4000", 0)];
        let needs = find(&machine, &registrations, &sockets, &|_| false);
        assert_eq!(needs.len(), 10);
        assert!(needs[0].blocks() && needs[1..].iter().all(|need| !need.blocks()));
        assert_eq!(
            needs[9].to_string(),
            "4088 more programs like that are registered with it"
        );
    }
}
