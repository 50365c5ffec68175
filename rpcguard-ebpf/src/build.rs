//! Runs cargo for the BPF target.
//!
//! Used by rpcguard's build script and by `cargo xtask`, so that there is one way to build it.

use std::{
    env, fmt, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What the object is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Embedded in the rpcguard binary, with aya-log inside.
    Embedded,
    /// For `bpftool prog load`, `xdp-loader` and other users of libbpf.
    Portable,
}

/// Why the object could not be built.
#[derive(Debug)]
pub enum Error {
    /// Something that `cargo xtask setup` installs is missing.
    NotSetUp(&'static str),
    /// Cargo or rustc could not be started.
    Spawn(PathBuf, io::Error),
    /// The object could not be copied.
    Copy(PathBuf, io::Error),
    /// Cargo failed; it has said why.
    Failed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSetUp(what) => {
                write!(
                    f,
                    "cannot build the BPF object: {what} is missing; run `cargo xtask setup`"
                )
            }
            Self::Spawn(program, error) => write!(f, "cannot run {}: {error}", program.display()),
            Self::Copy(object, error) => write!(f, "cannot copy {}: {error}", object.display()),
            Self::Failed => write!(f, "building the BPF object failed"),
        }
    }
}

impl std::error::Error for Error {}

/// The root of this workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where `cargo xtask setup` puts the linker, in a workspace.
#[must_use]
pub fn linker(workspace: &Path) -> PathBuf {
    workspace.join("target/tools/bin/bpf-linker")
}

/// A cargo invocation that compiles this package for BPF, as it is in the workspace at `root`; the
/// caller adds the subcommand's own arguments.
///
/// The compiler is the workspace's own: `RUSTC_BOOTSTRAP` lets this one invocation use the two
/// unstable features that the target needs (building core, and BPF target features), so that no
/// nightly toolchain is needed.
///
/// # Errors
///
/// [`Error::NotSetUp`], [`Error::Spawn`].
pub fn cargo(
    root: &Path,
    subcommand: &str,
    target_dir: &Path,
    flavour: Flavour,
) -> Result<Command, Error> {
    let sysroot = sysroot()?;
    if !sysroot.join("lib/rustlib/src/rust/library/core").is_dir() {
        return Err(Error::NotSetUp("rust-src"));
    }
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let linker = linker(&root);
    if !linker.is_file() {
        return Err(Error::NotSetUp("bpf-linker"));
    }
    let cargo_home = env::var_os("CARGO_HOME").map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        PathBuf::from,
    );
    // Paths end up in debug information, and would make the object depend on where it was built.
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let flags = [
        format!("--cfg=bpf_target_arch=\"{}\"", env::consts::ARCH),
        // v3 (32-bit jumps and registers) is understood since Linux 5.1.
        "-Ctarget-cpu=v3".to_owned(),
        // x86-64 and arm64 kernels accept it, and it spares assembling words from bytes.
        "-Ctarget-feature=+allows-misaligned-mem-access".to_owned(),
        format!("-Clinker={}", linker.display()),
        "-Clink-arg=--btf".to_owned(),
        remap(&cargo_home, "/cargo"),
        remap(&sysroot, "/rust"),
        remap(&root, "/rpcguard"),
    ];
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&root)
        .arg(subcommand)
        .args(["--package", "rpcguard-ebpf", "--bins", "--profile", "bpf"])
        .args(["--target", "bpfel-unknown-none", "-Zbuild-std=core"])
        .arg("--target-dir")
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("RUSTC_BOOTSTRAP", "1")
        // Set by the cargo that runs a build script, for its own target.
        .env_remove("RUSTC")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    if flavour == Flavour::Embedded {
        cargo.args(["--features", "log"]);
    }
    Ok(cargo)
}

/// Builds both objects; returns the directory that they are in, as `rpcguard` and `lab`.
///
/// # Errors
///
/// All of [`Error`].
pub fn build(flavour: Flavour) -> Result<PathBuf, Error> {
    let target_dir = workspace().join("target/bpf").join(match flavour {
        Flavour::Embedded => "embedded",
        Flavour::Portable => "portable",
    });
    build_in(workspace(), &target_dir, flavour)
}

/// As [`build`], of the workspace at `root` and in a target directory of the caller's.
///
/// # Errors
///
/// All of [`Error`].
pub fn build_in(root: &Path, target_dir: &Path, flavour: Flavour) -> Result<PathBuf, Error> {
    let mut cargo = cargo(root, "build", target_dir, flavour)?;
    // A build script's standard output is a protocol.
    cargo.stdout(Stdio::null());
    let program = PathBuf::from(cargo.get_program());
    let status = cargo
        .status()
        .map_err(|error| Error::Spawn(program, error))?;
    if !status.success() {
        return Err(Error::Failed);
    }
    Ok(target_dir.join("bpfel-unknown-none/bpf"))
}

/// The whole of a build script that embeds one of the objects: copies it to `OUT_DIR` as
/// `<object>.bpf.o`, and has it built again when its sources change.
///
/// # Errors
///
/// All of [`Error`].
pub fn embed(object: &str) -> Result<(), Error> {
    for source in [
        "rpcguard-ebpf",
        "rpcguard-common",
        "Cargo.toml",
        "Cargo.lock",
        "target/tools/bin/bpf-linker",
    ] {
        println!(
            "cargo::rerun-if-changed={}",
            workspace().join(source).display()
        );
    }
    let built = build(Flavour::Embedded)?.join(object);
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let target = out.join(format!("{object}.bpf.o"));
    std::fs::copy(&built, &target).map_err(|error| Error::Copy(built, error))?;
    Ok(())
}

/// Where the toolchain of this workspace is.
///
/// # Errors
///
/// [`Error::Spawn`].
pub fn sysroot() -> Result<PathBuf, Error> {
    let rustc = PathBuf::from("rustc");
    let output = Command::new(&rustc)
        .current_dir(workspace())
        .args(["--print", "sysroot"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Error::Spawn(rustc, error))?;
    let path = String::from_utf8_lossy(&output.stdout);
    Ok(PathBuf::from(path.trim()))
}
