//! Finding other people's programs.

use std::{env, path::PathBuf};

/// Directories under `RPCGUARD_DEBIAN`, where `cargo xtask setup` unpacks packages that must not
/// be installed: rpcbind's would start an exposed portmapper.
const UNPACKED: [&str; 4] = ["usr/sbin", "usr/bin", "sbin", "bin"];

/// Where a program is: in `PATH`, where root's are even if `PATH` does not say so, or unpacked.
#[must_use]
pub fn find_tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let unpacked = env::var_os("RPCGUARD_DEBIAN").map(PathBuf::from);
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .chain(
            unpacked
                .into_iter()
                .flat_map(|root| UNPACKED.map(|directory| root.join(directory))),
        )
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}

/// Those of `tools` that are not installed, for the reason of a [`skip`](super::skip).
#[must_use]
pub fn missing_tools<'a>(tools: &[&'a str]) -> Vec<&'a str> {
    tools
        .iter()
        .copied()
        .filter(|tool| find_tool(tool).is_none())
        .collect()
}
