//! Exit statuses, and how errors become them.

use std::{io, process::ExitCode};

use crate::{
    error::{Error, Report},
    output,
};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked to.
    Done,
    /// It failed, and changed nothing.
    Failed,
    /// The command line is wrong.
    Usage,
    /// `check` found a portmapper exposed.
    Exposed,
}

impl Exit {
    /// Reports an error on standard error. A closed pipe is none: whoever read the output has seen
    /// enough.
    #[must_use]
    pub fn of(result: anyhow::Result<Self>) -> Self {
        let error = match result {
            Ok(exit) => return exit,
            Err(error) => error,
        };
        let closed_pipe = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        if closed_pipe {
            return Self::Done;
        }
        let (text, exit) = match error.downcast_ref::<Error>() {
            Some(error) => (
                Report(error).to_string(),
                if error.is_usage() {
                    Self::Usage
                } else {
                    Self::Failed
                },
            ),
            None => (format!("error: {error:#}"), Self::Failed),
        };
        output::error_lines(&text);
        exit
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Exposed => 3,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_the_documented_ones() {
        for (exit, status) in [
            (Exit::Done, 0),
            (Exit::Failed, 1),
            (Exit::Usage, 2),
            (Exit::Exposed, 3),
        ] {
            assert_eq!(ExitCode::from(exit), ExitCode::from(status));
        }
    }

    #[test]
    fn a_closed_pipe_ends_quietly() {
        let error = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(Exit::of(Err(error.into())), Exit::Done);
        let error = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(Exit::of(Err(error.into())), Exit::Failed);
    }

    #[test]
    fn a_wrong_interface_name_is_wrong_usage() {
        let error = Error::InterfaceName {
            name: "a/b".to_owned(),
            why: "it contains a slash",
        };
        assert_eq!(Exit::of(Err(error.into())), Exit::Usage);
        let error = Error::NoSuchInterface("eth9".to_owned());
        assert_eq!(Exit::of(Err(error.into())), Exit::Failed);
    }
}
