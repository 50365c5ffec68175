//! What a command takes: wall time, processor time, memory.
//!
//! The command is a child of a small process of this program's, because the kernel counts the memory
//! of who starts a program as that program's, and this program holds lists of a million prefixes.

use std::{
    env,
    ffi::{OsStr, OsString},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};
use rpcguard_tests::lab::{Finished, Host, find_tool};
use serde::{Deserialize, Serialize};

/// What a command took.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Timed {
    /// From before it was started until after it ended.
    pub(crate) milliseconds: f64,
    /// Processor time of its own and of the kernel for it.
    pub(crate) processor_milliseconds: f64,
    /// The most memory that it had at a time.
    pub(crate) peak_mebibytes: f64,
}

/// Runs a command in a host.
pub(crate) fn timed<A: AsRef<OsStr>>(
    host: &Host,
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Result<Timed> {
    let program = program.as_ref();
    let found = program.to_str().and_then(find_tool);
    let this = env::current_exe().context("cannot tell where this program is")?;
    let finished = Finished::wait_for(
        host.command(this)
            .arg("--timed")
            .arg(found.as_deref().map_or(program, |path| path.as_os_str()))
            .args(arguments),
    );
    if !finished.is_success() {
        // nft repeats the line that it does not like, which can have a million prefixes.
        let said: String = finished.stderr.chars().take(1000).collect();
        bail!("{} failed: {said}", finished.command);
    }
    serde_json::from_str(&finished.stdout).with_context(|| format!("no figures from {finished}"))
}

/// The other side: runs the words as a command and prints what it took.
pub(crate) fn run(words: &[OsString]) -> Result<ExitCode> {
    let (program, arguments) = words.split_first().context("no command")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let start = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let elapsed = start.elapsed();
    ensure!(status.success(), "{} failed: {status}", program.display());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let processor = usage.user_time() + usage.system_time();
    let timed = Timed {
        milliseconds: 1e3 * elapsed.as_secs_f64(),
        processor_milliseconds: processor.num_microseconds() as f64 / 1e3,
        peak_mebibytes: usage.max_rss() as f64 / 1024.0,
    };
    println!("{}", serde_json::to_string(&timed)?);
    Ok(ExitCode::SUCCESS)
}
