//! Which interfaces a table of the configuration is about.

use std::fmt;

use glob::Pattern;

use crate::guard;

/// Names of interfaces, and patterns of names, some of which except what others match.
///
/// In a pattern, `*` stands for anything, `?` for one character and `[ab]` for one of several. `!` in front
/// makes it an exception. A pattern never matches `lo`: only its name does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    wanted: Vec<Word>,
    excepted: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Name(String),
    Pattern(Pattern),
}

impl Word {
    /// Reads a name or a pattern, without its `!`.
    fn parse(text: &str) -> Result<Self, String> {
        if text.contains(['*', '?', '[']) {
            let pattern = Pattern::new(text).map_err(|error| error.msg.to_owned())?;
            return Ok(Self::Pattern(pattern));
        }
        match guard::check_name(text) {
            Ok(()) => Ok(Self::Name(text.to_owned())),
            Err(crate::Error::InterfaceName { why, .. }) => Err(why.to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(wanted) => wanted == name,
            Self::Pattern(pattern) => name != LOOPBACK && pattern.matches(name),
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(&escaped(name)),
            Self::Pattern(pattern) => f.write_str(pattern.as_str()),
        }
    }
}

/// The interface that nobody means by `*`.
const LOOPBACK: &str = "lo";

impl Interfaces {
    /// Adds a word as it is written in the file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, to be said after having quoted it.
    pub(super) fn add(&mut self, written: &str) -> Result<(), String> {
        let (words, text) = match written.strip_prefix('!') {
            Some(text) => (&mut self.excepted, text),
            None => (&mut self.wanted, written),
        };
        words.push(Word::parse(text)?);
        Ok(())
    }

    /// Whether nothing can match.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Whether an interface of this name is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let any = |words: &[Word]| words.iter().any(|word| word.matches(name));
        any(&self.wanted) && !any(&self.excepted)
    }

    /// The names that are written out: interfaces that ought to be there.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.wanted.iter().filter_map(|word| match word {
            Word::Name(name) => Some(name.as_str()),
            Word::Pattern(_) => None,
        })
    }
}

impl fmt::Display for Interfaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = self.wanted.iter().map(|word| ("", word));
        let excepted = self.excepted.iter().map(|word| ("!", word));
        for (index, (sign, word)) in wanted.chain(excepted).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{sign}{word}")?;
        }
        Ok(())
    }
}

/// A name as a word that matches it and, but for names that begin with `!`, nothing else.
pub(super) fn escaped(name: &str) -> String {
    let escaped = Pattern::escape(name);
    match escaped.strip_prefix('!') {
        // There is no other way to write it.
        Some(rest) => format!("?{rest}"),
        None => escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interfaces(words: &[&str]) -> Interfaces {
        let mut interfaces = Interfaces::default();
        for word in words {
            interfaces.add(word).unwrap();
        }
        interfaces
    }

    #[test]
    fn names_and_patterns_match_and_exceptions_do_not() {
        for (words, matching, others) in [
            (&["eth0"][..], &["eth0"][..], &["eth1", "eth", "eth00"][..]),
            (&["eth*"], &["eth0", "eth", "eth0.100"], &["lo", "veth0"]),
            (
                &["*", "!docker*", "!veth?"],
                &["eth0", "veth10"],
                &["docker0", "veth1", "lo"],
            ),
            (&["!eth1", "eth[0-9]"], &["eth0", "eth9"], &["eth1", "ethx"]),
            (&["*", "lo"], &["lo", "eth0"], &[]),
            (&["?o"], &["xo"], &["lo"]),
        ] {
            let interfaces = interfaces(words);
            for name in matching {
                assert!(interfaces.matches(name), "{words:?} {name}");
            }
            for name in others {
                assert!(!interfaces.matches(name), "{words:?} {name}");
            }
        }
    }

    #[test]
    fn what_is_neither_name_nor_pattern_is_refused() {
        for (word, why) in [
            ("", "empty"),
            ("!", "empty"),
            ("a/b", "slash"),
            ("sixteen-bytes-xy", "15 bytes"),
            ("eth[0", "range"),
            ("eth***", "wildcards"),
        ] {
            let error = Interfaces::default().add(word).unwrap_err();
            assert!(error.contains(why), "{word}: {error}");
        }
    }

    #[test]
    fn a_name_with_special_letters_can_be_written() {
        for name in ["eth0", "a*b", "[x]", "what?", "!x"] {
            assert!(interfaces(&[&escaped(name)]).matches(name), "{name}");
        }
        assert!(!interfaces(&[&escaped("a*b")]).matches("acb"));
    }
}
