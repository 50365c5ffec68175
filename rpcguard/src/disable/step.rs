//! What is done to a machine, one thing at a time.

use std::fmt;

use serde::Serialize;

use super::process::Process;
use crate::foreign_text::printable;

/// One thing that is done. It is shown as the command that a person would type for it.
///
/// There is none that starts a program by its path and arguments: only services are started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Run a command: its name and its arguments.
    Run(Vec<String>),
    /// Move a file out of the way, or back, if it is there.
    Move {
        /// Its path.
        from: String,
        /// Where to; nothing is there, or what is there is in the way no more.
        to: String,
    },
    /// Make a symbolic link, if there is nothing in its place.
    Link {
        /// What it says.
        target: String,
        /// Its path.
        path: String,
    },
    /// End a process, if it still runs: by SIGTERM, and by SIGKILL if that is of no avail.
    End(Process),
}

impl Step {
    /// A command, its words separated by blanks, and further arguments.
    pub(super) fn run<A: Into<String>>(
        words: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let words = words.split(' ').map(ToOwned::to_owned);
        Self::Run(words.chain(arguments.into_iter().map(Into::into)).collect())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(words) => f.write_str(&joined(words)),
            Self::Move { from, to } => write!(f, "mv {} {}", quoted(from), quoted(to)),
            Self::Link { target, path } => {
                write!(f, "ln -s {} {}", quoted(target), quoted(path))
            }
            Self::End(process) => write!(f, "kill {}", process.id),
        }
    }
}

fn joined(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

/// A word as a shell takes it, without anything that a terminal obeys.
fn quoted(word: &str) -> String {
    if is_plain(word) {
        word.to_owned()
    } else {
        format!("'{}'", printable(&word.replace('\'', r"'\''")))
    }
}

/// Whether a word means itself to every shell.
pub(super) fn is_plain(word: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:@,+%".contains(c);
    !word.is_empty() && word.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::Step;

    #[test]
    fn a_step_reads_as_a_person_would_type_it() {
        let stop = Step::run("systemctl stop", ["rpcbind.socket"]);
        assert_eq!(stop.to_string(), "systemctl stop rpcbind.socket");
        let odd = Step::run("rc-update add rpcbind", ["it's $HOME", "", "\x1b[2J"]);
        assert_eq!(
            odd.to_string(),
            r"rc-update add rpcbind 'it'\''s $HOME' '' '\u{1b}[2J'"
        );
    }
}
