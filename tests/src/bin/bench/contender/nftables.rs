//! nftables.

use std::{io::Write as _, time::Duration};

use anyhow::{Context as _, Result, ensure};
use rpcguard::prefix::Prefix;
use rpcguard_tests::lab::{Finished, Host};

use super::List;

/// A million addresses take some seconds.
const LOAD_LIMIT: Duration = Duration::from_secs(60);

/// Where a chain of its own is called.
#[derive(Clone, Copy)]
pub(super) struct Hook {
    family: &'static str,
    place: &'static str,
}

pub(super) const PREROUTING: Hook = Hook {
    family: "ip",
    place: "hook prerouting priority raw",
};

pub(super) const INGRESS: Hook = Hook {
    family: "netdev",
    place: "hook ingress device \"eth0\" priority 0",
};

pub(super) fn add_list(host: &Host, hook: Hook, list: &List) -> Result<()> {
    // Only a set of intervals takes a length.
    let text = |prefix: &Prefix| match list.is_of_hosts() {
        true => prefix.address().to_string(),
        false => prefix.to_string(),
    };
    let prefixes: Vec<_> = list.prefixes().iter().map(text).collect();
    let (set, allowed) = match &prefixes[..] {
        [prefix] => (String::new(), prefix.as_str()),
        prefixes => (set(list, prefixes), "@allowed"),
    };
    add(host, hook, &set, &format!("ip saddr != {allowed} counter"))
}

/// A hash table where that is enough, for which the kernel wants to know a size.
fn set(list: &List, prefixes: &[String]) -> String {
    let form = if list.is_of_hosts() {
        format!("size {}", prefixes.len())
    } else {
        "flags interval".to_owned()
    };
    let elements = prefixes.join(",");
    format!("set allowed {{ type ipv4_addr; {form}; elements = {{ {elements} }}; }}")
}

pub(super) fn add_limit(host: &Host) -> Result<()> {
    add(
        host,
        PREROUTING,
        "set sources { type ipv4_addr; size 65535; flags dynamic, timeout; timeout 1m; }",
        "add @sources { ip saddr limit rate over 5/second burst 20 packets } counter",
    )
}

fn add(host: &Host, Hook { family, place }: Hook, set: &str, condition: &str) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    write!(
        file,
        "table {family} portmapper {{
            {set}
            chain input {{ type filter {place}; udp dport 111 {condition} drop; }}
        }}"
    )?;
    file.as_file_mut().flush()?;
    let path = file.path().to_str().context("a path is not UTF-8")?;
    let loaded = Finished::wait_at_most(host.command("nft").args(["-f", path]), LOAD_LIMIT);
    // What it says repeats the whole list.
    let why = loaded.stderr.lines().next().unwrap_or("it takes too long");
    ensure!(loaded.is_success(), "nft does not load its rules: {why}");
    Ok(())
}

pub(super) fn dropped(host: &Host, Hook { family, .. }: Hook) -> Result<u64> {
    // Tersely: without it, the elements of sets are read too.
    let list = ["--terse", "list", "chain", family, "portmapper", "input"];
    let chain = host.run("nft", &list)?;
    packets_counted(&chain).with_context(|| format!("no counter in: {chain}"))
}

fn packets_counted(chain: &str) -> Option<u64> {
    let (_, behind) = chain.split_once("counter packets ")?;
    behind.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::packets_counted;

    #[test]
    fn the_counter_of_the_rule_is_found() {
        let rule = "udp dport 111 ip saddr != @allowed counter packets 42 bytes 4200 drop";
        assert_eq!(packets_counted(rule), Some(42));
    }
}
