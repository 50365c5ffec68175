//! A Debian with systemd, which is booted three times in a row to disable its portmapper and to undo that, and to
//! have it guarded from the beginning.

use std::{fs, path::Path, time::Instant};

use anyhow::{Context as _, Result};

use super::{
    console, initramfs, kernels,
    programs::Program,
    qemu::{self, Hardware, Machine},
};
use crate::{dist, process, setup, tally::Tally};

/// What the results are listed under.
const NAME: &str = "systemd";

/// The kernel of the Debian that is on the disk.
const KERNEL: &str = "6.1";

/// Mounts the disk, and leaves the rest to systemd.
const INIT: &str = include_str!("systemd/init.sh");

/// Is run by systemd at each boot, by [`UNIT`].
const TEST: &str = include_str!("systemd/test.sh");
const UNIT: &str = include_str!("systemd/test.service");

/// How often it is booted at most.
const BOOTS: usize = 3;

/// What the test prints when no other boot is to follow.
const DONE: &str = "@@ DONE";

/// Runs the command and its test program there.
pub(super) fn run(programs: &[Program], kvm: bool) -> Result<Tally> {
    let begun = Instant::now();
    let pristine = setup::systemd_disk()?;
    let kernel = super::chosen(&[KERNEL.to_owned()])?;
    let kernel = kernel.first().context("a kernel was named")?.ensure()?;
    let directory = super::directory()?;
    let [archive, disk, console] =
        ["cpio", "ext4", "console"].map(|ending| directory.join(format!("{NAME}.{ending}")));
    fs::copy(&pristine, &disk).with_context(|| format!("copying {}", pristine.display()))?;
    write_initramfs(&kernel, programs, &dist::deb_for_tests()?, &archive)?;
    let mut read = console::Reader::default();
    let mut messages = String::new();
    let mut stopped = None;
    let mut done = false;
    for _ in 0..BOOTS {
        // A machine of its own each time: to boot again in the same one, emulated, takes five times as
        // long.
        let boot = directory.join(format!("{NAME}.boot"));
        let machine = Machine {
            kernel: &kernel,
            initramfs: &archive,
            console: &boot,
            kvm,
            hardware: Hardware::Disk(&disk),
        };
        stopped = machine.run(|line| {
            println!("[{NAME}] {line}");
            done |= line == DONE;
            read.line(line);
        })?;
        let said = fs::read(&boot).context("cannot read the kernel's messages")?;
        messages.push_str(&String::from_utf8_lossy(&said));
        fs::remove_file(&boot)?;
        if done || stopped.is_some() {
            break;
        }
    }
    fs::write(&console, &messages).context("cannot keep the kernel's messages")?;
    fs::remove_file(&archive)?;
    fs::remove_file(&disk)?;
    let where_else = process::relative(&console).display().to_string();
    let tally = read.finish(stopped, &messages, &where_else, &kernel);
    println!(
        "[{NAME}] {} in {}",
        tally.counts(),
        qemu::seconds_since(begun)
    );
    Ok(tally)
}

/// What is on the disk is Debian, and nothing else: what is tested, and what tests it, come from here.
fn write_initramfs(
    kernel: &kernels::Unpacked,
    programs: &[Program],
    deb: &Path,
    archive: &Path,
) -> Result<()> {
    let scratch = tempfile::tempdir_in(archive.parent().unwrap_or(archive))?;
    let root = initramfs::Root::new(scratch.path());
    for directory in ["dev", "disk", "proc", "run", "sys"] {
        fs::create_dir(root.path(directory))?;
    }
    root.add_busybox()?;
    root.add_modules(kernel)?;
    for program in programs {
        root.copy(&program.path, &format!("/rpcguard/{}", program.name))?;
    }
    root.copy(deb, "/rpcguard/rpcguard.deb")?;
    root.write("/rpcguard/test.sh", TEST)?;
    root.write("/rpcguard-test.service", UNIT)?;
    root.write_init(INIT)?;
    root.pack(archive)
}

/// Whether some of its tests are among those that a run is restricted to.
pub(super) fn is_chosen(filters: &[String]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| filter.contains(NAME))
}
