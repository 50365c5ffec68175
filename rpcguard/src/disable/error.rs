//! What can stand in the way of disabling a portmapper, and of undoing that.

use std::{io, path::PathBuf};

use super::{Init, Need, Step};
use crate::foreign_text::printable;

/// What can go wrong. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DisableError {
    /// Somebody needs the portmapper.
    #[error("the portmapper of this machine is needed, and was left as it is:{}", listed(.0))]
    Needed(Vec<Need>),
    /// It cannot be told which sockets there are.
    #[error("cannot tell which process holds port 111: {0}")]
    Sockets(String),
    /// A command could not be run that only asks.
    #[error("cannot run `{command}`: {source}", command = printable(command))]
    Ask {
        /// The command.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// A command that only asks has failed.
    #[error("`{command}` failed: {why}", command = printable(command), why = lines(why))]
    Answer {
        /// The command.
        command: String,
        /// Its own words.
        why: String,
    },
    /// A step failed. Those before it were made, and are recorded.
    #[error("`{step}` failed: {why}; what was done before it stays done", why = lines(why))]
    Step {
        /// The step.
        step: Box<Step>,
        /// The command's own words, or the system's.
        why: String,
    },
    /// The portmapper's services are off, and something still has the port. What was done is recorded.
    #[error("port 111 is still open, though the portmapper's services are off:{}", listed(.0))]
    ///
    /// Of each socket, which process has it, and the step that frees it.
    StillOpen(Vec<String>),
    /// Something has started the portmapper again. What was done is recorded.
    #[error("the portmapper was ended, and is back: {process}; {by}")]
    Restarted {
        /// Which process it is now.
        process: String,
        /// The process that started it.
        by: String,
        /// The command that ends that.
        remedy: String,
    },
    /// The steps were made, and are recorded, and more of the same would be to do.
    #[error("the portmapper is back after all of that; next would be `{0}` again")]
    Back(Box<Step>),
    /// What was recorded cannot be read.
    #[error(
        "{path} is no record of `rpcguard disable`: {why}",
        path = printable(&path.display().to_string()),
        why = printable(why)
    )]
    Record {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// Others than root could have written what was recorded.
    #[error(
        "{path} is not trusted with what to do as root: {why}",
        path = printable(&path.display().to_string())
    )]
    Untrusted {
        /// The file, or a directory that it is in.
        path: PathBuf,
        /// The reason.
        why: String,
        /// Whether it is a directory.
        is_directory: bool,
    },
    /// What was recorded is about another init system.
    #[error(
        "{path} records what was done under {recorded}, and this machine now runs {now}",
        path = path.display()
    )]
    OtherInit {
        /// The file.
        path: PathBuf,
        /// The init system then.
        recorded: Init,
        /// The init system now.
        now: Init,
    },
    /// The record cannot be written or taken away.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// What was to be done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl DisableError {
    /// What to do about it, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Needed(_) => {
                "keep it, and have rpcguard drop what is not from your own hosts: `rpcguard attach \
                 IFACE --allow CIDR`; or `rpcguard disable --apply --force`"
                    .to_owned()
            }
            Self::Step { .. } => {
                "when it is put right, the same command goes on from here; `rpcguard disable --undo` \
                 takes back what was done"
                    .to_owned()
            }
            Self::StillOpen(_) => {
                "the line of each tells what frees the port; `rpcguard disable --apply` again then makes sure of it"
                    .to_owned()
            }
            Self::Restarted { remedy, .. } => format!("{remedy}; then `rpcguard disable --apply` again"),
            Self::Back(_) => "something else starts it: look for it among timers, cron jobs and \
                              configuration management"
                .to_owned(),
            Self::Untrusted {
                path,
                is_directory: true,
                why,
            } => {
                let path = printable(&path.display().to_string());
                if why.starts_with("others") {
                    format!("`chmod go-w {path}`")
                } else {
                    format!("`chown root: {path}`")
                }
            }
            Self::Untrusted { path, .. } => format!(
                "see what it is, and remove it: `rm {}`",
                printable(&path.display().to_string())
            ),
            Self::Record { path, .. } | Self::OtherInit { path, .. } => format!(
                "restore by hand what it tells of, and then remove it: `rm {}`",
                path.display()
            ),
            Self::Sockets(_) | Self::Ask { .. } | Self::Answer { .. } | Self::File { .. } => {
                return None;
            }
        })
    }
}

fn listed<T: ToString>(items: &[T]) -> String {
    let items = items
        .iter()
        .map(|item| format!("\n  {}", printable(&item.to_string())));
    items.collect()
}

/// The output of commands, line by line, without anything that a terminal obeys.
fn lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(printable).collect();
    lines.join("\n")
}
