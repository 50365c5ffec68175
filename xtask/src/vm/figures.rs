//! Writes down how large the program is on each kernel, for `tests/tests/verifier.rs`.

use std::{fs, sync::Mutex};

use anyhow::{Context as _, Result, bail};
use rpcguard_ebpf::build::workspace;

/// Where they are, a line for each kernel and program.
const FILE: &str = "tests/fixtures/verifier.txt";

/// Machines end at the same time.
static WRITING: Mutex<()> = Mutex::new(());

/// Puts the lines of one kernel in the place of those that there were.
pub(super) fn record(kernel: &str, lines: &[String]) -> Result<()> {
    if lines.is_empty() {
        bail!("no figures came from Linux {kernel}");
    }
    let _writing = WRITING.lock().expect("no panic");
    let path = workspace().join(FILE);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {FILE}"))?;
    fs::write(&path, replaced(&text, kernel, lines)).with_context(|| format!("cannot write {FILE}"))
}

/// Comments stay on top, and the rest is in order.
fn replaced(text: &str, kernel: &str, lines: &[String]) -> String {
    let prefix = format!("{kernel} ");
    let (comments, others): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with('#'));
    let mut figures: Vec<&str> = others
        .into_iter()
        .filter(|line| !line.starts_with(&prefix))
        .chain(lines.iter().map(String::as_str))
        .collect();
    figures.sort_unstable();
    comments
        .into_iter()
        .chain(figures)
        .map(|line| format!("{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn only_the_lines_of_one_kernel_are_replaced() {
        let text = "# what it is\n6.1 frags: 1 2 3\n6.12 linear: 7 8 9\n";
        let lines = ["6.1 linear: 4 5 6".to_owned()];
        assert_eq!(
            replaced(text, "6.1", &lines),
            "# what it is\n6.1 linear: 4 5 6\n6.12 linear: 7 8 9\n"
        );
    }
}
