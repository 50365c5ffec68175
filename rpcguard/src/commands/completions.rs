//! `rpcguard completions`

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Exit};
use crate::output;

/// Print what completes this command's arguments in a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rpcguard completions bash >/usr/share/bash-completion/completions/rpcguard
  rpcguard completions zsh >/usr/local/share/zsh/site-functions/_rpcguard
  rpcguard completions fish >/etc/fish/completions/rpcguard.fish")]
pub(super) struct Args {
    /// Which shell.
    shell: Shell,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    // The generator panics where it cannot write.
    let mut script = Vec::new();
    let mut cli = Cli::command();
    clap_complete::generate(args.shell, &mut cli, "rpcguard", &mut script);
    output::bytes(&script)?;
    Ok(Exit::Done)
}
