//! `cargo xtask fuzz`: looks for bytes that the properties of `tests/fuzz` do not hold for.
//!
//! What a fuzzer finds on its way goes under `target/fuzz`; the corpora that are stored with the sources,
//! for the tests, only change with `--minimize`.

mod log;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail};
use rpcguard_ebpf::build::workspace;

use crate::{
    process::{self, relative, target_directory},
    progress::step,
    setup,
};
use log::Log;

/// The longest input, in bytes: as far into a frame as the parser goes, and a call behind it.
const MAX_LEN: u32 = 4608;

/// An input that takes more seconds than this, or more megabytes, is a finding.
const MAX_SECONDS: u32 = 60;
const MAX_MEGABYTES: u32 = 1024;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only these fuzzers
    targets: Vec<String>,
    /// Run each for so long
    #[arg(long, value_name = "N", default_value_t = 600)]
    seconds: u32,
    /// Then replace the stored corpora by a few inputs that reach as much as all together
    #[arg(long)]
    minimize: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let targets = chosen(&args.targets)?;
    setup::for_building()?;
    step("building the fuzzers", build)?;
    let mut summary = String::new();
    let mut failed = false;
    for target in &targets {
        let log = step(
            &format!("fuzzing {} for {} s", target.name, args.seconds),
            || target.fuzz(args.seconds),
        )?;
        failed |= log.finding.is_some();
        summary.push_str(&format!("{:<12} {log}\n", target.name));
        if args.minimize && log.finding.is_none() {
            step(&format!("minimizing the corpus of {}", target.name), || {
                target.minimize()
            })?;
        }
    }
    print!("{summary}");
    Ok(match failed {
        false => ExitCode::SUCCESS,
        true => ExitCode::FAILURE,
    })
}

/// A fuzzer: `targets/NAME.rs` of the package.
struct Target {
    name: String,
}

fn package() -> PathBuf {
    workspace().join("tests/fuzz")
}

/// The fuzzers of these names, or all.
fn chosen(names: &[String]) -> Result<Vec<Target>> {
    let mut known = Vec::new();
    for entry in fs::read_dir(package().join("targets"))? {
        if let Some(name) = entry?.path().file_stem() {
            known.push(name.to_string_lossy().into_owned());
        }
    }
    known.sort();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        bail!(
            "there is no fuzzer `{name}`; there are {}",
            known.join(", ")
        );
    }
    let chosen = if names.is_empty() { &known } else { names };
    Ok(chosen
        .iter()
        .map(|name| Target { name: name.clone() })
        .collect())
}

/// Builds all of them with AddressSanitizer and with everything that std and the compiler can check. As
/// for the BPF object, `RUSTC_BOOTSTRAP` lets this one build use what is unstable: sanitizers, and
/// building std.
fn build() -> Result<()> {
    if !process::exists("c++") {
        bail!("libFuzzer needs a C++ compiler, and there is none: install g++");
    }
    let fuzz = setup::cargo_fuzz()?;
    process::run(
        process::command(fuzz.path())
            .args(["build", "--release", "--debug-assertions", "--careful"])
            .args(["--features", "libfuzzer"])
            .arg("--fuzz-dir")
            .arg(package())
            .arg("--target-dir")
            .arg(directory().join("build"))
            .env("RUSTC_BOOTSTRAP", "1")
            // Of no use here, and slow.
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            // Lines in the traces of findings.
            .env("CARGO_PROFILE_RELEASE_STRIP", "none"),
    )
}

/// Where everything goes.
fn directory() -> PathBuf {
    target_directory().join("fuzz")
}

impl Target {
    fn program(&self) -> Result<PathBuf> {
        // Behind the name of the target that it was built for, which cargo-fuzz always gives.
        let host = process::output(process::command("rustc").args(["--print", "host-tuple"]))?;
        let built = directory().join("build").join(host.trim());
        Ok(built.join("release").join(&self.name))
    }

    fn stored(&self) -> PathBuf {
        package().join("corpus").join(&self.name)
    }

    /// What else is stored, and not to be minimized.
    fn others(&self) -> [PathBuf; 2] {
        ["seeds", "regressions"].map(|kind| package().join(kind).join(&self.name))
    }

    /// What was found here, over all runs.
    fn found(&self) -> PathBuf {
        directory().join("corpus").join(&self.name)
    }

    fn command(&self) -> Result<Command> {
        let mut command = process::command(self.program()?);
        command.arg(format!("-max_len={MAX_LEN}"));
        Ok(command)
    }

    /// Those of the corpora that exist: libFuzzer refuses others.
    fn corpora(&self) -> impl Iterator<Item = PathBuf> {
        [self.found(), self.stored()]
            .into_iter()
            .chain(self.others())
            .filter(|directory| directory.exists())
    }

    fn fuzz(&self, seconds: u32) -> Result<Log> {
        let findings = directory().join("findings").join(&self.name);
        for path in [&self.found(), &findings] {
            fs::create_dir_all(path)?;
        }
        let mut command = self.command()?;
        command.args([
            format!("-max_total_time={seconds}"),
            format!("-timeout={MAX_SECONDS}"),
            format!("-rss_limit_mb={MAX_MEGABYTES}"),
            format!("-artifact_prefix={}/", findings.display()),
            "-print_final_stats=1".to_owned(),
        ]);
        let dictionary = package()
            .join("dictionaries")
            .join(format!("{}.dict", self.name));
        if dictionary.exists() {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        // New inputs go into the first.
        command.args(self.corpora());
        let path = directory().join(format!("{}.log", self.name));
        let output = create(&path)?;
        let status = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()
            .with_context(|| process::cannot_run(&command))?;
        let log = Log::read(&path, status.success())?;
        if log.executions.is_none() && log.finding.is_none() {
            bail!(
                "{} did not run: see {}",
                self.name,
                relative(&path).display()
            );
        }
        Ok(log)
    }

    /// The fewest inputs that reach every branch that some input reaches.
    fn minimize(&self) -> Result<()> {
        let scratch = tempfile::tempdir_in(directory())?;
        let path = directory().join(format!("{}.merge.log", self.name));
        let output = create(&path)?;
        let mut command = self.command()?;
        // Without counters: how often a branch is taken would keep ten times as many.
        command
            .args(["-set_cover_merge=1", "-use_counters=0"])
            .arg(scratch.path())
            .args(self.corpora())
            .stdout(output.try_clone()?)
            .stderr(output);
        process::run(&mut command).with_context(|| format!("see {}", relative(&path).display()))?;
        let stored = self.stored();
        if stored.exists() {
            fs::remove_dir_all(&stored)?;
        }
        fs::create_dir_all(&stored)?;
        let [mut files, mut bytes] = [0; 2];
        for entry in fs::read_dir(scratch.path())? {
            let entry = entry?;
            files += 1;
            bytes += fs::copy(entry.path(), stored.join(entry.file_name()))?;
        }
        eprintln!("    {files} inputs, {bytes} bytes");
        Ok(())
    }
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot create {}", path.display()))
}
