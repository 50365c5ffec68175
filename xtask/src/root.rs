//! Doing as root the few things that need it, and only those.

use std::{
    env,
    ffi::{OsStr, OsString},
    process::Command,
};

use anyhow::{Result, bail};

use crate::process;

/// What to write before a command line to run it as root: nothing when this is root already.
///
/// `why` completes "this needs root ...".
pub(crate) fn prefix(why: &str) -> Result<Vec<OsString>> {
    if rustix::process::geteuid().is_root() {
        return Ok(Vec::new());
    }
    if !process::exists("sudo") {
        bail!("this needs root {why}, and there is no sudo: run it as root");
    }
    let assignment = |name: &str, value: &OsStr| {
        let mut assignment = OsString::from(name);
        assignment.push(value);
        assignment
    };
    Ok(vec![
        "sudo".into(),
        "--preserve-env".into(),
        // Two that sudo replaces all the same, and without which cargo and rustup are not found.
        "env".into(),
        assignment("PATH=", &process::path()),
        assignment("HOME=", &env::var_os("HOME").unwrap_or_default()),
    ])
}

/// A command that runs as root, through sudo where needed.
pub(crate) fn command(program: impl Into<OsString>, why: &str) -> Result<Command> {
    let mut words = prefix(why)?.into_iter().chain([program.into()]);
    let mut command = process::command(words.next().unwrap_or_default());
    command.args(words);
    Ok(command)
}
