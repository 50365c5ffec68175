//! What is done to a machine, one thing at a time.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::process::Process;

/// One thing that is done. It is shown as the command that a person would type for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Start a program in the background.
    Start {
        /// Its file.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
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
            Self::Start { program, arguments } => {
                f.write_str(&quoted(program))?;
                for argument in arguments {
                    write!(f, " {}", quoted(argument))?;
                }
                f.write_str(" &")
            }
        }
    }
}

fn joined(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:@,+%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::Step;

    #[test]
    fn a_step_reads_as_a_person_would_type_it() {
        let start = Step::Start {
            program: "/sbin/rpcbind".to_owned(),
            arguments: ["-w", "-h", "it's $HOME", ""].map(str::to_owned).to_vec(),
        };
        assert_eq!(
            start.to_string(),
            r"/sbin/rpcbind -w -h 'it'\''s $HOME' '' &"
        );
        let stop = Step::run("systemctl stop", ["rpcbind.socket"]);
        assert_eq!(stop.to_string(), "systemctl stop rpcbind.socket");
    }
}
