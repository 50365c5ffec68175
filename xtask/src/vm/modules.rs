//! The kernel modules that the tests need.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// What Debian builds as modules: drivers of the machine's network cards, kinds of interfaces, and for the
/// machine that has one, a disk.
const WANTED: [&str; 12] = [
    "virtio_pci",
    "virtio_blk",
    "ext4",
    "virtio_net",
    "vmxnet3",
    "e1000",
    "veth",
    "bridge",
    "8021q",
    "bonding",
    "tun",
    "dummy",
];

/// Lists what was gathered, so that another list is noticed.
const LIST: &str = "wanted";

/// Whether [`gather`] has been here, with the same wishes.
pub(super) fn are_those_wanted(kernel: &Path) -> bool {
    fs::read_to_string(kernel.join(LIST)).is_ok_and(|list| list == WANTED.join("\n"))
}

/// Copies the modules and those that they depend on from an unpacked package to
/// `<kernel>/modules`, numbered in the order to load them in, and not compressed.
pub(super) fn gather(tree: &Path, release: &str, kernel: &Path) -> Result<()> {
    process::run(
        process::command("depmod")
            .arg("--basedir")
            .arg(tree)
            .arg(release)
            .stderr(Stdio::null()),
    )?;
    let to = kernel.join("modules");
    fs::create_dir(&to)?;
    for (number, module) in in_order(tree, release)?.iter().enumerate() {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        let bare = name.trim_end_matches(".xz");
        let copy = to.join(format!("{number:02}-{bare}"));
        if bare == name {
            fs::copy(module, &copy).with_context(|| format!("copying {}", module.display()))?;
        } else {
            process::run(
                process::command("xz")
                    .args(["--decompress", "--stdout"])
                    .arg(module)
                    .stdout(fs::File::create(&copy)?),
            )?;
        }
    }
    fs::write(kernel.join(LIST), WANTED.join("\n"))?;
    Ok(())
}

/// The files, each after those that it needs.
fn in_order(tree: &Path, release: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for module in WANTED {
        let shown = process::output(
            process::command("modprobe")
                .arg("--dirname")
                .arg(tree)
                .args(["--set-version", release])
                // No settings of this machine.
                .args(["--config", "/dev/null", "--show-depends", module]),
        )?;
        for line in shown.lines() {
            // The other form is `builtin name`.
            let Some(path) = line.strip_prefix("insmod ") else {
                continue;
            };
            let path = PathBuf::from(path.trim());
            if !path.is_file() {
                bail!("modprobe names {}, which is not there", path.display());
            }
            if !files.contains(&path) {
                files.push(path);
            }
        }
    }
    Ok(files)
}
