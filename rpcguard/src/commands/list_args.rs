//! The lists that a guard begins with, as they are given.

use std::path::PathBuf;

use super::input::{self, PrefixArg};
use crate::{error::Result, guard::Verdict, prefix::Prefix};

/// Options of the commands that make guards.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Let packets from this prefix or address pass [repeatable].
    #[arg(long, value_name = "CIDR")]
    allow: Vec<PrefixArg>,
    /// Let packets from the prefixes in this file pass (- for standard input) [repeatable].
    #[arg(long, value_name = "PATH")]
    allow_file: Vec<PathBuf>,
    /// Drop packets from this prefix or address, which is part of a larger one that is allowed
    /// [repeatable].
    #[arg(long, value_name = "CIDR")]
    deny: Vec<PrefixArg>,
}

impl ListArgs {
    /// The allowed prefixes, and the denied ones.
    pub(super) fn read(&self) -> Result<[Vec<Prefix>; 2]> {
        Ok([
            input::prefixes(Verdict::Allow, &self.allow, &self.allow_file)?,
            input::prefixes(Verdict::Deny, &self.deny, &[])?,
        ])
    }
}
