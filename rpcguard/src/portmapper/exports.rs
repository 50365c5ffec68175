//! The exports of mountd (RFC 1813 appendix I).

use super::xdr::Reader;

/// As many directories and groups are read.
const MAX: usize = 4096;

/// The longest path (`MNTPATHLEN`) and name (`MNTNAMLEN`), in bytes.
const MAX_PATH: usize = 1024;
const MAX_NAME: usize = 255;

/// Names of groups that are everybody.
const EVERYBODY: [&[u8]; 3] = [b"*", b"0.0.0.0/0", b"::/0"];

/// Reads what EXPORT returns: the directories that are exported to everybody, which are those
/// without a group, or with one that is everybody.
///
/// `None` if it is not that.
#[must_use]
pub fn exports_to_everybody(results: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::new(results);
    let mut open = Vec::new();
    let mut read = 0;
    while reader.boolean()? {
        let directory = reader.string(MAX_PATH)?;
        let mut groups = Vec::new();
        while reader.boolean()? {
            groups.push(reader.string(MAX_NAME)?);
            read += 1;
        }
        read += 1;
        if groups.is_empty() || groups.iter().any(|group| EVERYBODY.contains(group)) {
            open.push(String::from_utf8_lossy(directory).into_owned());
        }
        if read > MAX {
            break;
        }
    }
    Some(open)
}

#[cfg(test)]
mod tests {
    use super::{
        super::xdr::{string, words},
        MAX, exports_to_everybody,
    };

    fn export(directory: &str, groups: &[&str]) -> Vec<u8> {
        let mut bytes = [words(&[1]), string(directory.as_bytes())].concat();
        for group in groups {
            bytes.extend([words(&[1]), string(group.as_bytes())].concat());
        }
        bytes.extend(words(&[0]));
        bytes
    }

    #[test]
    fn directories_that_everybody_may_mount_are_found() {
        let list = [
            export("/home", &["192.0.2.0/24"]),
            export("/srv", &["*"]),
            export("/old", &[]),
            export("/mixed", &["host.example", "0.0.0.0/0"]),
            words(&[0]),
        ];
        let open = exports_to_everybody(&list.concat()).unwrap();
        assert_eq!(open, ["/srv", "/old", "/mixed"]);
        assert_eq!(exports_to_everybody(&words(&[0])), Some(Vec::new()));
    }

    #[test]
    fn a_list_that_lies_is_refused_and_one_without_end_cut_off() {
        assert_eq!(exports_to_everybody(&export("/srv", &["*"])), None);
        assert_eq!(exports_to_everybody(&words(&[1, u32::MAX])), None);
        assert_eq!(exports_to_everybody(b""), None);
        let endless = export("/srv", &[]).repeat(2 * MAX);
        let open = exports_to_everybody(&endless).unwrap();
        assert_eq!(open.len(), MAX + 1);
    }
}
