//! What programs are called.

use std::{collections::HashMap, fs, path::Path};

/// The names that matter where there is no /etc/rpc: those of IANA's registry of RPC program numbers that
/// Linux hosts use.
const USUAL: [(u32, &str); 14] = [
    (100_000, "portmapper"),
    (100_001, "rstatd"),
    (100_002, "rusersd"),
    (100_003, "nfs"),
    (100_004, "ypserv"),
    (100_005, "mountd"),
    (100_007, "ypbind"),
    (100_009, "yppasswdd"),
    (100_011, "rquotad"),
    (100_020, "llockmgr"),
    (100_021, "nlockmgr"),
    (100_024, "status"),
    (100_069, "ypxfrd"),
    (100_227, "nfs_acl"),
];

/// The names of programs.
#[derive(Clone, Debug)]
pub struct ProgramNames(HashMap<u32, String>);

impl ProgramNames {
    /// Those of this host's rpc(5), /etc/rpc; of the usual programs, where that has none.
    #[must_use]
    pub fn load() -> Self {
        Self::load_from(Path::new("/etc/rpc"))
    }

    /// As [`ProgramNames::load`], from a file like it.
    pub(crate) fn load_from(path: &Path) -> Self {
        let mut names: HashMap<_, _> = USUAL
            .map(|(program, name)| (program, name.to_owned()))
            .into();
        if let Ok(text) = fs::read(path) {
            names.extend(parse(&String::from_utf8_lossy(&text)));
        }
        Self(names)
    }

    /// The name of a program, if it has one.
    #[must_use]
    pub fn name(&self, program: u32) -> Option<&str> {
        self.0.get(&program).map(String::as_str)
    }
}

/// Lines of name, number, aliases, with `#` comments.
fn parse(text: &str) -> impl Iterator<Item = (u32, String)> {
    text.lines().filter_map(|line| {
        let line = line.split('#').next()?;
        let mut words = line.split_whitespace();
        let (name, program) = (words.next()?, words.next()?);
        Some((program.parse().ok()?, name.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ProgramNames, parse};

    #[test]
    fn names_are_those_of_the_file() {
        let text =
            "# comment\nportmapper\t100000\tportmap sunrpc\n\nnfs 100003 # x\nbroken\nx y z\n";
        let names: Vec<_> = parse(text).collect();
        assert_eq!(
            names,
            [
                (100_000, "portmapper".to_owned()),
                (100_003, "nfs".to_owned())
            ]
        );
    }

    #[test]
    fn the_usual_ones_are_known_without_it() {
        let names = ProgramNames::load_from(Path::new("/nonexistent"));
        assert_eq!(names.name(100_000), Some("portmapper"));
        assert_eq!(names.name(1), None);
    }
}
