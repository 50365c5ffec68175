//! What goes where on the machine that rpcguard is installed on.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rpcguard_ebpf::build::workspace;

use super::licences;
use crate::process;

/// Files of the sources as they are, and where they go.
const FILES: [(&str, &str); 13] = [
    ("deploy/scripts/renew", "usr/lib/rpcguard/renew"),
    (
        "deploy/systemd/rpcguard.service",
        "usr/lib/systemd/system/rpcguard.service",
    ),
    (
        "deploy/systemd/rpcguard@.service",
        "usr/lib/systemd/system/rpcguard@.service",
    ),
    (
        "deploy/examples/rpcguard.toml",
        "etc/rpcguard/rpcguard.toml",
    ),
    (
        "deploy/examples/rpcguard.toml",
        "usr/share/doc/rpcguard/examples/rpcguard.toml",
    ),
    (
        "deploy/examples/interface.conf",
        "usr/share/doc/rpcguard/examples/interface.conf",
    ),
    (
        "deploy/prometheus/rpcguard.rules.yml",
        "usr/share/doc/rpcguard/prometheus/rpcguard.rules.yml",
    ),
    (
        "deploy/grafana/rpcguard.json",
        "usr/share/doc/rpcguard/grafana/rpcguard.json",
    ),
    ("README.md", "usr/share/doc/rpcguard/README.md"),
    ("docs/OPERATING.md", "usr/share/doc/rpcguard/OPERATING.md"),
    ("CHANGELOG.md", "usr/share/doc/rpcguard/changelog"),
    ("LICENSE-APACHE", "usr/share/doc/rpcguard/LICENSE-APACHE"),
    ("LICENSE-MIT", "usr/share/doc/rpcguard/LICENSE-MIT"),
];

/// Shells, and where Debian has what completes their command lines.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/rpcguard"),
    ("zsh", "usr/share/zsh/vendor-completions/_rpcguard"),
    ("fish", "usr/share/fish/vendor_completions.d/rpcguard.fish"),
];

/// Where packages find it: the assets in rpcguard/Cargo.toml are below.
fn directory() -> PathBuf {
    workspace().join("target/dist/stage")
}

/// Lays out everything for a target, in place of what was laid out before.
pub(super) fn lay_out(target: &str, binary: &Path) -> Result<PathBuf> {
    let stage = directory();
    if stage.exists() {
        fs::remove_dir_all(&stage).with_context(|| format!("cannot remove {}", stage.display()))?;
    }
    copy(binary, &stage.join("usr/bin/rpcguard"))?;
    for (from, to) in FILES {
        copy(&workspace().join(from), &stage.join(to))?;
    }
    let documents = stage.join("usr/share/doc/rpcguard");
    write(
        &documents.join("LICENSES-THIRD-PARTY"),
        licences::third_party(target)?.as_bytes(),
    )?;
    generate(&stage)?;
    // As Debian wants them.
    let pages =
        fs::read_dir(stage.join("usr/share/man/man8"))?.collect::<std::io::Result<Vec<_>>>()?;
    let pages = pages.iter().map(fs::DirEntry::path);
    let mut gzip = process::command("gzip");
    gzip.args(["-n", "-9"])
        .args(["changelog", "LICENSES-THIRD-PARTY"].map(|name| documents.join(name)));
    process::run(gzip.args(pages))?;
    Ok(stage)
}

/// What comes from the grammar: that of the target cannot be run everywhere, and has the same.
fn generate(stage: &Path) -> Result<()> {
    process::run(&mut process::cargo(&[
        "build",
        "--quiet",
        "--package",
        "rpcguard",
    ]))?;
    let rpcguard = process::target_directory().join("debug/rpcguard");
    let pages = stage.join("usr/share/man/man8");
    fs::create_dir_all(&pages)?;
    process::run(process::command(&rpcguard).arg("man").arg(&pages))?;
    for (shell, path) in SHELLS {
        let script = process::output(process::command(&rpcguard).args(["completions", shell]))?;
        write(&stage.join(path), script.as_bytes())?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    write(to, &content)?;
    // Whatever the umask of whoever checked it out.
    let executable = fs::metadata(from)?.permissions().mode() & 0o100 != 0;
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

fn write(to: &Path, content: &[u8]) -> Result<()> {
    let directory = to.parent().unwrap_or(to);
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    fs::write(to, content).with_context(|| format!("cannot write {}", to.display()))
}
