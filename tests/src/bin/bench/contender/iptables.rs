//! iptables, and ipset.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use rpcguard_tests::lab::Host;

use super::List;

pub(super) fn add_input_rules(host: &Host, list: &List) -> Result<()> {
    for prefix in list.prefixes() {
        iptables(
            host,
            &format!("-A INPUT -p udp -s {prefix} --dport 111 -j ACCEPT"),
        )?;
    }
    iptables(host, "-A INPUT -p udp -s 127.0.0.1 --dport 111 -j ACCEPT")?;
    iptables(host, "-A INPUT -p udp --dport 111 -j DROP")
}

/// The list has one prefix.
pub(super) fn add_raw_rule(host: &Host, list: &List) -> Result<()> {
    for prefix in list.prefixes() {
        iptables(
            host,
            &format!("-t raw -A PREROUTING -p udp ! -s {prefix} --dport 111 -j DROP"),
        )?;
    }
    Ok(())
}

pub(super) fn add_set(host: &Host, list: &List) -> Result<()> {
    let count = list.prefixes().len();
    let kind = if list.is_of_hosts() {
        "hash:ip"
    } else {
        "hash:net"
    };
    let mut file = tempfile::NamedTempFile::new()?;
    writeln!(file, "create allowed {kind} maxelem {count}")?;
    for prefix in list.prefixes() {
        writeln!(file, "add allowed {prefix}")?;
    }
    file.as_file_mut().flush()?;
    let path = file.path().to_str().context("a path is not UTF-8")?;
    host.run("ipset", &["-file", path, "restore"])?;
    iptables(
        host,
        "-t raw -A PREROUTING -p udp --dport 111 -m set ! --match-set allowed src -j DROP",
    )
}

pub(super) fn add_limit(host: &Host) -> Result<()> {
    iptables(
        host,
        "-t raw -A PREROUTING -p udp --dport 111 -m hashlimit --hashlimit-name portmapper \
         --hashlimit-mode srcip --hashlimit-above 5/sec --hashlimit-burst 20 -j DROP",
    )
}

fn iptables(host: &Host, arguments: &str) -> Result<()> {
    host.run(
        "iptables",
        &arguments.split_whitespace().collect::<Vec<_>>(),
    )?;
    Ok(())
}

pub(super) fn dropped(host: &Host, table: &str, chain: &str) -> Result<u64> {
    let listing = host.run("iptables", &["-t", table, "-L", chain, "-v", "-x", "-n"])?;
    packets_dropped(&listing).with_context(|| format!("no rule that drops in: {listing}"))
}

/// Rules are shown as packets, bytes, target and so on.
fn packets_dropped(listing: &str) -> Option<u64> {
    listing.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let packets = words.next()?;
        (words.nth(1)? == "DROP").then(|| packets.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::packets_dropped;

    #[test]
    fn the_rule_that_drops_is_found() {
        let listing = "\
Chain INPUT (policy ACCEPT 0 packets, 0 bytes)
    pkts      bytes target     prot opt in     out     source               destination
       3      300 ACCEPT     17   --  *      *       192.0.2.0/24         0.0.0.0/0            udp dpt:111
      42     4200 DROP       17   --  *      *       0.0.0.0/0            0.0.0.0/0            udp dpt:111
";
        assert_eq!(packets_dropped(listing), Some(42));
    }
}
