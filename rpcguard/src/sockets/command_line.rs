//! The arguments of a process, which are in its own memory.
//!
//! A process can have it in a file system of its own that never answers: a thread reads it, and is
//! left behind if it takes too long.

use std::{fs::File, io::Read as _, path::PathBuf, sync::mpsc, thread, time::Duration};

/// How long to wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest command line that is read, in bytes.
const MAX_LEN: u64 = 4096;

/// The words at `/proc/PID/cmdline`, the program's name first; none if they cannot be read in time.
pub(crate) fn command_line(path: PathBuf) -> Vec<String> {
    let (done, wait) = mpsc::channel();
    let read = move || {
        let mut bytes = Vec::new();
        let file = File::open(path).map(|file| file.take(MAX_LEN));
        let read = file.and_then(|mut file| file.read_to_end(&mut bytes));
        let _ = done.send(read.map(|_| bytes));
    };
    let reader = thread::Builder::new().name("arguments".to_owned());
    let bytes = match reader.spawn(read) {
        Ok(_) => wait.recv_timeout(PATIENCE),
        Err(_) => return Vec::new(),
    };
    let Ok(Ok(bytes)) = bytes else {
        log::debug!("the arguments of a process could not be read");
        return Vec::new();
    };
    String::from_utf8_lossy(&bytes)
        .split_terminator('\0')
        .map(ToOwned::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{PATIENCE, command_line};

    #[test]
    fn arguments_that_never_come_are_given_up() {
        let own = command_line("/proc/self/cmdline".into());
        assert_eq!(own, Vec::from_iter(std::env::args()));
        // Opening a pipe waits for a writer.
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let started = Instant::now();
        assert_eq!(command_line(pipe), Vec::<String>::new());
        assert!(started.elapsed() < PATIENCE + Duration::from_secs(2));
    }
}
