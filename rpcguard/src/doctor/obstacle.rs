//! What keeps drivers from running a program, what helps, and what that costs: told by a driver's own words when it
//! has refused, or foreseen.

/// Something that a driver refuses a program for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Queues to send on are all in use (virtio_net before Linux 5.13).
    TxRings,
    /// The host merges packets for its guest, or leaves checksums out (virtio_net).
    GuestOffloads,
    /// Frames do not fit into one buffer.
    Mtu,
    /// Half of the queues have to be free (ena, gve).
    Channels,
    /// The card merges packets.
    Lro,
}

/// What drivers say, in small letters; the first that fits tells.
const WORDS: &[(&str, Obstacle)] = &[
    ("too few free tx rings", Obstacle::TxRings),
    ("gro_hw", Obstacle::GuestOffloads),
    ("mtu", Obstacle::Mtu),
    ("channel", Obstacle::Channels),
    ("queue", Obstacle::Channels),
    ("lro", Obstacle::Lro),
];

impl Obstacle {
    /// That which these words of a driver tell of.
    pub(crate) fn told_by(words: &str) -> Option<Self> {
        let words = words.to_lowercase();
        let found = WORDS.iter().find(|(said, _)| words.contains(said));
        found.map(|(_, obstacle)| *obstacle)
    }

    /// The command that removes it; `queues` is how many may stay in use, where that is known.
    pub(crate) fn command(self, interface: &str, queues: Option<u32>) -> String {
        let queues = queues.map_or_else(|| "N".to_owned(), |number| number.to_string());
        match self {
            Self::TxRings | Self::Channels => format!("ethtool -L {interface} combined {queues}"),
            Self::GuestOffloads => format!("ethtool -K {interface} gro_hw off"),
            Self::Mtu => format!("ip link set {interface} mtu 1500"),
            Self::Lro => format!("ethtool -K {interface} lro off"),
        }
    }

    /// What to do about it, in words.
    pub(crate) fn remedy(self, interface: &str) -> String {
        let command = self.command(interface, None);
        match self {
            Self::TxRings => format!(
                "use fewer queues: `{command}`; Linux 5.13 and later, and newer 5.10, can do with what there are"
            ),
            Self::GuestOffloads => {
                format!("`{command}`; where that is [fixed], only generic mode is left")
            }
            Self::Mtu => format!(
                "lower the MTU: `{command}`; more drivers take large frames with each kernel since 5.18"
            ),
            Self::Channels => format!("use fewer queues: `{command}`"),
            Self::Lro => format!("`{command}`"),
        }
    }

    /// What the remedy costs.
    pub(crate) const fn cost(self) -> &'static str {
        match self {
            Self::TxRings | Self::Channels => {
                "the link goes down for a moment, and fewer processors share the packets"
            }
            Self::GuestOffloads | Self::Lro => {
                "bulk TCP takes more processor time; until the next boot, unless the network's configuration says so"
            }
            Self::Mtu => {
                "hosts on this link that send larger frames are not heard: change it on all of them"
            }
        }
    }
}
