//! Debian's kernels, fetched from the mirror that this machine uses anyway, and kept.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use rpcguard_ebpf::build::workspace;

use super::modules;
use crate::{
    process::{self, relative},
    progress::step,
    setup,
};

/// A kernel to test on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernel {
    /// What it is called here.
    pub(super) name: &'static str,
    /// The release of Debian that has it.
    suite: &'static str,
}

/// All of them, the oldest first.
pub(super) const KERNELS: [Kernel; 4] = [
    Kernel {
        name: "5.10",
        suite: "bullseye",
    },
    Kernel {
        name: "6.1",
        suite: "bookworm",
    },
    Kernel {
        name: "6.12",
        suite: "trixie",
    },
    Kernel {
        name: "sid",
        suite: "sid",
    },
];

/// Depends on the newest kernel of a suite. The one for clouds has fewer drivers.
const NEWEST: &str = "linux-image-amd64";

/// What the packages are called that a kernel is made of: one, or in sid, several.
const PARTS: [&str; 4] = [
    "linux-base-",
    "linux-binary-",
    "linux-image-",
    "linux-modules-",
];

/// An unpacked kernel.
#[derive(Clone, Debug)]
pub(super) struct Unpacked {
    /// What the kernel calls itself, as `uname -r` prints it.
    pub(super) release: String,
    pub(super) image: PathBuf,
    /// The modules, in files that are named in the order to load them in.
    pub(super) modules: PathBuf,
}

impl Kernel {
    /// Whether it is the newest of all.
    pub(super) fn is_newest(&self) -> bool {
        KERNELS.last().is_some_and(|last| last.name == self.name)
    }

    /// Fetches and unpacks it, unless that was done before; then no network is needed.
    ///
    /// sid's kernel stays the one that it was when it was fetched, until `target/tools/vm` goes.
    pub(super) fn ensure(&self) -> Result<Unpacked> {
        let directory = directory().join("kernels").join(self.name);
        let unpacked = |release: String| Unpacked {
            release,
            image: directory.join("vmlinuz"),
            modules: directory.join("modules"),
        };
        if modules::are_those_wanted(&directory) {
            return Ok(unpacked(read_release(&directory)?));
        }
        let archives = self.archives()?;
        let what = format!(
            "unpacking Linux {} into {}",
            self.name,
            relative(&directory).display()
        );
        step(&what, || unpack(&archives, &directory))?;
        Ok(unpacked(read_release(&directory)?))
    }

    /// Its packages, fetched if they are not here.
    fn archives(&self) -> Result<Vec<PathBuf>> {
        let directory = directory().join("archives").join(self.name);
        if !directory.is_dir() {
            let what = format!("fetching Linux {} from Debian {}", self.name, self.suite);
            step(&what, || self.fetch(&directory))?;
        }
        let mut archives = Vec::new();
        for entry in fs::read_dir(&directory)? {
            archives.push(entry?.path());
        }
        Ok(archives)
    }

    /// Fetches its packages with an apt that knows of nothing but the suite. What is not signed by
    /// Debian's keys, apt refuses.
    fn fetch(&self, to: &Path) -> Result<()> {
        let parent = directory();
        fs::create_dir_all(to.parent().unwrap_or(&parent))?;
        let scratch = tempfile::tempdir_in(&parent)?;
        let apt = Apt {
            directory: scratch.path(),
        };
        apt.prepare(self.suite)?;
        process::run(apt.command("apt-get").args(["-qq", "update"]))
            .with_context(|| format!("cannot read what Debian {} has", self.suite))?;
        let archives = scratch.path().join("packages");
        fs::create_dir(&archives)?;
        process::run(
            apt.command("apt-get")
                .args(["-qq", "download"])
                .args(apt.parts_of(NEWEST)?)
                .current_dir(&archives),
        )?;
        fs::rename(&archives, to).with_context(|| format!("moving {}", archives.display()))
    }
}

/// apt with lists and settings of its own, so that what this machine is offered for installation
/// stays as it is.
struct Apt<'a> {
    directory: &'a Path,
}

impl Apt<'_> {
    fn prepare(&self, suite: &str) -> Result<()> {
        for directory in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(self.directory.join(directory))?;
        }
        let signed_by = setup::keyring().map(|keyring| format!("[signed-by={keyring}] "));
        let signed_by = signed_by.unwrap_or_default();
        let sources = format!("deb {signed_by}{} {suite} main\n", setup::mirror()?);
        fs::write(self.directory.join("sources.list"), sources)?;
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = process::command(program);
        let path = |name: &str| self.directory.join(name).display().to_string();
        for (option, value) in [
            ("Dir::State", path("state")),
            ("Dir::State::status", "/dev/null".to_owned()),
            ("Dir::Cache", path("cache")),
            ("Dir::Etc::sourcelist", path("sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
            // As the user who runs this: apt's own user may not write here.
            ("APT::Sandbox::User", "root".to_owned()),
            // Package lists only, whatever else this machine has for its desktop.
            (
                "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled",
                "false".to_owned(),
            ),
        ] {
            command.arg("--option").arg(format!("{option}={value}"));
        }
        command
    }

    /// The packages that a kernel is made of, from the one that only depends on it.
    fn parts_of(&self, package: &str) -> Result<Vec<String>> {
        let mut parts = Vec::new();
        let mut ask_about = vec![package.to_owned()];
        while let Some(package) = ask_about.pop() {
            let shown = process::output(self.command("apt-cache").args([
                "show",
                "--no-all-versions",
                &package,
            ]))?;
            for part in parts_in(&shown) {
                if !parts.contains(&part) {
                    parts.push(part.clone());
                    ask_about.push(part);
                }
            }
        }
        if parts.is_empty() {
            bail!("{package} depends on no kernel");
        }
        Ok(parts)
    }
}

/// Those dependencies of a package, as apt-cache shows it, that are parts of a kernel.
fn parts_in(shown: &str) -> Vec<String> {
    shown
        .lines()
        .filter_map(|line| line.strip_prefix("Depends: "))
        .flat_map(|dependencies| dependencies.split(", "))
        .filter_map(|dependency| dependency.split(' ').next())
        .filter(|name| PARTS.iter().any(|part| name.starts_with(part)))
        .map(ToOwned::to_owned)
        .collect()
}

fn unpack(archives: &[PathBuf], to: &Path) -> Result<()> {
    let parent = directory();
    let scratch = tempfile::tempdir_in(&parent)?;
    let tree = scratch.path().join("tree");
    // Where all of Debian's releases up to 12 have their modules, and programs look for them.
    fs::create_dir_all(tree.join("usr/lib"))?;
    std::os::unix::fs::symlink("usr/lib", tree.join("lib"))?;
    for archive in archives {
        process::run(
            process::command("dpkg-deb")
                .arg("--fsys-tarfile")
                .arg(archive)
                .stdout(fs::File::create(scratch.path().join("tar"))?),
        )?;
        process::run(
            process::command("tar")
                .args(["--extract", "--keep-directory-symlink", "--file"])
                .arg(scratch.path().join("tar"))
                .arg("--directory")
                .arg(&tree),
        )?;
    }
    let release = only_name_in(&tree.join("lib/modules"))?;
    let kernel = scratch.path().join("kernel");
    fs::create_dir(&kernel)?;
    let image = [
        tree.join("boot").join(format!("vmlinuz-{release}")),
        tree.join("lib/modules").join(&release).join("vmlinuz"),
    ];
    let image = image.iter().find(|image| image.is_file());
    fs::copy(
        image.context("the packages contain no vmlinuz")?,
        kernel.join("vmlinuz"),
    )?;
    fs::write(kernel.join("release"), &release)?;
    modules::gather(&tree, &release, &kernel)?;
    // Renamed when complete, so that an interrupted set-up is not mistaken for a finished one.
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to.parent().unwrap_or(&parent))?;
    fs::rename(&kernel, to).with_context(|| format!("moving {}", kernel.display()))
}

fn only_name_in(directory: &Path) -> Result<String> {
    let mut names = Vec::new();
    for entry in
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?
    {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    match <[String; 1]>::try_from(names) {
        Ok([name]) => Ok(name),
        Err(names) => bail!("{} has {names:?}, and not one entry", directory.display()),
    }
}

fn read_release(directory: &Path) -> Result<String> {
    let path = directory.join("release");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Where kernels are kept.
fn directory() -> PathBuf {
    workspace().join("target/tools/vm")
}

#[cfg(test)]
mod tests {
    use super::parts_in;

    #[test]
    fn the_parts_of_a_kernel_are_told_from_its_other_dependencies() {
        let shown = "Package: linux-image-7.2.13+deb14-amd64\n\
                     Depends: dracut | linux-initramfs-tool, linux-base (>= 4.3~), linux-base-7.2.13+deb14-amd64 (= 1), \
                     linux-binary-7.2.13+deb14-amd64 (= 7.2.13-1), \
                     linux-modules-7.2.13+deb14-amd64 (= 7.2.13-1)\n\
                     Recommends: linux-image-extra\n";
        assert_eq!(
            parts_in(shown),
            [
                "linux-base-7.2.13+deb14-amd64",
                "linux-binary-7.2.13+deb14-amd64",
                "linux-modules-7.2.13+deb14-amd64"
            ]
        );
    }
}
