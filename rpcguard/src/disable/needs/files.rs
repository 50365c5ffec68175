//! Reading files that others may have written, or that lie on a file system whose server is dead.

use std::{
    cell::{Cell, RefCell},
    fs::File,
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::{
    need::{Kind, Need},
    owner,
};
use crate::disable::machine::Machine;

/// How long one file may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// After so many files that took longer, no more are tried.
const MAX_STUCK: u32 = 3;

/// Where nobody but root puts files.
const DIRECTORIES: [&str; 5] = [
    "/etc/",
    "/usr/",
    "/lib/",
    "/run/systemd/",
    "/var/lib/docker/",
];

/// Larger than any of these files.
const MAX_SIZE: u64 = 16 << 20;

/// The files of a machine, and what could not be read.
pub(super) struct Files {
    root: PathBuf,
    stuck: Cell<u32>,
    unread: RefCell<Vec<Need>>,
}

/// A file that was read.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// Its path on the machine, from the root directory.
    pub(super) path: String,
    pub(super) text: String,
    /// Whether root alone can write it.
    pub(super) is_roots: bool,
    pub(super) is_executable: bool,
}

/// A line of a file, or several that are joined by backslashes.
pub(super) struct Line {
    pub(super) text: String,
    /// The file, and the number of the line.
    pub(super) place: String,
}

impl Text {
    /// The lines of the file, blanks around them removed, without comments and empty lines. A
    /// comment takes a whole line: further on, `#` is as good as any other character.
    pub(super) fn lines(&self, comments: &[char], joined: bool) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        let mut continues = false;
        for (index, text) in self.text.lines().enumerate() {
            let is_continuation = continues;
            let body = text.strip_suffix('\\').filter(|_| joined);
            continues = body.is_some() && (is_continuation || !text.trim().starts_with(comments));
            let body = body.unwrap_or(text).trim();
            match lines.last_mut() {
                Some(last) if is_continuation => {
                    last.text.push(' ');
                    last.text.push_str(body);
                }
                _ => lines.push(Line {
                    text: body.to_owned(),
                    place: format!("{}:{}", self.path, index + 1),
                }),
            }
        }
        lines.retain(|line| !line.text.is_empty() && !line.text.starts_with(comments));
        lines
    }
}

impl Files {
    pub(super) fn new(machine: &Machine) -> Self {
        Self {
            root: machine.path(""),
            stuck: Cell::new(0),
            unread: RefCell::default(),
        }
    }

    /// A regular file; `None` if there is none, or none that could be read, which is remembered.
    pub(super) fn read(&self, path: &str) -> Option<Text> {
        let root = self.root.clone();
        let name = path.trim_start_matches('/').to_owned();
        self.try_to(path, move || read(&root, &name)).flatten()
    }

    /// The names in a directory, in order.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let directory = self.root.join(path.trim_start_matches('/'));
        let names = self.try_to(path, move || {
            let mut names: Vec<_> = directory
                .read_dir()?
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect();
            names.sort_unstable();
            Ok(names)
        });
        names.unwrap_or_default()
    }

    /// Returns the files that could not be read, each of which may hide a need.
    pub(super) fn unread(self) -> Vec<Need> {
        self.unread.into_inner()
    }

    fn try_to<T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let done = if self.stuck.get() >= MAX_STUCK {
            Err(io::Error::other("others took too long"))
        } else {
            within(PATIENCE, work)
        };
        match done {
            Ok(found) => Some(found),
            Err(error) => {
                if error.kind() == io::ErrorKind::TimedOut {
                    self.stuck.set(self.stuck.get() + 1);
                }
                let missing = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
                if !missing.contains(&error.kind()) {
                    let path = format!("/{}", path.trim_start_matches('/'));
                    // Elsewhere, a user may have made it so.
                    let is_roots = DIRECTORIES.iter().any(|root| path.starts_with(root));
                    let need = Need::new(Kind::Unread, format!("cannot be read: {error}"));
                    let need = need.at(path).blocks_if(is_roots);
                    self.unread.borrow_mut().push(need);
                }
                None
            }
        }
    }
}

/// Works in a thread that is left behind if it takes longer.
fn within<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, wait) = mpsc::channel();
    let worker = thread::Builder::new().name("needs".to_owned());
    worker.spawn(move || done.send(work()))?;
    wait.recv_timeout(patience).unwrap_or_else(|_| {
        let waited = format!("nothing came within {} s", patience.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, waited))
    })
}

/// Reads a file; what is not a regular one, such as /dev/null or a pipe, is none.
fn read(root: &Path, name: &str) -> io::Result<Option<Text>> {
    let resolved = owner::resolve(root, name.as_ref())?;
    // A pipe would wait for somebody who writes.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let mut options = File::options();
    options.read(true).custom_flags(flags.bits().cast_signed());
    let file = options.open(&resolved.path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(Some(Text {
        path: format!("/{name}"),
        text: String::from_utf8_lossy(&bytes).into_owned(),
        is_roots: resolved.is_roots
            && owner::is_of_root(&resolved.path, &metadata, &root.metadata()?),
        is_executable: metadata.mode() & 0o111 != 0,
    }))
}

#[cfg(test)]
mod tests {
    use std::{fs, io, thread, time::Duration};

    use super::{Files, MAX_SIZE, within};
    use crate::disable::machine::fixture::machine;

    #[test]
    fn a_file_that_never_comes_does_not_hang_the_command() {
        let forever = || {
            thread::sleep(Duration::from_secs(60));
            Ok(())
        };
        let error = within(Duration::from_millis(20), forever).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(matches!(within(Duration::from_secs(60), || Ok(7)), Ok(7)));
    }

    #[test]
    fn pipes_and_endless_files_are_not_read() {
        let (root, machine) = machine(&[("etc/large", ""), ("etc/null", "->/etc")]);
        let pipe = root.path().join("etc/pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let large = fs::File::options()
            .write(true)
            .open(root.path().join("etc/large"));
        large.unwrap().set_len(MAX_SIZE + 1).unwrap();
        let files = Files::new(&machine);
        for path in ["/etc/large", "/etc/pipe", "/etc/null", "/etc/none"] {
            assert!(files.read(path).is_none(), "{path}");
        }
        let unread = files.unread();
        assert_eq!(unread.len(), 1, "{unread:?}");
        assert_eq!(unread[0].place(), Some("/etc/large"));
    }

    #[test]
    fn lines_are_joined_and_numbered() {
        let text = "# a \\\nb \\\n  c # d\n\n;e\nf";
        let (_root, machine) = machine(&[("x", text)]);
        let text = Files::new(&machine).read("x").unwrap();
        let lines = text.lines(&['#', ';'], true);
        let lines: Vec<_> = lines
            .iter()
            .map(|line| (&*line.text, &*line.place))
            .collect();
        assert_eq!(lines, [("b c # d", "/x:2"), ("f", "/x:6")]);
    }
}
