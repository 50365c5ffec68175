//! Arguments of rpc.nfsd, which were in files of shell assignments before there was an nfs.conf.

use super::files::Files;

/// The files of Debian and of Red Hat.
const FILES: [&str; 2] = ["/etc/default/nfs-kernel-server", "/etc/sysconfig/nfs"];

/// The variables that rpc.nfsd is given, on the one and on the other.
const VARIABLES: [&str; 3] = ["RPCNFSDOPTS", "RPCNFSDCOUNT", "RPCNFSDARGS"];

/// The assignment that switches version 3 off, and where it is: only if it is root's, and the last
/// word.
pub(super) fn switching_off(files: &Files) -> Option<(String, String)> {
    FILES
        .iter()
        .filter_map(|file| files.read(file))
        .find_map(|file| {
            let lines = file.lines(&['#'], true);
            VARIABLES.iter().find_map(|variable| {
                let last = lines.iter().rev().find_map(|line| {
                    let text = line.text.strip_prefix("export ").unwrap_or(&line.text);
                    let value = text
                        .trim_start()
                        .strip_prefix(variable)?
                        .strip_prefix('=')?;
                    Some((value, text, &line.place))
                });
                let (value, text, place) = last?;
                (file.is_roots && excludes_version_3(literal(value)?))
                    .then(|| (text.to_owned(), place.clone()))
            })
        })
}

/// The text of a value that the shell would take as it is.
fn literal(value: &str) -> Option<&str> {
    let text = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split_once(quote)?.0,
        _ => value.split([' ', '\t', '#', ';']).next()?,
    };
    (!text.contains(['$', '`', '\\'])).then_some(text)
}

/// Whether arguments switch version 3 off, the last one having the last word.
fn excludes_version_3(arguments: &str) -> bool {
    let mut off = false;
    let mut words = arguments.split_whitespace();
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None if word.len() > 2 && !word.starts_with("--") => word
                .split_at_checked(2)
                .map_or((word, None), |(name, value)| (name, Some(value))),
            None => (word, None),
        };
        let is_off = match name {
            "-N" | "--no-nfs-version" => true,
            "-V" | "--nfs-version" => false,
            _ => continue,
        };
        if value.or_else(|| words.next()) == Some("3") {
            off = is_off;
        }
    }
    off
}

#[cfg(test)]
mod tests {
    use super::switching_off;
    use crate::disable::{machine::fixture::machine, needs::files::Files};

    #[test]
    fn arguments_of_rpc_nfsd_count_as_the_shell_reads_them() {
        for (line, is_off) in [
            ("RPCNFSDOPTS=\"-N 3\"", true),
            ("RPCNFSDOPTS='-N 2 -N3'", true),
            ("RPCNFSDCOUNT=\"8 --no-nfs-version 3\" # c", true),
            ("export RPCNFSDARGS=--no-nfs-version=3", true),
            ("RPCNFSDOPTS=\"-N 4\"", false),
            ("RPCNFSDOPTS=\"-N 3 -V 3\"", false),
            ("RPCNFSDOPTS=\"-N 3\"\nRPCNFSDOPTS=\"\"", false),
            ("RPCNFSDOPTS=\"$X -N 3\"", false),
            ("#RPCNFSDOPTS=\"-N 3\"", false),
            ("RPCMOUNTDOPTS=\"-N 3\"", false),
        ] {
            for file in ["etc/default/nfs-kernel-server", "etc/sysconfig/nfs"] {
                let (_root, machine) = machine(&[(file, line)]);
                let found = switching_off(&Files::new(&machine));
                assert_eq!(found.is_some(), is_off, "{line}");
            }
        }
    }
}
