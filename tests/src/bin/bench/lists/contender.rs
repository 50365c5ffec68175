//! What keeps a list of prefixes in the kernel.

use std::{
    ffi::OsStr,
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rpcguard::prefix::Prefix;
use rpcguard_tests::lab::missing_tools;

use crate::{
    guarded::Guarded,
    list::{self, ONLY_HOSTS},
    timed::{Timed, timed},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    Rpcguard,
    Nft,
    Ipset,
}

/// What is done with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is the first.
    Load,
    /// It is the first once more, after a list of one prefix.
    Again,
    /// It is the same but for a hundredth.
    Change,
    /// It is another.
    Replace,
}

impl Step {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Again => "load again",
            Self::Change => "change 1%",
            Self::Replace => "replace all",
        }
    }
}

/// A rule of the kind that people use; the set comes before it.
const NFT_RULE: &str = "
chain input {
    type filter hook prerouting priority raw;
    udp dport 111 ip saddr != @allowed drop
}
";

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

    /// Writes a list in the form that this is done with it in, and returns where.
    pub(super) fn write(
        self,
        directory: &Path,
        step: Step,
        prefixes: &[Prefix],
    ) -> Result<PathBuf> {
        let file = directory.join(format!("{self:?}-{step:?}"));
        let only_hosts = prefixes.len() >= ONLY_HOSTS;
        match self {
            Self::Rpcguard => list::write_lines(&file, prefixes)?,
            Self::Nft => write(&file, &nft_commands(step, prefixes, only_hosts))?,
            Self::Ipset => write(&file, &ipset_commands(step, prefixes, only_hosts))?,
        }
        Ok(file)
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

/// A set of intervals is what holds prefixes; a plain one is faster, and holds addresses.
fn nft_commands(step: Step, prefixes: &[Prefix], only_hosts: bool) -> String {
    let before = match step {
        Step::Load | Step::Again => {
            let flags = if only_hosts { "" } else { "flags interval;" };
            let set = format!("set allowed {{ type ipv4_addr; {flags} }}");
            format!("table ip rpcguard {{ {set} {NFT_RULE}}}")
        }
        Step::Change | Step::Replace => "flush set ip rpcguard allowed".to_owned(),
    };
    let elements: Vec<String> = prefixes.iter().copied().map(bare).collect();
    let elements = elements.join(", ");
    format!("{before}\nadd element ip rpcguard allowed {{ {elements} }}\n")
}

/// A set that is in use is changed by making another and swapping them.
fn ipset_commands(step: Step, prefixes: &[Prefix], only_hosts: bool) -> String {
    let (set, after) = match step {
        Step::Load | Step::Again => ("allowed", ""),
        Step::Change | Step::Replace => ("other", "swap other allowed\ndestroy other\n"),
    };
    let kind = if only_hosts { "hash:ip" } else { "hash:net" };
    let additions = prefixes
        .iter()
        .map(|prefix| format!("add {set} {}\n", bare(*prefix)));
    let additions: String = additions.collect();
    format!("create {set} {kind} family inet maxelem 2000000\n{additions}{after}")
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
