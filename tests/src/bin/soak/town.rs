//! A host with two guarded interfaces, and whoever sends to it.

use std::net::{IpAddr, UdpSocket};

use anyhow::{Result, ensure};
use rpcguard::prefix::Prefix;
use rpcguard_common::reason::Reason;
use rpcguard_tests::{
    lab::{Finished, Lab, connect},
    packet::rpc,
    site::{CleanLab, Site},
};

/// The interface whose changes make no difference to what becomes of any source, so that each reason can
/// be counted.
pub(crate) const STEADY: &str = "eth0";

/// The interface where anything is changed, but for some prefixes.
pub(crate) const CHANGING: &str = "eth1";

/// Comes and goes, to show that nothing is left of it.
pub(crate) const PASSING: &str = "eth2";

/// Prefixes that are in the lists at all times.
pub(crate) const ALLOWED: [&str; 4] = [
    "10.0.0.0/24",
    "10.9.0.0/16",
    "2001:db8:a::/48",
    "2001:db8:9::/48",
];
pub(crate) const DENIED: [&str; 2] = ["10.9.9.0/24", "2001:db8:9:9::/64"];

/// A source of packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    /// Where it comes in.
    pub(crate) interface: &'static str,
    pub(crate) address: &'static str,
    /// What it asks for: a procedure of version 2.
    pub(crate) procedure: u32,
    /// The reason that its packets are counted for, if it is always the same.
    pub(crate) reason: Option<Reason>,
    /// The prefix that decides about it, if it is always the same.
    pub(crate) prefix: Option<&'static str>,
}

const DUMP: u32 = 4;
const NULL: u32 = 0;

const fn source(
    interface: &'static str,
    address: &'static str,
    procedure: u32,
    reason: Option<Reason>,
    prefix: Option<&'static str>,
) -> Source {
    Source {
        interface,
        address,
        procedure,
        reason,
        prefix,
    }
}

/// All of them.
pub(crate) const SOURCES: [Source; 15] = {
    use Reason::{Allowed, Denied, Unlisted};
    [
        source(STEADY, "10.0.0.7", DUMP, Some(Allowed), Some(ALLOWED[0])),
        source(STEADY, "10.9.9.7", DUMP, Some(Denied), Some(DENIED[0])),
        source(STEADY, "198.51.100.7", DUMP, Some(Unlisted), None),
        source(
            STEADY,
            "2001:db8:a::7",
            NULL,
            Some(Allowed),
            Some(ALLOWED[2]),
        ),
        source(
            STEADY,
            "2001:db8:9:9::7",
            DUMP,
            Some(Denied),
            Some(DENIED[1]),
        ),
        source(STEADY, "2001:db8:b::7", NULL, Some(Unlisted), None),
        source(CHANGING, "10.0.0.7", DUMP, Some(Allowed), Some(ALLOWED[0])),
        source(CHANGING, "10.9.9.7", NULL, Some(Denied), Some(DENIED[0])),
        source(
            CHANGING,
            "2001:db8:a::7",
            DUMP,
            Some(Allowed),
            Some(ALLOWED[2]),
        ),
        source(
            CHANGING,
            "2001:db8:9:9::7",
            DUMP,
            Some(Denied),
            Some(DENIED[1]),
        ),
        // In no list, with a rate policy and without.
        source(CHANGING, "198.51.100.7", DUMP, None, None),
        source(CHANGING, "198.51.100.8", NULL, None, None),
        source(CHANGING, "2001:db8:b::7", NULL, None, None),
        // In any list or none.
        source(CHANGING, "172.16.5.7", DUMP, None, None),
        source(CHANGING, "2001:db8:5::7", NULL, None, None),
    ]
};

/// The host and its neighbour.
pub(crate) struct Town {
    pub(crate) site: Site,
    /// The portmapper, which answers nothing.
    _portmapper: UdpSocket,
}

impl Town {
    /// Builds it, with both interfaces guarded.
    pub(crate) fn build() -> Result<Self> {
        let site = Site::in_lab(CleanLab::new(Lab::new()?));
        connect(
            (&site.host, (CHANGING, &[])),
            (&site.neighbour, (CHANGING, &[])),
        )?;
        site.add_interface(PASSING);
        let portmapper = site.host.enter(|| UdpSocket::bind("[::]:111"))?;
        let town = Self {
            site,
            _portmapper: portmapper,
        };
        let lists = |option: &str, list: &[&str]| {
            let words = list.iter().map(|prefix| format!(" {option} {prefix}"));
            words.collect::<String>()
        };
        let attach = format!(
            "attach {STEADY} {CHANGING}{}{}",
            lists("--allow", &ALLOWED),
            lists("--deny", &DENIED)
        );
        town.rpcguard(&attach)?;
        // From now on, its maps have their full size.
        town.rpcguard(&format!("set {CHANGING} --rate 5/s"))?;
        Ok(town)
    }

    /// Runs the command, whose words are separated by blanks.
    pub(crate) fn rpcguard(&self, arguments: &str) -> Result<Finished> {
        let finished = self.site.host.rpcguard(arguments.split_whitespace());
        ensure!(finished.is_success(), "{finished}");
        Ok(finished)
    }

    /// A frame from a source.
    pub(crate) fn frame(&self, source: &Source) -> Result<Vec<u8>> {
        const VERSION: u32 = 2;
        let address: IpAddr = source.address.parse()?;
        let call = rpc::call(VERSION, source.procedure);
        let packet = self.site.packet_from(address).udp(111).payload(&call);
        Ok(packet.to_mac(self.site.host.mac(source.interface)?).build())
    }

    /// Detaches everything; nothing must be left of it.
    pub(crate) fn leave(self) -> Result<()> {
        self.rpcguard("detach --all").map(|_| ())
    }
}

/// A prefix that is written in this program.
pub(crate) fn prefix(text: &str) -> Result<Prefix> {
    Ok(text.parse()?)
}
