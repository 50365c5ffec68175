//! What limits the rate of each source.

use anyhow::{Result, ensure};
use rpcguard_tests::lab::{Host, missing_tools, rpcguard_binary};

/// A filter in front of the portmapper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    /// None.
    Nothing,
    /// The rate policy, with the defaults of all that is not given.
    Rpcguard,
    /// A dynamic set of nftables, each element with a limit of its own.
    NftDynamicSet,
    /// The hashlimit match of iptables, with its table's default size.
    Hashlimit,
}

const NFT_RULES: &str = "\
table ip portmapper {
    set sources { type ipv4_addr; size 65535; flags dynamic, timeout; timeout 1m; }
    chain input {
        type filter hook prerouting priority raw;
        udp dport 111 add @sources { ip saddr limit rate over 5/second burst 20 packets } drop
    }
}";

const HASHLIMIT_RULE: &str = "-t raw -A PREROUTING -p udp --dport 111 -m hashlimit \
    --hashlimit-name portmapper --hashlimit-mode srcip \
    --hashlimit-above 5/sec --hashlimit-burst 20 -j DROP";

impl Contender {
    pub(super) const ALL: [Self; 4] = [
        Self::Nothing,
        Self::Rpcguard,
        Self::NftDynamicSet,
        Self::Hashlimit,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Rpcguard => "rpcguard",
            Self::NftDynamicSet => "nft dynamic set",
            Self::Hashlimit => "iptables hashlimit",
        }
    }

    /// The command that it needs and this machine lacks.
    pub(super) fn missing(self) -> Option<&'static str> {
        let command = match self {
            Self::Nothing | Self::Rpcguard => return None,
            Self::NftDynamicSet => "nft",
            Self::Hashlimit => "iptables",
        };
        missing_tools(&[command]).pop()
    }

    /// Puts it in front of port 111 of a host, at a rate of 5/s and a burst of 20 for each source.
    pub(super) fn set_up(self, host: &Host) -> Result<()> {
        let words = |text: &'static str| text.split_whitespace().collect::<Vec<_>>();
        match self {
            Self::Nothing => {}
            Self::Rpcguard => {
                let arguments = words("attach eth0 --mode native --rate 5/s --burst 20");
                let binary = rpcguard_binary();
                let path = binary.to_str();
                ensure!(path.is_some(), "the path of rpcguard is not UTF-8");
                host.run(path.unwrap_or_default(), &arguments)?;
            }
            Self::NftDynamicSet => {
                host.run("nft", &[NFT_RULES])?;
            }
            Self::Hashlimit => {
                host.run("iptables", &words(HASHLIMIT_RULE))?;
            }
        }
        Ok(())
    }
}
