//! Small Debian systems, made with debootstrap, in which tests disable the portmapper. Nothing of them is
//! installed on this machine.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use rpcguard_ebpf::build::workspace;

use super::mirror;
use crate::{
    process::{self, relative},
    progress::step,
    root,
};

/// The release of Debian that they are of.
const SUITE: &str = "bookworm";

const WHY_ROOT: &str = "to make a Debian system";

/// In bytes, by how much the disk is larger than what is on it.
const FREE: u64 = 128 << 20;

/// A system, and the packages that it has besides the least that Debian can do with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    name: &'static str,
    packages: &'static str,
}

impl Tree {
    /// Init scripts, and what makes links to them.
    pub(super) const SYSV: Self = Self {
        name: "sysv",
        packages: "sysvinit-core,sysv-rc,initscripts,rpcbind,netbase",
    };

    /// OpenRC, which takes the place of sysv-rc.
    pub(super) const OPENRC: Self = Self {
        name: "openrc",
        packages: "openrc,rpcbind,netbase",
    };

    /// systemd, with all that starts the portmapper.
    pub(super) const SYSTEMD: Self = Self {
        name: "systemd",
        packages: "systemd,systemd-sysv,udev,rpcbind,nfs-common,netbase",
    };

    /// Makes it, unless it is there, of these packages; then no network is needed. Returns where it is.
    pub(super) fn ensure(self) -> Result<PathBuf> {
        let tree = directory().join(self.name);
        let made_of = tree.with_extension("packages");
        if tree.is_dir() && fs::read_to_string(&made_of).is_ok_and(|made| made == self.packages) {
            return Ok(tree);
        }
        remove(&tree)?;
        remove(&self.disk_path())?;
        let what = format!(
            "making a Debian with {} in {}",
            self.name,
            relative(&tree).display()
        );
        step(&what, || self.make(&tree))?;
        fs::write(&made_of, self.packages)
            .with_context(|| format!("cannot write {}", made_of.display()))?;
        Ok(tree)
    }

    fn make(self, tree: &Path) -> Result<()> {
        let directory = directory();
        let archives = directory.join("archives");
        fs::create_dir_all(&archives)?;
        let scratch = directory.join(format!("{}.unfinished", self.name));
        remove(&scratch)?;
        let log = directory.join(format!("{}.log", self.name));
        let mut debootstrap = as_root("debootstrap")?;
        debootstrap.arg("--variant=minbase");
        debootstrap.arg(format!("--include={}", self.packages));
        // The systems have most packages in common.
        debootstrap.arg(format!("--cache-dir={}", archives.display()));
        if let Some(keyring) = mirror::keyring() {
            debootstrap.arg(format!("--keyring={keyring}"));
        }
        debootstrap
            .arg(SUITE)
            .arg(&scratch)
            .arg(mirror::mirror()?)
            .stdout(File::create(&log)?);
        process::run(&mut debootstrap)
            .with_context(|| format!("see {}", relative(&log).display()))?;
        // Copies of the archives: what they were for is done.
        let mut clean = as_root("chroot")?;
        process::run(clean.arg(&scratch).args(["apt-get", "clean"]))?;
        // Renamed when complete, so that an interrupted set-up is not mistaken for a finished one.
        process::run(as_root("mv")?.arg(&scratch).arg(tree))
    }

    fn disk_path(self) -> PathBuf {
        directory().join(format!("{}.ext4", self.name))
    }

    /// A disk with the system on it, without partitions; made unless it is there.
    pub(super) fn disk(self) -> Result<PathBuf> {
        let disk = self.disk_path();
        let tree = self.ensure()?;
        if disk.is_file() {
            return Ok(disk);
        }
        step(&format!("making {}", relative(&disk).display()), || {
            make_disk(&tree, &disk)
        })?;
        Ok(disk)
    }
}

fn make_disk(tree: &Path, disk: &Path) -> Result<()> {
    let used = process::output(as_root("du")?.args(["--summarize", "--bytes"]).arg(tree))?;
    let used = used.split_whitespace().next().map(str::parse::<u64>);
    let Some(Ok(used)) = used else {
        bail!("du does not tell the size of {}", tree.display());
    };
    let scratch = disk.with_extension("unfinished");
    remove(&scratch)?;
    // Files take whole blocks.
    File::create(&scratch)?.set_len(used * 5 / 4 + FREE)?;
    process::run(
        as_root("mke2fs")?
            .args(["-q", "-F", "-t", "ext4", "-d"])
            .arg(tree)
            .arg(&scratch),
    )?;
    fs::rename(&scratch, disk).with_context(|| format!("moving {}", scratch.display()))
}

/// Files of other users, and device files, are only root's to make.
fn as_root(program: &str) -> Result<Command> {
    root::command(program, WHY_ROOT)
}

fn remove(path: &Path) -> Result<()> {
    if path.exists() {
        let mut remove = as_root("rm")?;
        process::run(remove.args(["--recursive", "--one-file-system"]).arg(path))?;
    }
    Ok(())
}

/// The same directory as `RPCGUARD_TREES` in `.cargo/config.toml`, which is where the tests look.
fn directory() -> PathBuf {
    env::var_os("RPCGUARD_TREES")
        .map_or_else(|| workspace().join("target/tools/trees"), PathBuf::from)
}
