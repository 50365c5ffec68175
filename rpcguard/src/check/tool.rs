//! Runs other programs to ask for what the kernel or systemd knows: root's own only, with a clean
//! environment, a deadline and a limit to what they say.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Directories of programs that only root may write to.
const DIRECTORIES: [&str; 6] = [
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/local/sbin",
    "/usr/local/bin",
];

/// The search path of the programs themselves.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that says nothing for longer is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest output that is read, in bytes: the rules of a large Kubernetes node are a tenth of
/// it.
const MAX_OUTPUT: u64 = 64 << 20;

/// Finds the first of these programs that belongs to root alone.
pub(super) fn find(names: &[&str]) -> Option<PathBuf> {
    let paths = names
        .iter()
        .flat_map(|name| DIRECTORIES.map(|directory| Path::new(directory).join(name)));
    paths
        .into_iter()
        .find(|path| fs::canonicalize(path).is_ok_and(|path| path.ancestors().all(belongs_to_root)))
}

fn belongs_to_root(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.uid() == 0 && found.mode() & 0o022 == 0)
}

/// Runs a program and returns what it prints, or says in a few words why there is nothing.
pub(super) fn run(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let name = program.file_name().unwrap_or_default().display();
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs([("PATH", PATH), ("LC_ALL", "C")])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{name} cannot be run: {error}"))?;
    let deadline = Instant::now() + PATIENCE;
    let output = child.stdout.take();
    let (sender, receiver) = mpsc::channel();
    // It ends with the pipe, and at the latest with this process.
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.map(|output| output.take(MAX_OUTPUT + 1).read_to_end(&mut bytes));
        let _ = sender.send(read.and_then(Result::ok).map(|_| bytes));
    });
    let bytes = receiver.recv_timeout(PATIENCE).ok().flatten();
    let whole = bytes.filter(|bytes| bytes.len() as u64 <= MAX_OUTPUT);
    let Some(bytes) = whole else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("{name} does not end, or says too much"));
    };
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => {
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            Ok(Some(status)) => return Err(format!("{name} failed ({status})")),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{name} does not end"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{find, run};

    #[test]
    fn programs_are_run_with_a_clean_environment_and_a_deadline() {
        let env = find(&["no-such-program", "env"]).unwrap();
        let text = run(&env, &[]).unwrap();
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["LC_ALL=C", &format!("PATH={}", super::PATH)]);
        let failed = run(Path::new("/bin/false"), &[]).unwrap_err();
        assert!(failed.starts_with("false failed"), "{failed}");
        let endless = run(&find(&["sleep"]).unwrap(), &["60"]).unwrap_err();
        assert_eq!(endless, "sleep does not end, or says too much");
        assert_eq!(find(&["no-such-program"]), None);
    }
}
