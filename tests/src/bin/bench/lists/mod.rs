//! How long it takes to load lists and to change them, what memory that takes, beside other filters; and
//! what it costs to look on.

mod commands;
mod contender;
mod loading;
mod memory;
mod readers;

use anyhow::Result;

use crate::{Effort, report::Report};

/// Appends a section for commands that lists make slow or do not, some for loading lists, and one for
/// reading counters.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    commands::measure(effort, report)?;
    loading::measure(effort, report)?;
    readers::measure(effort, report)
}
