//! One virtual machine from start to end.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::kernels::Unpacked;
use crate::process;

/// Of what a test program prints, or the kernel while it starts.
const LONGEST_SILENCE: Duration = Duration::from_secs(300);

/// How a virtual machine is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine<'a> {
    pub(super) kernel: &'a Unpacked,
    pub(super) initramfs: &'a Path,
    /// Where the kernel's messages go.
    pub(super) console: &'a Path,
    /// Whether the processor runs it, and not software.
    pub(super) kvm: bool,
}

/// Two network cards of each model, on one wire; the tests know them by their addresses.
const CARDS: [(&str, &str); 3] = [("virtio-net-pci", "mq=on"), ("vmxnet3", ""), ("e1000", "")];

impl Machine<'_> {
    /// Runs it until it powers off, and hands on each line that its tests print.
    ///
    /// Returns why it did not come to its end, if it did not.
    pub(super) fn run(&self, mut line: impl FnMut(&str)) -> Result<Option<String>> {
        File::create(self.console).context("cannot write the console's file")?;
        let mut command = self.command();
        let mut qemu = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| process::cannot_run(&command))?;
        let output = qemu.stdout.take().context("qemu has an output")?;
        let (sender, lines) = mpsc::channel();
        let reader = thread::spawn(move || {
            for bytes in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                if sender.send(text).is_err() {
                    break;
                }
            }
        });
        let mut hung = None;
        loop {
            match lines.recv_timeout(LONGEST_SILENCE) {
                Ok(text) => line(&text),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    hung = Some(format!("silent for {} s", LONGEST_SILENCE.as_secs()));
                    qemu.kill()?;
                    break;
                }
            }
        }
        let status = qemu.wait()?;
        let _ = reader.join();
        Ok(hung.or_else(|| (!status.success()).then(|| format!("qemu: {status}"))))
    }

    fn command(&self) -> Command {
        let mut command = process::command("qemu-system-x86_64");
        command
            .args(["-nodefaults", "-no-user-config", "-display", "none"])
            .args(["-machine", "q35", "-no-reboot"])
            .args(["-m", "2G", "-smp", "2"]);
        if self.kvm {
            command.args(["-accel", "kvm", "-cpu", "host"]);
        } else {
            command.args(["-accel", "tcg,thread=multi", "-cpu", "max"]);
        }
        command
            .arg("-kernel")
            .arg(&self.kernel.image)
            .arg("-initrd")
            .arg(self.initramfs)
            .args([
                "-append",
                "console=ttyS0 panic=-1 loglevel=5 mitigations=off",
            ])
            .args(["-serial", &format!("file:{}", self.console.display())])
            .args(["-serial", "stdio"]);
        for (number, (model, options)) in CARDS.iter().enumerate() {
            for end in 0..2 {
                let id = format!("n{number}{end}");
                let comma = if options.is_empty() { "" } else { "," };
                command
                    .args(["-netdev", &format!("hubport,id={id},hubid={number}")])
                    .args([
                        "-device",
                        &format!(
                            "{model},netdev={id},mac=52:54:00:00:0{number}:0{end}{comma}{options}"
                        ),
                    ]);
            }
        }
        command
    }
}

/// How long something took, as it is printed.
pub(super) fn seconds_since(begun: Instant) -> String {
    format!("{:.0} s", begun.elapsed().as_secs_f64())
}
