//! What `rpcguard config check` says about a good configuration.

use std::io::{self, Write as _};

use super::{stdout, text::counted};
use crate::{
    config::{Config, Table},
    foreign_text::printable,
};

/// Prints a line for each table, and which of these interfaces it is about.
pub(crate) fn print_check(config: &Config, interfaces: &[&str]) -> io::Result<()> {
    let mut out = stdout();
    if config.tables.is_empty() {
        writeln!(out, "no [[guard]] table: nothing is to be guarded")?;
    }
    for table in &config.tables {
        writeln!(
            out,
            "line {}: {}: {}",
            table.line,
            printable(&table.interfaces.to_string()),
            policy(table)
        )?;
        let matching = interfaces
            .iter()
            .filter(|name| table.interfaces.matches(name));
        let matching: Vec<&str> = matching.copied().collect();
        let here = if matching.is_empty() {
            "no interface".to_owned()
        } else {
            matching.join(", ")
        };
        writeln!(out, "  here and now: {here}")?;
        for name in table
            .interfaces
            .names()
            .filter(|name| !interfaces.contains(name))
        {
            writeln!(
                out,
                "  `{name}` is not there: it is guarded when it appears"
            )?;
        }
    }
    out.flush()
}

/// How a table guards its interfaces, in a few words.
fn policy(table: &Table) -> String {
    let policy = &table.policy;
    let protocol = if policy.tcp { "UDP and TCP" } else { "UDP" };
    let ports: Vec<String> = policy.ports.iter().map(ToString::to_string).collect();
    let word = if ports.len() == 1 { "port" } else { "ports" };
    let rpcbind = if table.rpcbind_ports {
        " and rpcbind's"
    } else {
        ""
    };
    let allow = counted(table.allow.len() as u64, "prefix", "prefixes");
    let mut text = format!(
        "{protocol} {word} {}{rpcbind}, allowed from {allow}",
        ports.join(", ")
    );
    if !table.deny.is_empty() {
        let deny = counted(table.deny.len() as u64, "prefix", "prefixes");
        text.push_str(&format!(", denied from {deny}"));
    }
    match &policy.rate {
        Some(rate) => text.push_str(&format!(
            ", others at {} each and {} in all",
            rate.source.rate, rate.total.rate
        )),
        None => text.push_str(" only"),
    }
    if policy.observe {
        text.push_str("; only observing");
    }
    text
}
