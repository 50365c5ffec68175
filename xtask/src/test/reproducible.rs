//! Whether the BPF object depends on where it was built.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use rpcguard_ebpf::build::{self, Flavour, workspace};

use crate::{lint::Outcome, process};

/// The objects of the package.
const OBJECTS: [&str; 2] = ["rpcguard", "lab"];

/// Builds a copy of the workspace in another directory, deeper and in a target directory of its
/// own, and compares what comes out with what this workspace built.
pub(super) fn check() -> Result<Outcome> {
    let scratch = tempfile::tempdir()?;
    let copy = scratch.path().join("a/copy/of/the workspace");
    copy_sources(&copy)?;
    let linker = build::linker(&copy);
    fs::create_dir_all(linker.parent().unwrap_or(&copy))?;
    fs::copy(build::linker(workspace()), &linker).context("cannot copy bpf-linker")?;
    for flavour in [Flavour::Embedded, Flavour::Portable] {
        let here = build::build(flavour)?;
        let there = build::build_in(&copy, &copy.join("target/elsewhere"), flavour)?;
        for object in OBJECTS {
            let [here, there] = [&here, &there].map(|directory| directory.join(object));
            let read = |path: &Path| {
                fs::read(path).with_context(|| format!("cannot read {}", path.display()))
            };
            if read(&here)? != read(&there)? {
                let kept = scratch.keep();
                bail!(
                    "{} and {} differ; the latter is kept in {}",
                    here.display(),
                    there.display(),
                    kept.display()
                );
            }
        }
    }
    Ok(Outcome::Passed)
}

/// Copies what is in git or could be added to it, as it is now.
fn copy_sources(to: &Path) -> Result<()> {
    let list = [
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ];
    let listed = process::output(process::command("git").args(list))
        .context("only a git checkout can be copied")?;
    for name in listed.split_terminator('\0') {
        let from = workspace().join(name);
        // Deleted, and not yet committed so.
        if !from.exists() {
            continue;
        }
        let to = to.join(name);
        fs::create_dir_all(to.parent().unwrap_or(&to))?;
        fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(())
}
