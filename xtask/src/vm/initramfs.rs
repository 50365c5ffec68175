//! What a virtual machine boots: a root directory with nothing but what the tests need.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result};
use rpcguard_ebpf::build::{self, Flavour, workspace};

use super::{kernels, programs::Program};
use crate::{process, setup};

const INIT: &str = include_str!("init.sh");

/// Programs of this machine that the tests run, besides what busybox has. Those that are missing here
/// are missing there, and tests say so.
const TOOLS: [&str; 6] = [
    "ip",
    "ethtool",
    "rpcbind",
    "rpcinfo",
    "xdp-filter",
    "xdp-loader",
];

/// Files that these look into.
const FILES: [&str; 3] = ["/etc/netconfig", "/etc/protocols", "/etc/services"];

/// Directories of BPF objects that these load.
const OBJECTS: [&str; 2] = ["/usr/lib/x86_64-linux-gnu/bpf", "/usr/lib/bpf"];

/// For how many processors the object for other loaders is built: more than a machine has.
const CPUS: u32 = 8;

/// What tests read, from where they were built.
const FIXTURES: &str = "tests/fixtures";

/// Writes the archive for one kernel; what it runs is in `programs`, and `environment` are its words of
/// the form NAME=value.
pub(super) fn write(
    kernel: &kernels::Unpacked,
    programs: &[Program],
    newest: bool,
    environment: &[String],
    archive: &Path,
) -> Result<()> {
    let scratch = tempfile::tempdir_in(archive.parent().unwrap_or(archive))?;
    let root = Root::new(scratch.path());
    for directory in ["dev", "etc", "proc", "run", "sys", "tmp", "usr/sbin"] {
        fs::create_dir_all(root.path(directory))?;
    }
    root.add_busybox()?;
    for tool in TOOLS {
        if let Ok(path) = find(tool) {
            root.add(&path, &format!("/usr/sbin/{tool}"))?;
        }
    }
    for file in FILES {
        let from = [PathBuf::from(file), setup::unpacked().join(&file[1..])];
        if let Some(from) = from.iter().find(|from| from.is_file()) {
            root.copy(from, file)?;
        }
    }
    for directory in OBJECTS {
        for from in [
            PathBuf::from(directory),
            setup::unpacked().join(&directory[1..]),
        ] {
            for object in fs::read_dir(from).into_iter().flatten().flatten() {
                let name = object.file_name();
                root.copy(&object.path(), &format!("{directory}/{}", name.display()))?;
            }
        }
    }
    let object = build::build(Flavour::Portable { cpus: CPUS })?.join("rpcguard");
    root.copy(&object, "/tests/rpcguard.bpf.o")?;
    // rpcbind becomes that user.
    root.write(
        "/etc/passwd",
        "root:x:0:0::/:/bin/sh\n_rpc:x:65534:65534::/run:/bin/false\n",
    )?;
    root.write("/etc/group", "root:x:0:\nnogroup:x:65534:\n")?;
    root.write("/etc/nsswitch.conf", "passwd: files\nservices: files\n")?;
    root.add_modules(kernel)?;
    for program in programs {
        root.add(&program.path, &format!("/tests/{}", program.name))?;
    }
    let list: String = programs
        .iter()
        .filter_map(|program| program.line(newest))
        .collect();
    root.write("/tests/list", &list)?;
    root.write("/tests/environment", &environment.join("\n"))?;
    let fixtures = workspace().join(FIXTURES);
    process::run(
        process::command("cp")
            .arg("--recursive")
            .arg(&fixtures)
            .arg(root.parent_of(&fixtures)?),
    )?;
    root.write_init(INIT)?;
    root.pack(archive)
}

/// A directory that becomes the root.
pub(super) struct Root<'a>(&'a Path);

impl<'a> Root<'a> {
    /// One that exists.
    pub(super) const fn new(directory: &'a Path) -> Self {
        Self(directory)
    }

    pub(super) fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        self.0.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    /// Where a file of this absolute path goes, in a directory that exists.
    fn parent_of(&self, absolute: &Path) -> Result<PathBuf> {
        let path = self.path(absolute);
        fs::create_dir_all(path.parent().unwrap_or(self.0))?;
        Ok(path)
    }

    pub(super) fn write(&self, to: &str, text: &str) -> Result<()> {
        fs::write(self.parent_of(Path::new(to))?, text)
            .with_context(|| format!("cannot write {to}"))
    }

    pub(super) fn copy(&self, from: &Path, to: &str) -> Result<()> {
        fs::copy(from, self.parent_of(Path::new(to))?)
            .with_context(|| format!("cannot copy {}", from.display()))?;
        Ok(())
    }

    /// Copies a program, and the libraries that it needs.
    fn add(&self, program: &Path, to: &str) -> Result<()> {
        self.copy(program, to)?;
        for library in libraries(program)? {
            if !self.path(&library).exists() {
                let to = library.to_string_lossy().into_owned();
                self.copy(&library, &to)?;
            }
        }
        Ok(())
    }

    /// Adds a shell, and the commands that busybox has.
    pub(super) fn add_busybox(&self) -> Result<()> {
        self.add(&find("busybox")?, "/bin/busybox")?;
        symlink("busybox", self.path("bin/sh"))?;
        Ok(())
    }

    /// Adds a kernel's modules.
    pub(super) fn add_modules(&self, kernel: &kernels::Unpacked) -> Result<()> {
        for entry in fs::read_dir(&kernel.modules)? {
            let entry = entry?;
            let name = entry.file_name();
            self.copy(&entry.path(), &format!("/modules/{}", name.display()))?;
        }
        Ok(())
    }

    /// Writes what the kernel starts.
    pub(super) fn write_init(&self, script: &str) -> Result<()> {
        self.write("/init", script)?;
        fs::set_permissions(self.path("init"), fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// The kernel unpacks it as it is: to compress it would take longer than that saves.
    pub(super) fn pack(&self, archive: &Path) -> Result<()> {
        let mut find = process::command("find");
        find.args([".", "-print0"]).current_dir(self.0);
        let mut names = find.stdout(Stdio::piped()).spawn()?;
        let mut cpio = process::command("cpio");
        cpio.args(["--create", "--format=newc", "--null", "--quiet"])
            .args(["--owner=0:0", "--reproducible"])
            .current_dir(self.0)
            .stdin(names.stdout.take().context("find has an output")?)
            .stdout(fs::File::create(archive)?);
        process::run(&mut cpio)?;
        names.wait()?;
        Ok(())
    }
}

/// Where a program of this machine is, installed or unpacked.
fn find(name: &str) -> Result<PathBuf> {
    let directories: Vec<PathBuf> = std::env::split_paths(&process::path())
        .chain(["usr/sbin", "usr/bin", "sbin", "bin"].map(|bin| setup::unpacked().join(bin)))
        .collect();
    directories
        .iter()
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("there is no {name} here"))
}

/// The shared libraries of a program, its interpreter among them.
fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>> {
    // It fails for a program that has none.
    let output = process::command("ldd").arg(program).output()?;
    Ok(libraries_in(&String::from_utf8_lossy(&output.stdout)))
}

/// The absolute paths in what ldd prints.
fn libraries_in(printed: &str) -> BTreeSet<PathBuf> {
    printed
        .lines()
        .flat_map(str::split_whitespace)
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::libraries_in;

    #[test]
    fn libraries_are_those_that_ldd_found_and_the_interpreter() {
        let printed = "\tlinux-vdso.so.1 (0x00007ffd2a5c8000)\n\
                       \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1c2f600000)\n\
                       \t/lib64/ld-linux-x86-64.so.2 (0x00007f1c2f8f1000)\n";
        let found: Vec<_> = libraries_in(printed)
            .into_iter()
            .map(|path| path.display().to_string())
            .collect();
        assert_eq!(
            found,
            [
                "/lib/x86_64-linux-gnu/libc.so.6",
                "/lib64/ld-linux-x86-64.so.2"
            ]
        );
        assert!(libraries_in("\tstatically linked\n").is_empty());
    }
}
