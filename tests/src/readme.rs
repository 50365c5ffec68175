//! What the README tells people to type.

/// The README of this repository.
const README: &str = include_str!("../../README.md");

/// A command in the README.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether it is typed on another host.
    pub elsewhere: bool,
    /// What is typed, without the prompt and what is said about it.
    pub command: String,
}

/// The commands in the console blocks of a section, in their order.
///
/// # Panics
///
/// If there is no such section.
#[must_use]
pub fn commands(heading: &str) -> Vec<Line> {
    let (_, section) = README
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("README.md has no section `{heading}`"));
    let section = section
        .split_once("\n## ")
        .map_or(section, |(section, _)| section);
    section.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<Line> {
    let text = text.trim_start();
    let (elsewhere, typed) = match text.strip_prefix("# rpcguard ") {
        Some(typed) => (false, typed),
        None => (true, text.strip_prefix("elsewhere$ rpcguard ")?),
    };
    let command = typed.split_once(" # ").map_or(typed, |(typed, _)| typed);
    Some(Line {
        elsewhere,
        command: command.trim_end().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Line, line};

    #[test]
    fn a_line_is_what_is_typed_and_where() {
        let typed = |elsewhere, command: &str| {
            Some(Line {
                elsewhere,
                command: command.to_owned(),
            })
        };
        assert_eq!(
            line("   # rpcguard check   # as root"),
            typed(false, "check")
        );
        assert_eq!(line("elsewhere$ rpcguard check X"), typed(true, "check X"));
        assert_eq!(line("rpcguard check"), None);
        assert_eq!(line("# check"), None);
    }
}
