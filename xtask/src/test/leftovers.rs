//! What tests could leave behind in the kernel.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{process, root};

/// The kernel frees some of these after the last user is gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// All there is of each kind, a line each.
#[derive(Debug)]
pub(super) struct Leftovers(BTreeSet<String>);

impl Leftovers {
    pub(super) fn find() -> Result<Self> {
        let mut found = BTreeSet::new();
        for (kind, directory) in [
            ("network namespace", "/run/netns"),
            ("network interface", "/sys/class/net"),
        ] {
            found.extend(names_in(Path::new(directory)).map(|name| format!("{kind} {name}")));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        // The fifth field is where it is mounted.
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
        found.extend(points.map(|point| format!("mount {point}")));
        found.extend(running("rpcbind").map(|id| format!("process rpcbind {id}")));
        found.extend(running("rpcguard").map(|id| format!("process rpcguard {id}")));
        found.extend(programs()?);
        Ok(Self(found))
    }

    /// What there is now and was not then, or `None` if nothing is.
    pub(super) fn added_since(&self) -> Result<Option<String>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Self::find()?;
            let added: Vec<_> = now.0.difference(&self.0).map(String::as_str).collect();
            if added.is_empty() {
                return Ok(None);
            }
            if Instant::now() > deadline {
                return Ok(Some(added.join(", ")));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The BPF programs that are ours by name.
fn programs() -> Result<Vec<String>> {
    let mut list = root::command("bpftool", "to list BPF programs")?;
    let listed = process::output(list.args(["prog", "list"]))?;
    // `41: xdp  name rpcguard  tag ...`, and indented lines about it.
    let ours = listed.lines().filter_map(|line| {
        let (id, rest) = line.split_once(": xdp  name ")?;
        let name = rest.split(' ').next()?;
        name.starts_with("rpcguard")
            .then(|| format!("BPF program {name} {id}"))
    });
    Ok(ours.collect())
}

/// The ids of processes of that name.
fn running(name: &str) -> impl Iterator<Item = String> {
    names_in(Path::new("/proc")).filter(move |id| {
        fs::read_to_string(Path::new("/proc").join(id).join("comm"))
            .is_ok_and(|comm| comm.trim_end() == name)
    })
}

/// The names in a directory, which need not exist.
fn names_in(directory: &Path) -> impl Iterator<Item = String> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
}
