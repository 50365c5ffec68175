//! What figures depend on: the machine, and the versions of what was measured.

use std::{env, fs, process::Command, thread};

use jiff::Timestamp;
use rpcguard_tests::lab::{find_tool, rpcguard_binary};
use serde_json::{Map, Value, json};

/// What is measured beside rpcguard, and the commands that tell its version. xdp-filter does not.
const OTHERS: [(&str, &str, &[&str]); 5] = [
    ("nft", "nft", &["--version"]),
    ("iptables", "iptables", &["--version"]),
    ("ipset", "ipset", &["--version"]),
    (
        "xdp-filter",
        "dpkg-query",
        &["--show", "--showformat=xdp-tools ${Version}", "xdp-tools"],
    ),
    ("iperf3", "iperf3", &["--version"]),
];

/// The processor's name.
pub(super) fn cpu() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model
        .map_or("unknown processor", |(_, name)| name)
        .to_owned()
}

/// The kernel's release.
pub(super) fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// All of it. A program that is not installed has no version.
pub(super) fn describe() -> Value {
    let mut versions = Map::new();
    versions.insert("rustc".to_owned(), version("rustc", &["--version"]));
    let rpcguard = rpcguard_binary().to_string_lossy().into_owned();
    versions.insert("rpcguard".to_owned(), version(&rpcguard, &["--version"]));
    for (name, program, arguments) in OTHERS {
        versions.insert(name.to_owned(), version(program, arguments));
    }
    json!({
        "cpu": cpu(),
        "cores": thread::available_parallelism().map_or(1, usize::from),
        "memory_mib": memory_mib(),
        "kernel": kernel(),
        "versions": versions,
        "commit": version("git", &["rev-parse", "--short", "HEAD"]),
        "command": command_line(),
        "date": Timestamp::now().strftime("%Y-%m-%d").to_string(),
    })
}

/// As it was typed.
fn command_line() -> String {
    let words = ["cargo", "xtask", "bench"].map(str::to_owned).into_iter();
    words
        .chain(env::args().skip(1))
        .collect::<Vec<_>>()
        .join(" ")
}

fn memory_mib() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024)
}

/// The first line of what a program says; null if it is not there or fails.
fn version(program: &str, arguments: &[&str]) -> Value {
    let path = find_tool(program).unwrap_or_else(|| program.into());
    let output = Command::new(path).args(arguments).output();
    let said = output.ok().filter(|output| output.status.success());
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    said.as_deref()
        .and_then(|said| said.lines().next())
        .map_or(Value::Null, |line| line.trim().into())
}
