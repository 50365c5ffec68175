//! Which procedures unlisted sources are served.

use std::{fmt, str::FromStr};

use rpcguard_common::rpc::Request;

/// A set of portmapper procedures (RFC 1833).
///
/// Written as names with commas between them: `NULL` stands for the procedure in every version that
/// has it, `v2.GETPORT` for the one of that version, and `default` for [`Procedures::default`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Procedures(u64);

impl Default for Procedures {
    /// Those whose reply is no larger than the call, which relay nothing, and which unlisted clients
    /// have use for.
    fn default() -> Self {
        Request::all().filter(|r| r.is_harmless()).collect()
    }
}

impl Procedures {
    /// The set as the filter has it: one bit for each [`Request::index`].
    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits & !Request::CONNECTION.bit())
    }

    /// The procedures in the set, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Request> {
        Request::all().filter(move |request| self.0 & request.bit() != 0)
    }
}

impl FromIterator<Request> for Procedures {
    fn from_iter<T: IntoIterator<Item = Request>>(requests: T) -> Self {
        let bits = requests.into_iter().map(Request::bit);
        Self(bits.fold(0, |set, bit| set | bit))
    }
}

/// What is no name of a procedure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no procedure `{0}`; they are called NULL, GETPORT, v3.DUMP and so on")]
pub struct ParseProceduresError(String);

impl FromStr for Procedures {
    type Err = ParseProceduresError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bits = 0;
        for word in text.split(',').map(str::trim) {
            let named: Self = match word {
                "default" => Self::default(),
                _ => Request::all().filter(|r| is_called(*r, word)).collect(),
            };
            if named.0 == 0 {
                return Err(ParseProceduresError(word.to_owned()));
            }
            bits |= named.0;
        }
        Ok(Self(bits))
    }
}

/// Whether a word names a procedure, with its version or without.
fn is_called(request: Request, word: &str) -> bool {
    let name = request.name();
    match name.split_once('.') {
        Some((_, short)) => [name, short].iter().any(|n| n.eq_ignore_ascii_case(word)),
        None => false,
    }
}

impl fmt::Display for Procedures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, request) in self.iter().enumerate() {
            if index != 0 {
                f.write_str(",")?;
            }
            f.write_str(request.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        let set: Procedures = text.parse().unwrap();
        set.iter().map(Request::name).collect()
    }

    #[test]
    fn a_name_stands_for_every_version_and_a_versioned_one_for_its_own() {
        let everywhere = ["v2.NULL", "v3.NULL", "v4.NULL", "v0.NULL"];
        assert_eq!(names("null"), everywhere);
        assert_eq!(names("v3.Dump, GETPORT"), ["v2.GETPORT", "v3.DUMP"]);
    }

    #[test]
    fn the_default_is_what_the_readme_says() {
        assert_eq!(
            names("default"),
            [
                "v2.NULL",
                "v2.GETPORT",
                "v3.NULL",
                "v3.GETADDR",
                "v3.GETTIME",
                "v3.UADDR2TADDR",
                "v3.TADDR2UADDR",
                "v4.NULL",
                "v4.GETADDR",
                "v4.GETTIME",
                "v4.UADDR2TADDR",
                "v4.TADDR2UADDR",
                "v4.GETVERSADDR",
                "v0.NULL",
            ]
        );
    }

    #[test]
    fn a_set_is_written_as_it_is_read() {
        for text in ["v2.NULL", "v2.GETPORT,v4.GETSTAT"] {
            assert_eq!(text.parse::<Procedures>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_procedure_is_refused() {
        for text in ["", "NULL,", "MOUNT", "v5.NULL", "malformed", "v2.GETADDR"] {
            assert!(text.parse::<Procedures>().is_err(), "{text}");
        }
    }
}
