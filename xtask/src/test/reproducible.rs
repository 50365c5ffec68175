//! Whether the BPF object depends on where it was built.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use rpcguard_ebpf::build::{self, Flavour, workspace};

use crate::{lint::Outcome, process};

/// The objects of the package.
const OBJECTS: [&str; 2] = ["rpcguard", "lab"];

/// Builds a copy of the workspace in another directory, deeper and in a target directory of its
/// own, and compares what comes out with what this workspace built.
///
/// The copy stays, and what did not change is not built again.
pub(super) fn check() -> Result<Outcome> {
    let copy = process::target_directory().join("reproducible/a/copy/of/the workspace");
    copy_sources(&copy)?;
    copy_tools(&copy)?;
    for flavour in [Flavour::Embedded, Flavour::Portable { cpus: 1 }] {
        let here = build::build(flavour)?;
        let there = build::build_in(&copy, &copy.join("target/elsewhere"), flavour)?;
        for object in OBJECTS {
            let [here, there] = [&here, &there].map(|directory| directory.join(object));
            let read = |path: &Path| {
                fs::read(path).with_context(|| format!("cannot read {}", path.display()))
            };
            if read(&here)? != read(&there)? {
                bail!("{} and {} differ", here.display(), there.display());
            }
        }
    }
    Ok(Outcome::Passed)
}

/// Copies the tools that cargo has built, where they are not there already.
pub(crate) fn copy_tools(to: &Path) -> Result<()> {
    let there = build::linker(to);
    let there = there.parent().unwrap_or(to);
    fs::create_dir_all(there)?;
    let here = build::linker(workspace());
    for tool in fs::read_dir(here.parent().unwrap_or(&here)).context("cannot list tools")? {
        let tool = tool?;
        let copy = there.join(tool.file_name());
        if !copy.exists() {
            fs::copy(tool.path(), &copy)
                .with_context(|| format!("cannot copy {}", tool.path().display()))?;
        }
    }
    Ok(())
}

/// Copies what is in git or could be added to it, as it is now, where it is not there already.
pub(crate) fn copy_sources(to: &Path) -> Result<()> {
    let list = [
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ];
    let listed = process::output(process::command("git").args(list))
        .context("only a git checkout can be copied")?;
    // A file that is gone would stay.
    let names = to.with_extension("names");
    if to.exists() && !fs::read_to_string(&names).is_ok_and(|there| there == listed) {
        fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    fs::create_dir_all(to)?;
    fs::write(&names, &listed).with_context(|| format!("cannot write {}", names.display()))?;
    for name in listed.split_terminator('\0') {
        let from = workspace().join(name);
        // Deleted, and not yet committed so.
        if !from.exists() {
            continue;
        }
        let to = to.join(name);
        let failed = || format!("cannot read {}", from.display());
        let content = fs::read(&from).with_context(failed)?;
        if fs::read(&to).is_ok_and(|there| there == content) {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap_or(&to))?;
        fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(())
}
