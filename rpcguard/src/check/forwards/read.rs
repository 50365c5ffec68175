//! Asks for the rules: nftables by nft(8), those of xtables by iptables-save(8), and IPVS by its
//! table.

use std::{fs, io};

use super::{ipvs, nft, rules::Ruleset, xtables};
use crate::{
    check::tool,
    sys::netlink::{self},
};

/// The tables of xtables that can forward.
const TABLES: [&str; 3] = ["nat", "mangle", "raw"];

/// The rules that could be read, and in a few words each what could not.
pub(super) fn rulesets() -> (Vec<Ruleset>, Vec<String>) {
    let mut read = Reading::default();
    let xtables_nft = match netlink::has_nftables() {
        Ok(false) => false,
        Ok(true) => read.nft(),
        Err(error) => {
            read.unread.push(format!("rules of nftables: {error}"));
            false
        }
    };
    if xtables_nft {
        read.xtables(&["iptables-nft-save", "iptables-save"], false, "iptables");
        read.xtables(&["ip6tables-nft-save", "ip6tables-save"], true, "ip6tables");
    }
    for (file, names, ipv6, program) in [
        (
            "ip_tables_names",
            ["iptables-legacy-save", "iptables-save"],
            false,
            "iptables-legacy",
        ),
        (
            "ip6_tables_names",
            ["ip6tables-legacy-save", "ip6tables-save"],
            true,
            "ip6tables-legacy",
        ),
    ] {
        if read
            .kernel(file)
            .lines()
            .any(|table| TABLES.contains(&table))
        {
            read.xtables(&names, ipv6, program);
        }
    }
    let services = read.kernel("ip_vs");
    read.rules.push(ipvs::read(&services));
    (read.rules, read.unread)
}

#[derive(Default)]
struct Reading {
    rules: Vec<Ruleset>,
    unread: Vec<String>,
}

impl Reading {
    /// Reads nft's rules; returns whether there may be some that only iptables-save shows.
    fn nft(&mut self) -> bool {
        let Some(program) = tool::find(&["nft"]) else {
            self.unread
                .push("rules of nftables: there is no nft command".to_owned());
            return true;
        };
        let text = tool::run(&program, &["-j", "list", "ruleset"]);
        match text.map(|text| nft::read(&text)) {
            Ok(Some((rules, xtables))) => {
                self.rules.push(rules);
                xtables
            }
            Ok(None) => {
                self.unread
                    .push("rules of nftables: nft prints no JSON".to_owned());
                true
            }
            Err(why) => {
                self.unread.push(format!("rules of nftables: {why}"));
                true
            }
        }
    }

    fn xtables(&mut self, names: &[&str], ipv6: bool, program: &str) {
        match tool::find(names) {
            None => self.unread.push(format!(
                "rules of {program}: there is no {} command",
                names[0]
            )),
            Some(path) => match tool::run(&path, &[]) {
                Ok(text) => self.rules.push(xtables::read(&text, ipv6, program)),
                Err(why) => self.unread.push(format!("rules of {program}: {why}")),
            },
        }
    }

    /// The text of a file of the kernel; empty if the kernel does without.
    fn kernel(&mut self, name: &str) -> String {
        let path = format!("/proc/thread-self/net/{name}");
        fs::read_to_string(&path).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                self.unread.push(format!("{path}: {error}"));
            }
            String::new()
        })
    }
}
