//! What to do about an error.

use super::Error;
use crate::{
    doctor::Obstacle,
    foreign_text,
    guard::{DISPATCHER, Mode},
};

impl Error {
    /// What to do about it, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::InterfaceName { .. } | Self::NoSuchInterface(_) => {
                "`ip -br link` lists the interfaces of this network namespace".to_owned()
            }
            Self::LinkLayer { .. } => {
                "attach to the Ethernet interface that its packets arrive on".to_owned()
            }
            Self::NotPermitted { .. } => {
                "run rpcguard as root (sudo), or give it the capabilities".to_owned()
            }
            Self::NoBpffs(path) => {
                format!("mount one: `mount -t bpf bpf {}`", foreign_text::path(path))
            }
            Self::UnsafeDirectory { path, .. } => format!(
                "find out who made it, and remove it: `rm -r {}`",
                foreign_text::path(path)
            ),
            Self::UnsafeBpffs { path, .. } => {
                let path = foreign_text::path(path);
                format!("give it to root alone: `chown root {path}`, `chmod 0700 {path}`")
            }
            Self::Kernel(_) => "rpcguard needs Linux 5.10 or later".to_owned(),
            Self::NoRatePolicy(name) => {
                format!("`rpcguard set {name} --rate 5/s` begins one")
            }
            Self::RateMissing => "add `--rate 5/s`".to_owned(),
            Self::EventsTaken(_) => "end it first; counters can be read at any time".to_owned(),
            Self::AlreadyAttached(name) => format!(
                "`rpcguard status {name}` shows the guard; `rpcguard set`, `allow` and `deny` \
                 change it; `attach --replace` renews its program"
            ),
            Self::Unconfirmed(name) => {
                format!("`rpcguard confirm {name}` keeps it, `rpcguard detach {name}` ends it")
            }
            Self::Adopted(name) => format!(
                "where rpcguard may have `{name}` for itself: `rpcguard detach {name}`, `xdp-loader unload {name} \
                 --all`, `rpcguard attach {name} --rate 5/s`"
            ),
            Self::NothingToAdopt(name) => {
                format!("`xdp-loader load -m native -n rpcguard {name} rpcguard.bpf.o` loads it")
            }
            Self::ForeignObject { .. } => {
                "`cargo xtask build-ebpf`, in the sources of this rpcguard, builds an object that fits; `--cpus N` \
                 for another machine"
                    .to_owned()
            }
            Self::NothingToConfirm => {
                "`rpcguard status` shows what is guarded; if it was too late, attach again"
                    .to_owned()
            }
            Self::NotConfirmed { .. } => {
                "attach again if this machine could be reached meanwhile; \
                                          `rpcguard confirm` in another session confirms as well"
                    .to_owned()
            }
            Self::NotAttached(name) => format!("`rpcguard attach {name}` guards it"),
            Self::NothingAttached => "`rpcguard attach IFACE` guards one".to_owned(),
            Self::InterfaceGone(name) => {
                format!("`rpcguard detach {name}` removes what is left of the guard")
            }
            Self::ForeignProgram {
                interface, name, ..
            } if name == DISPATCHER => format!(
                "several programs can run under this one: `xdp-loader load -m native -n rpcguard {interface} \
                 rpcguard.bpf.o`, then `rpcguard adopt {interface}`"
            ),
            Self::ForeignProgram { id, interface, .. } => format!(
                "`bpftool prog show id {id}` tells more about it; rpcguard never replaces it; `ip \
                 link set dev {interface} xdp off` or its own tool removes it"
            ),
            Self::Refused {
                interface, mode, ..
            } => self.remedy().unwrap_or_else(|| {
                if *mode == Mode::Native.name() {
                    "without --mode, rpcguard falls back to generic mode".to_owned()
                } else {
                    format!("`rpcguard doctor {interface}` tells what is in the way")
                }
            }),
            Self::AbiVersion { interface, .. } => format!(
                "use the rpcguard that attached it, or `rpcguard detach {interface}` and attach \
                 again (unfiltered in between)"
            ),
            Self::Contradiction(_) => "leave it out of one of the lists".to_owned(),
            Self::Conflict {
                prefix,
                listed,
                interface,
            } => {
                format!("`rpcguard {listed} remove {prefix} -i {interface}` first")
            }
            Self::NotListed {
                verdict, interface, ..
            } => {
                format!("`rpcguard {verdict} list -i {interface}` shows what is in it")
            }
            Self::NoDestination => {
                "name at least one, or `all`; `rpcguard detach` stops guarding".to_owned()
            }
            Self::TooManyEnds { .. } => "remove some, or add prefixes for good".to_owned(),
            Self::TooManyRenewals { room: 0, .. } => {
                "remove some first, or add prefixes for good".to_owned()
            }
            Self::TooManyRenewals { room, .. } => format!("add no more than {room} at a time"),
            Self::TooManyDestinations(_) | Self::TooManyPrefixes { .. } => {
                "merge neighbouring prefixes into shorter ones".to_owned()
            }
            Self::Locked { .. } => "try again when it is done".to_owned(),
            Self::DaemonRuns(_) => {
                "end it first, or change its configuration, which it reads again by itself"
                    .to_owned()
            }
            Self::Unfinished { .. } => {
                "the next rpcguard command that changes something tries again".to_owned()
            }
            Self::Repeated { .. } => "give each prefix once".to_owned(),
            Self::NoAddress { .. } => {
                "give an address instead; `getent ahosts HOST` shows what a name resolves to"
                    .to_owned()
            }
            Self::OwnAddress(_) => {
                "run it on another host, with this host's address as that one sees it".to_owned()
            }
            Self::EvidenceExists(_) => "name another file, or move this one away".to_owned(),
            Self::Disable(error) => return error.hint(),
            Self::Config(_) | Self::ListFile(_) | Self::File { .. } | Self::System { .. } => {
                return None;
            }
        })
    }

    /// What would make the driver accept the program, where its words tell.
    pub(crate) fn remedy(&self) -> Option<String> {
        let Self::Refused { interface, why, .. } = self else {
            return None;
        };
        Obstacle::told_by(why).map(|obstacle| obstacle.remedy(interface))
    }
}

#[cfg(test)]
mod tests {
    use super::Error;

    /// What each driver says, from its source, and the command that is to be named.
    #[test]
    fn the_words_of_drivers_lead_to_a_command() {
        for (why, command) in [
            // virtio_net
            (
                "Too few free TX rings available",
                "ethtool -L eth0 combined N",
            ),
            (
                "Can't set XDP while host is implementing GRO_HW/CSUM, disable GRO_HW/CSUM first",
                "ethtool -K eth0 gro_hw off",
            ),
            (
                "Can't set XDP while host is implementing LRO/CSUM, disable LRO/CSUM first",
                "ethtool -K eth0 lro off",
            ),
            (
                "MTU too large to enable XDP without frags",
                "ip link set eth0 mtu 1500",
            ),
            // veth
            (
                "Peer MTU is too large to set XDP",
                "ip link set eth0 mtu 1500",
            ),
            // ena
            (
                "Failed to set xdp program, the current MTU (9001) is larger than the maximum allowed \
                 MTU (3498) while xdp is on",
                "ip link set eth0 mtu 1500",
            ),
            (
                "Failed to set xdp program, the Rx/Tx channel count should be at most half of the \
                 maximum allowed channel count",
                "ethtool -L eth0 combined N",
            ),
            // hv_netvsc, mlx5
            ("XDP: not support LRO", "ethtool -K eth0 lro off"),
        ] {
            let refused = Error::Refused {
                interface: "eth0".to_owned(),
                mode: "native",
                why: why.to_owned(),
            };
            let hint = refused.hint().unwrap();
            assert!(hint.contains(&format!("`{command}`")), "{why}: {hint}");
        }
        // Native mode is the last that was tried only if it was asked for.
        for (mode, advice) in [
            ("native", "without --mode"),
            ("generic", "`rpcguard doctor eth0`"),
        ] {
            let silent = Error::Refused {
                interface: "eth0".to_owned(),
                mode,
                why: "Operation not supported (os error 95)".to_owned(),
            };
            let hint = silent.hint().unwrap();
            assert!(hint.contains(advice), "{mode}: {hint}");
        }
    }
}
