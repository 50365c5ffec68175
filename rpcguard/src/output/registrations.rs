//! What is registered with a portmapper.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use crate::{
    foreign_text::short,
    portmapper::{ProgramNames, Registration},
};

/// So many rows are shown to people.
const MAX_ROWS: usize = 100;

/// A registration, as rpcinfo(8) prints it: with address, and (`-p`) with port.
#[derive(Serialize)]
pub(super) struct RegistrationView {
    program: u32,
    version: u32,
    netid: String,
    address: String,
    /// For those that are IP.
    port: Option<u16>,
    /// The program's name, if it has one.
    service: Option<String>,
    /// Empty if the portmapper does not say.
    owner: String,
}

impl RegistrationView {
    pub(super) fn of(registration: &Registration, names: &ProgramNames) -> Self {
        Self {
            program: registration.program,
            version: registration.version,
            netid: registration.netid.clone(),
            address: registration.address.clone(),
            port: registration.socket().map(|socket| socket.port()),
            service: names.name(registration.program).map(str::to_owned),
            owner: registration.owner.clone(),
        }
    }
}

/// The header of [`rows`].
pub(super) const HEADER: [&str; 7] = [
    "program", "version", "netid", "address", "port", "service", "owner",
];

/// Registrations as rows of a table, versions of the same program at the same address in one, each with what
/// else is told about it; and how many rows are left out.
pub(super) fn rows<'a, T: Clone>(
    registrations: impl Iterator<Item = (&'a Registration, T)>,
    names: &ProgramNames,
) -> (Vec<([String; 7], T)>, usize) {
    let mut groups: BTreeMap<_, (Vec<u32>, T)> = BTreeMap::new();
    for (registration, more) in registrations {
        let Registration {
            program,
            version,
            netid,
            address,
            owner,
        } = registration;
        let port = registration.socket().map(|socket| socket.port());
        let key = (*program, netid, address, port, owner);
        let (versions, _) = groups
            .entry(key)
            .or_insert_with(|| (Vec::new(), more.clone()));
        versions.push(*version);
    }
    let left_out = groups.len().saturating_sub(MAX_ROWS);
    let rows = groups.into_iter().take(MAX_ROWS).map(
        |((program, netid, address, port, owner), (versions, more))| {
            let row = [
                program.to_string(),
                ranges(versions),
                short(netid),
                short(address),
                port.map_or("-".to_owned(), |port| port.to_string()),
                names.name(program).map_or("-".to_owned(), short),
                match owner.as_str() {
                    "" => "-".to_owned(),
                    owner => short(owner),
                },
            ];
            (row, more)
        },
    );
    (rows.collect(), left_out)
}

/// `2-4`, `1,3`.
fn ranges(mut numbers: Vec<u32>) -> String {
    numbers.sort_unstable();
    numbers.dedup();
    let mut text = String::new();
    let mut rest = numbers.as_slice();
    while let Some(first) = rest.first() {
        let run = rest.iter().zip(*first..=u32::MAX);
        let len = run
            .take_while(|(number, expected)| **number == *expected)
            .count();
        if !text.is_empty() {
            text.push(',');
        }
        // Writing to a string does not fail.
        let _ = match len {
            1 => write!(text, "{first}"),
            _ => write!(text, "{first}-{}", rest[len - 1]),
        };
        rest = &rest[len..];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn versions_are_put_together() {
        for (numbers, text) in [
            (vec![4, 3, 2], "2-4"),
            (vec![1, 3], "1,3"),
            (vec![3, 3], "3"),
            (vec![1, 2, 4, 5, 7], "1-2,4-5,7"),
            (vec![u32::MAX, u32::MAX - 1], "4294967294-4294967295"),
            (vec![], ""),
        ] {
            assert_eq!(ranges(numbers), text);
        }
    }
}
