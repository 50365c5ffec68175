//! What an error is about, and how it is shown.

use std::fmt;

use super::{Error, Result};

/// Gives a failed system call its context.
pub(crate) trait Doing<T> {
    /// Says what was being done, on what, as in "cannot ...".
    fn doing(self, action: impl Into<String>) -> Result<T>;
}

impl<T, E> Doing<T> for std::result::Result<T, E>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn doing(self, action: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::System {
            action: action.into(),
            source: source.into(),
        })
    }
}

impl<T> Doing<T> for Option<T> {
    fn doing(self, action: impl Into<String>) -> Result<T> {
        self.ok_or("it is not in the BPF object").doing(action)
    }
}

/// An error with all its causes, each said once.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// An error as it is shown on a terminal: the error, then what to do.
pub struct Report<'a>(pub &'a Error);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.0)?;
        match self.0.hint() {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}
