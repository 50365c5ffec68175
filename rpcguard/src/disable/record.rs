//! What is written down before anything is done, so that it can be undone.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{DisableError, Machine, State, Step};

/// Where rpcguard keeps what has to last, from the root directory.
const DIRECTORY: &str = "var/lib/rpcguard";

/// The record's name in there.
const NAME: &str = "disable.json";

/// Of the form of the record.
const VERSION: u32 = 1;

/// What was there before, and what has been done since. The file is written anew before each step, and
/// is only ever there as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// What is to be restored.
    pub before: State,
    /// What was done, or begun: the last one may not have come to its end.
    pub begun: Vec<Step>,
}

impl Record {
    /// A record of a machine on which nothing was done.
    #[must_use]
    pub const fn new(before: State) -> Self {
        Self {
            version: VERSION,
            before,
            begun: Vec::new(),
        }
    }

    /// The directory that records are in.
    pub(super) fn directory(machine: &Machine) -> PathBuf {
        machine.path(DIRECTORY)
    }

    /// Makes that directory, which only root may enter.
    pub(super) fn make_directory(directory: &Path) -> Result<(), DisableError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(directory)
            .map_err(file_error("make", directory))
    }

    /// Where a machine's record is.
    #[must_use]
    pub fn path(machine: &Machine) -> PathBuf {
        Self::directory(machine).join(NAME)
    }

    /// Reads it, if there is one.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or has another form.
    pub fn load(machine: &Machine) -> Result<Option<Self>, DisableError> {
        let path = Self::path(machine);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file_error("read", &path)(error)),
        };
        let wrong = |why: String| DisableError::Record {
            path: path.clone(),
            why,
        };
        let record: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if record.version != VERSION {
            let Self { version, .. } = record;
            let why = format!("it has version {version}, and this rpcguard knows {VERSION}");
            return Err(wrong(why));
        }
        Ok(Some(record))
    }

    /// Writes it in the place of the one that is there, in one go, and makes sure that it lasts.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, machine: &Machine) -> Result<(), DisableError> {
        let directory = Self::directory(machine);
        let path = Self::path(machine);
        let scratch = directory.join(format!("{NAME}.new"));
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| DisableError::Record {
            path: path.clone(),
            why: error.to_string(),
        })?;
        text.push(b'\n');
        match fs::remove_file(&scratch) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file_error("remove", &scratch)(error));
            }
            _ => {}
        }
        let write = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&scratch)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&scratch, &path)?;
            File::open(&directory)?.sync_all()
        };
        write().map_err(file_error("write", &path))
    }

    /// Takes the record away.
    ///
    /// # Errors
    ///
    /// If the file cannot be removed.
    pub fn remove(machine: &Machine) -> Result<(), DisableError> {
        let path = Self::path(machine);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(file_error("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }
}

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DisableError {
    let path = path.to_owned();
    move |source| DisableError::File {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{super::Services, *};

    fn record() -> Record {
        let before = State {
            services: Services::Unknown,
            strays: Vec::new(),
        };
        let mut record = Record::new(before);
        record
            .begun
            .push(Step::run("systemctl stop", ["rpcbind.socket"]));
        record
    }

    fn machine() -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path());
        Record::make_directory(&Record::directory(&machine)).unwrap();
        (root, machine)
    }

    #[test]
    fn what_is_saved_is_what_is_loaded_and_is_roots_alone() {
        let (_root, machine) = machine();
        assert_eq!(Record::load(&machine).unwrap(), None);
        // Left behind by whoever was killed while writing.
        fs::write(Record::directory(&machine).join("disable.json.new"), "{").unwrap();
        record().save(&machine).unwrap();
        assert_eq!(Record::load(&machine).unwrap(), Some(record()));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&Record::path(&machine)), 0o600);
        assert_eq!(mode(&Record::directory(&machine)), 0o700);
        Record::remove(&machine).unwrap();
        Record::remove(&machine).unwrap();
        assert_eq!(Record::load(&machine).unwrap(), None);
    }

    #[test]
    fn what_is_no_record_is_left_alone_and_named() {
        let (_root, machine) = machine();
        let text = serde_json::to_string(&record()).unwrap();
        for (text, why) in [
            (text.replace("\"version\":1", "\"version\":2"), "version 2"),
            (text[..text.len() / 2].to_owned(), "EOF"),
            (String::new(), "EOF"),
        ] {
            fs::write(Record::path(&machine), &text).unwrap();
            let error = Record::load(&machine).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            assert!(error.hint().unwrap().contains("disable.json"));
        }
    }
}
