//! Files, and what is none.

use std::io::Write as _;

use crate::list_file::*;

fn refused(path: &Path) -> ListFileError {
    read(path).unwrap_err()
}

#[test]
fn a_file_is_read_and_named() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"10.0.0.0/8\n").unwrap();
    assert_eq!(read(file.path()).unwrap().entries.len(), 1);
    file.write_all(b"mistake\n").unwrap();
    let shown = refused(file.path()).to_string();
    let name = file.path().display();
    assert_eq!(
        shown,
        format!("{name}:2:1: `mistake` is not an IPv4 or IPv6 address")
    );
}

#[test]
fn what_is_no_readable_file_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("none");
    assert!(matches!(refused(&missing), ListFileError::Missing { .. }));
    assert!(matches!(
        refused(directory.path()),
        ListFileError::Directory { .. }
    ));
    let below_a_file = directory.path().join("file/none");
    std::fs::write(directory.path().join("file"), "").unwrap();
    let error = refused(&below_a_file);
    assert!(matches!(error, ListFileError::Unreadable { .. }));
    assert!(error.to_string().contains("Not a directory"), "{error}");
}

#[test]
fn a_binary_file_is_refused() {
    let error = refused(&std::env::current_exe().unwrap());
    // A debug build may also be beyond the size limit.
    assert!(
        matches!(
            error,
            ListFileError::Binary { line: 1, .. } | ListFileError::TooLarge { .. }
        ),
        "{error}"
    );
}

#[test]
fn a_file_beyond_the_limit_is_refused_unread() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(MAX_BYTES + 1).unwrap();
    let error = refused(file.path());
    assert!(
        error
            .to_string()
            .ends_with("67108865 bytes; the limit is 67108864 bytes"),
        "{error}"
    );
    file.as_file().set_len(MAX_BYTES).unwrap();
    assert!(
        matches!(refused(file.path()), ListFileError::Binary { .. }),
        "at the limit"
    );
}

#[test]
fn a_pipe_is_read_to_the_limit_and_no_further() {
    struct Endless(u64);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(b'\n');
            self.0 += buffer.len() as u64;
            Ok(buffer.len())
        }
    }

    let mut input = Endless(0);
    let error = read_limited("pipe", &mut input, 0).unwrap_err();
    assert!(
        matches!(error, ListFileError::TooLarge { size: None, .. }),
        "{error}"
    );
    assert_eq!(input.0, MAX_BYTES + 1);
}

/// A list file that is read again by itself may have become a pipe to which nothing is ever
/// written.
#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("list");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let shown = read_regular(&pipe).unwrap_err().to_string();
    assert!(
        shown.ends_with("cannot be read: it is no regular file"),
        "{shown}"
    );
}
