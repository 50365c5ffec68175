//! What is written down before anything is done, so that it can be undone.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DisableError, Machine, State, Step, store::Store};

/// Where rpcguard keeps what has to last, from the root directory.
const DIRECTORY: &str = "var/lib/rpcguard";

/// The record's name in there.
const NAME: &str = "disable.json";

/// Of the form of the record.
const VERSION: u32 = 1;

/// The state before, and the steps since. The file is written anew before each step,
/// and is only ever there as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// What is to be restored.
    pub before: State,
    /// The steps that were done, or begun: the last one may not have come to its end. It is there
    /// for people.
    #[serde(default)]
    begun: Vec<Value>,
    /// The state after all of it: a difference from it was made by somebody else. `None`
    /// as long as it is under way, and as soon as it is being undone.
    #[serde(default)]
    pub left: Option<State>,
}

impl Record {
    /// A record of a machine on which nothing was done.
    #[must_use]
    pub const fn new(before: State) -> Self {
        Self {
            version: VERSION,
            before,
            begun: Vec::new(),
            left: None,
        }
    }

    /// Adds a step that is about to be made.
    pub(super) fn begin(&mut self, step: &Step) {
        self.left = None;
        self.begun.extend(serde_json::to_value(step).ok());
    }

    /// The directory that records are in.
    pub(super) fn directory(machine: &Machine) -> PathBuf {
        machine.path(DIRECTORY)
    }

    /// Makes that directory, which only root may enter.
    pub(super) fn make_directory(machine: &Machine) -> Result<(), DisableError> {
        Store::provide(&machine.path(""), DIRECTORY).map(drop)
    }

    /// Where a machine's record is.
    #[must_use]
    pub fn path(machine: &Machine) -> PathBuf {
        Self::directory(machine).join(NAME)
    }

    /// Whether there is one, in whatever state.
    #[must_use]
    pub fn exists(machine: &Machine) -> bool {
        Store::open(&machine.path(""), DIRECTORY)
            .is_ok_and(|store| store.is_some_and(|store| store.has(NAME)))
    }

    /// Reads it, if there is one.
    ///
    /// # Errors
    ///
    /// If others than root could have written it, if it has another form, or if it names what
    /// rpcguard never changes.
    pub fn load(machine: &Machine) -> Result<Option<Self>, DisableError> {
        let Some(store) = Store::open(&machine.path(""), DIRECTORY)? else {
            return Ok(None);
        };
        let Some(text) = store.read(NAME)? else {
            return Ok(None);
        };
        let wrong = |why: String| DisableError::Record {
            path: Self::path(machine),
            why,
        };
        let record: Self =
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if record.version != VERSION {
            let Self { version, .. } = record;
            let why = format!("it has version {version}, and this rpcguard knows {VERSION}");
            return Err(wrong(why));
        }
        if let Some(name) = record.before.unknown_name() {
            return Err(wrong(format!(
                "it names {name:?}, which rpcguard never changes"
            )));
        }
        Ok(Some(record))
    }

    /// Writes it in the place of the one that is there, in one go, and makes sure that it lasts.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, machine: &Machine) -> Result<(), DisableError> {
        let store = Store::provide(&machine.path(""), DIRECTORY)?;
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| DisableError::Record {
            path: Self::path(machine),
            why: error.to_string(),
        })?;
        text.push(b'\n');
        store.write(NAME, &text)
    }

    /// Takes the record away.
    ///
    /// # Errors
    ///
    /// If the file cannot be removed.
    pub fn remove(machine: &Machine) -> Result<(), DisableError> {
        Store::open(&machine.path(""), DIRECTORY)?.map_or(Ok(()), |store| store.remove(NAME))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{super::Services, *};

    fn record() -> Record {
        let before = State::new(Services::Unknown, Vec::new());
        let mut record = Record::new(before);
        record.begin(&Step::run("systemctl stop", ["rpcbind.socket"]));
        record
    }

    fn machine() -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path());
        Record::make_directory(&machine).unwrap();
        (root, machine)
    }

    fn write(machine: &Machine, text: &str) {
        fs::write(Record::path(machine), text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(Record::path(machine), mode).unwrap();
    }

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let (_root, machine) = machine();
        assert_eq!(Record::load(&machine).unwrap(), None);
        record().save(&machine).unwrap();
        assert_eq!(Record::load(&machine).unwrap(), Some(record()));
        assert!(Record::exists(&machine));
        Record::remove(&machine).unwrap();
        Record::remove(&machine).unwrap();
        assert!(!Record::exists(&machine));
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
            write(&machine, &text);
            let error = Record::load(&machine).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            assert!(error.hint().unwrap().contains("disable.json"));
        }
    }

    /// As aa08b07 wrote it of a process that called itself rpcbind.
    #[test]
    fn a_command_line_in_an_old_record_is_read_and_never_run() {
        let (_root, machine) = machine();
        let stray = r#"{"id": 412, "name": "rpcbind", "program": "/tmp/evil",
                        "arguments": ["--as", "root"], "started": 8731}"#;
        write(
            &machine,
            &format!(
                r#"{{"version": 1, "before": {{"services": {{"init": "unknown"}},
                     "strays": [{stray}]}}, "begun": [{{"end": {stray}}},
                     {{"start": {{"program": "/tmp/evil", "arguments": []}}}}]}}"#
            ),
        );
        let record = Record::load(&machine).unwrap().unwrap();
        let now = State::new(Services::Unknown, Vec::new());
        assert_eq!(now.restore(&record.before), Some(Vec::new()));
        let [stray] = &record.before.strays[..] else {
            panic!("{record:?}");
        };
        assert_eq!(stray.by_hand(&machine), None);
    }

    #[test]
    fn a_record_that_names_what_rpcguard_never_changes_is_refused() {
        let (_root, machine) = machine();
        let unit = |name: &str, file: &str| {
            format!(
                r#"{{"init": "systemd", "services": {{"units": [{{"name": "{name}", "is_alias": false,
                     "active": true, "state": "enabled", "file": {file}}}], "dependents": []}}}}"#
            )
        };
        let script = |name: &str, level: &str| {
            format!(
                r#"{{"init": "update-rc-d", "services": [{{"name": "{name}", "levels": ["{level}"],
                     "running": true}}]}}"#
            )
        };
        let openrc = |name: &str, level: &str, dependent: &str| {
            format!(
                r#"{{"init": "openrc", "services": {{"services": [{{"name": "{name}",
                     "runlevels": ["{level}"], "started": true}}], "dependents": ["{dependent}"]}}}}"#
            )
        };
        let text = |services: &str| {
            format!(r#"{{"version": 1, "before": {{"services": {services}, "strays": []}}}}"#)
        };
        for good in [
            unit("rpcbind.socket", "null"),
            unit("portmap-111.socket", r#"{"link": "/opt/rpcbind.service"}"#),
            script("rpcbind", "S"),
            openrc("rpcbind", "default", "rpc.statd"),
        ] {
            write(&machine, &text(&good));
            assert!(Record::load(&machine).unwrap().is_some(), "{good}");
        }
        for bad in [
            unit("/tmp/evil.service", "null"),
            unit("--root=/tmp", "null"),
            unit("rpcbind", "null"),
            unit("*.service", "null"),
            unit("rpcbind.service", r#"{"link": "../evil.service"}"#),
            unit("rpcbind.service", r#"{"link": "/tmp/../evil.service"}"#),
            unit("rpcbind.service", r#"{"link": "/etc/shadow"}"#),
            script("../../tmp/evil", "S"),
            script("ssh", "S"),
            script("rpcbind", " "),
            openrc("evil", "default", "rpc.statd"),
            openrc("rpcbind", "--all", "rpc.statd"),
            openrc("rpcbind", "default", "../evil"),
        ] {
            write(&machine, &text(&bad));
            let error = Record::load(&machine).unwrap_err().to_string();
            assert!(error.contains("never changes"), "{bad}: {error}");
        }
    }
}
