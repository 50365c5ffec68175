//! What can stand in the way of disabling a portmapper, and of undoing that.

use std::{io, path::PathBuf};

use super::{Init, Listener, Need, Step};

/// What can go wrong. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DisableError {
    /// Somebody needs the portmapper.
    #[error("the portmapper of this machine is needed, and was left as it is:{}", listed(.0))]
    Needed(Vec<Need>),
    /// A command could not be run that only asks.
    #[error("cannot run `{command}`: {source}")]
    Ask {
        /// The command.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// A command that only asks has failed.
    #[error("`{command}` failed: {why}")]
    Answer {
        /// The command.
        command: String,
        /// Its own words.
        why: String,
    },
    /// A step failed. Those before it were made, and are recorded.
    #[error("`{step}` failed: {why}; what was done before it stays done")]
    Step {
        /// The step.
        step: Box<Step>,
        /// The command's own words, or the system's.
        why: String,
    },
    /// The portmapper's services are off, and something still has the port. What was done is recorded.
    #[error("port 111 is still open, though the portmapper's services are off:{}", listed(.0))]
    StillOpen(Vec<Listener>),
    /// The steps were made, and are recorded, and more of the same would be to do.
    #[error("the portmapper is back after all of that; next would be `{0}` again")]
    Back(Box<Step>),
    /// What was recorded cannot be read.
    #[error("{path} is no record of `rpcguard disable`: {why}", path = path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
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
            Self::StillOpen(_) => "`ss -lptun sport = 111` names the process that has it"
                .to_owned(),
            Self::Back(_) => "something else starts it: look for it among timers, cron jobs and \
                              configuration management"
                .to_owned(),
            Self::Record { path, .. } | Self::OtherInit { path, .. } => format!(
                "restore by hand what it tells of, and then remove it: `rm {}`",
                path.display()
            ),
            Self::Ask { .. } | Self::Answer { .. } | Self::File { .. } => return None,
        })
    }
}

fn listed<T: ToString>(items: &[T]) -> String {
    let items = items.iter().map(|item| format!("\n  {}", item.to_string()));
    items.collect()
}
