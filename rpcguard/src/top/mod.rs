//! The live view of what guards do: `rpcguard top`.
//!
//! Data flows one way: a [`Sampler`] reads the guards, the model makes rates of what it has read, and
//! the screen, the lines or the JSON documents show them. Only the sampler knows the kernel, and only
//! `live` and `terminal` know the terminal, so that the rest is tested without either.

#[cfg(test)]
mod fixtures;
mod json;
mod keys;
mod lines;
mod live;
mod model;
mod order;
mod pace;
mod plain;
mod rates;
mod sample;
mod sampler;
mod screen;
mod terminal;
mod theme;
mod traffic;
mod units;
mod view;

use std::{env, time::Duration};

use self::{sampler::Sampler, theme::Theme};
use crate::{guard::Registry, output::Format};

/// How often to look, and how many times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// The time from one look to the next.
    pub(crate) interval: Duration,
    /// After how many intervals to end; `None` for never.
    pub(crate) count: Option<u64>,
}

/// For whom to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// A screen with keys.
    Screen,
    /// Lines, or JSON documents.
    Lines(Format),
}

/// Shows the guards of these interfaces, or of all that have one.
///
/// # Errors
///
/// If one of these has none; failing system calls; an error of the terminal or of standard output.
pub(crate) fn run(
    registry: Registry,
    interfaces: Vec<String>,
    options: Options,
    medium: Medium,
) -> anyhow::Result<()> {
    let sampler = Sampler::new(registry, interfaces)?;
    match medium {
        Medium::Screen => {
            let theme = Theme::of_environment(|name| env::var(name).ok());
            live::run(sampler, options, theme)
        }
        Medium::Lines(format) => lines::run(sampler, options, format),
    }
}
