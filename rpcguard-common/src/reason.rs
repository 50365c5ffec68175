//! Why a packet was passed or dropped.

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The packet goes on to the network stack (`XDP_PASS`).
    Pass,
    /// The packet is discarded at the interface (`XDP_DROP`).
    Drop,
}

/// Why a packet to a guarded port was passed or dropped.
///
/// Each such packet has exactly one reason. The numbers index the counters and are part of the
/// kernel ABI and of every JSON document: they are only ever appended to, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// The source's longest matching prefix is an allow prefix.
    Allowed = 0,
    /// The source matches no prefix (the default policy).
    Unlisted = 1,
    /// The source's longest matching prefix is a deny prefix.
    Denied = 2,
    /// Rate policy: unlisted, below its limits.
    WithinRate = 3,
    /// Rate policy: unlisted, above a limit.
    OverRate = 4,
    /// Rate policy: a procedure whose reply is larger than the request, or that relays.
    Amplifier = 5,
    /// Rate policy: not a complete, plausible portmapper call.
    Malformed = 6,
    /// Rate policy: first fragment to a guarded port; it can hide the RPC header.
    Fragment = 7,
    /// The header chain is beyond the parser's bounds, or ends before it tells the port.
    Undecidable = 8,
    /// A non-first UDP fragment. It names no port, and cannot be reassembled once its first
    /// fragment is dropped.
    LaterFragment = 9,
}

impl Reason {
    /// How many reasons there are.
    pub const COUNT: usize = 10;

    /// Every reason, in the order of its number.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Allowed,
        Self::Unlisted,
        Self::Denied,
        Self::WithinRate,
        Self::OverRate,
        Self::Amplifier,
        Self::Malformed,
        Self::Fragment,
        Self::Undecidable,
        Self::LaterFragment,
    ];

    /// The reason of this number.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// What an enforcing filter does for this reason.
    #[inline(always)]
    #[must_use]
    pub const fn action(self) -> Action {
        match self {
            Self::Allowed | Self::WithinRate | Self::LaterFragment => Action::Pass,
            Self::Unlisted
            | Self::Denied
            | Self::OverRate
            | Self::Amplifier
            | Self::Malformed
            | Self::Fragment
            | Self::Undecidable => Action::Drop,
        }
    }

    /// The name used in JSON, tables and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Unlisted => "unlisted",
            Self::Denied => "denied",
            Self::WithinRate => "within_rate",
            Self::OverRate => "over_rate",
            Self::Amplifier => "amplifier",
            Self::Malformed => "malformed",
            Self::Fragment => "fragment",
            Self::Undecidable => "undecidable",
            Self::LaterFragment => "later_fragment",
        }
    }

    /// The index of this reason's counter.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_documented_ones() {
        for (number, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), number, "{}", reason.name());
        }
    }

    #[test]
    fn only_three_reasons_pass() {
        let passing: [bool; Reason::COUNT] = Reason::ALL.map(|r| r.action() == Action::Pass);
        assert_eq!(
            passing,
            [
                true, false, false, true, false, false, false, false, false, true
            ]
        );
    }
}
