//! A file for node_exporter's textfile collector.

use std::{
    ffi::OsStr,
    fs::Permissions,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use crate::error::{Error, Result};

/// Who collects it is another user.
const MODE: u32 = 0o644;

/// Writes metrics so that whoever reads the file finds the whole old text or the whole new one. It is
/// readable by everybody (mode 0644).
///
/// # Errors
///
/// If the file cannot be written. The old one, if there is one, stays then.
pub fn write_file(path: &Path, text: &str) -> Result<()> {
    replace(path, text).map_err(|source| Error::File {
        action: "write metrics to",
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    // It would be replaced by a regular file.
    if path.symlink_metadata().is_ok_and(|file| !file.is_file()) {
        let why = "there is something else than a regular file";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    let parent = path.parent().filter(|parent| *parent != OsStr::new(""));
    // The collector reads files whose names end in `.prom`.
    let mut file = tempfile::Builder::new()
        .prefix(".rpcguard-metrics.")
        .tempfile_in(parent.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file()
        .set_permissions(Permissions::from_mode(MODE))?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::write_file;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_readable_by_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rpcguard.prom");
        for text in ["a 1\nb 2\n", "a 2\n"] {
            write_file(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_replaced_stays_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a-directory");
        fs::create_dir(&path).unwrap();
        let error = write_file(&path, "a 1\n").unwrap_err().to_string();
        assert!(error.starts_with("cannot write metrics to /"), "{error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        write_file(&directory.path().join("no/such/place"), "").unwrap_err();
    }
}
