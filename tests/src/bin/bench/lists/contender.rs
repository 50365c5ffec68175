//! What keeps a list of prefixes in the kernel.

use std::{
    ffi::OsStr,
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use rpcguard::prefix::Prefix;
use rpcguard_tests::lab::missing_tools;

use crate::{
    guarded::Guarded,
    list::{self, List},
    timed::{Timed, timed},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    Rpcguard,
    Nft,
    Ipset,
}

/// A list in the form that a contender loads it from, and other lists in the form that it changes to them
/// from.
pub(super) struct Files {
    pub(super) first: PathBuf,
    pub(super) new: PathBuf,
    pub(super) changed: PathBuf,
}

/// A rule of the kind that people use; the set comes before it.
const NFT_RULE: &str = "
chain input {
    type filter hook prerouting priority raw;
    udp dport 111 ip saddr != @allowed drop
}";

impl Contender {
    pub(super) const ALL: [Self; 3] = [Self::Rpcguard, Self::Nft, Self::Ipset];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rpcguard => "rpcguard",
            Self::Nft => "nft -f",
            Self::Ipset => "ipset restore",
        }
    }

    /// The command that it needs and this machine lacks, and the Debian package that brings it.
    pub(super) fn missing(self) -> Option<(&'static str, &'static str)> {
        let (command, package) = match self {
            Self::Rpcguard => return None,
            Self::Nft => ("nft", "nftables"),
            Self::Ipset => ("ipset", "ipset"),
        };
        (!missing_tools(&[command]).is_empty()).then_some((command, package))
    }

    /// Writes the files.
    pub(super) fn files(
        self,
        directory: &Path,
        [first, new, changed]: [&List; 3],
        rng: &mut Rng,
    ) -> Result<Files> {
        let path = |name: &str| directory.join(format!("{self:?}-{name}"));
        let files = Files {
            first: path("first"),
            new: path("new"),
            changed: path("changed"),
        };
        match self {
            Self::Rpcguard => {
                for (file, list) in [
                    (&files.first, first),
                    (&files.new, new),
                    (&files.changed, changed),
                ] {
                    list::write_lines(file, &[list], rng, |prefix| prefix.to_string())?;
                }
            }
            Self::Nft => {
                // A set of intervals is what holds prefixes; a plain one is faster, and holds addresses.
                let flags = if first.has_only_hosts() {
                    ""
                } else {
                    "flags interval;"
                };
                let set = format!("set allowed {{ type ipv4_addr; {flags} }}");
                let add = |list| format!("add element ip rpcguard allowed {{ {} }}", joined(list));
                write(
                    &files.first,
                    &format!("table ip rpcguard {{ {set} {NFT_RULE} }}\n{}\n", add(first)),
                )?;
                for (file, list) in [(&files.new, new), (&files.changed, changed)] {
                    write(
                        file,
                        &format!("flush set ip rpcguard allowed\n{}\n", add(list)),
                    )?;
                }
            }
            Self::Ipset => {
                let kind = if first.has_only_hosts() {
                    "hash:ip"
                } else {
                    "hash:net"
                };
                let create = |name| format!("create {name} {kind} family inet maxelem 2000000\n");
                let swap = "swap other allowed\ndestroy other\n";
                write(
                    &files.first,
                    &format!("{}{}", create("allowed"), additions("allowed", first)),
                )?;
                for (file, list) in [(&files.new, new), (&files.changed, changed)] {
                    write(
                        file,
                        &format!("{}{}{swap}", create("other"), additions("other", list)),
                    )?;
                }
            }
        }
        Ok(files)
    }

    /// Makes it as if nothing had ever been loaded.
    pub(super) fn begin(self, guarded: &Guarded) -> Result<()> {
        match self {
            Self::Rpcguard => guarded.run(["attach", "eth0", "--mode", "native"])?,
            Self::Nft | Self::Ipset => {}
        }
        Ok(())
    }

    /// Loads a list, or changes to another.
    pub(super) fn load(self, guarded: &Guarded, file: &Path) -> Result<Timed> {
        let file = file.as_os_str();
        match self {
            Self::Rpcguard => guarded.replace(file.as_ref()),
            Self::Nft => timed(&guarded.host, "nft", [OsStr::new("-f"), file]),
            Self::Ipset => {
                let words = [OsStr::new("restore"), OsStr::new("-file"), file];
                timed(&guarded.host, "ipset", words)
            }
        }
    }

    /// Removes all of it.
    pub(super) fn end(self, guarded: &Guarded) -> Result<()> {
        match self {
            Self::Rpcguard => guarded.run(["detach", "eth0"])?,
            Self::Nft => {
                guarded.host.run("nft", &["flush", "ruleset"])?;
            }
            Self::Ipset => {
                guarded.host.run("ipset", &["destroy"])?;
            }
        }
        Ok(())
    }
}

fn joined(list: &List) -> String {
    let prefixes: Vec<String> = list.prefixes().map(bare).collect();
    prefixes.join(", ")
}

fn additions(set: &str, list: &List) -> String {
    let lines = list
        .prefixes()
        .map(|prefix| format!("add {set} {}\n", bare(prefix)));
    lines.collect()
}

/// A prefix of one address without its length, which a plain set of nft does not take.
fn bare(prefix: Prefix) -> String {
    let text = prefix.to_string();
    text.strip_suffix("/32").map_or(text.clone(), str::to_owned)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let mut file = BufWriter::new(
        File::create(path).with_context(|| format!("cannot create {}", path.display()))?,
    );
    file.write_all(text.as_bytes())
        .and_then(|()| file.flush())
        .with_context(|| format!("cannot write {}", path.display()))
}
