//! The command that is measured, as its users run it.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use rpcguard_common::reason::{Action, Reason};
use rpcguard_tests::lab::{Host, rpcguard_binary};
use serde_json::Value;

use super::List;

pub(super) fn attach(host: &Host, options: &str, list: &List) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    for prefix in list.prefixes() {
        writeln!(file, "{prefix}")?;
    }
    file.as_file_mut().flush()?;
    let path = file.path().to_str().context("a path is not UTF-8")?;
    let mut arguments = vec!["attach", "eth0", "--allow-file", path];
    arguments.extend(options.split_whitespace());
    run(host, &arguments)?;
    Ok(())
}

pub(super) fn dropped(host: &Host) -> Result<u64> {
    let status: Value = serde_json::from_str(&run(host, &["status", "eth0", "--json"])?)?;
    let counters = &status["interfaces"][0]["counters"];
    Reason::ALL
        .iter()
        .filter(|reason| reason.action() == Action::Drop)
        .map(|reason| counters[reason.name()]["packets"].as_u64())
        .sum::<Option<u64>>()
        .context("`rpcguard status` does not show every reason")
}

fn run(host: &Host, arguments: &[&str]) -> Result<String> {
    let binary = rpcguard_binary();
    let path = binary
        .to_str()
        .context("the path of rpcguard is not UTF-8")?;
    host.run(path, arguments)
}
