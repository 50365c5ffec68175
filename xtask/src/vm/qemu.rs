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
    pub(super) hardware: Hardware<'a>,
}

/// What a machine has besides processors, memory and serial ports.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hardware<'a> {
    /// Network cards.
    Cards {
        /// Whether [`try_wires`] succeeded.
        wires: bool,
    },
    /// A disk, in this file.
    Disk(&'a Path),
}

/// Models of network cards, two of each on one wire; the tests know them by their addresses, which are
/// numbered in this order.
const CARDS: [&str; 3] = ["virtio-net-pci", "vmxnet3", "e1000"];

/// More cards, whose other ends [`WIRES`] makes: two with several queues on one wire, and one whose
/// offloads the machine cannot switch off.
const MORE_CARDS: [(&str, &str, &str); 3] = [
    (
        "queues0",
        "queues=4",
        "mac=52:54:00:00:03:00,mq=on,vectors=10",
    ),
    (
        "queues1",
        "queues=4",
        "mac=52:54:00:00:03:01,mq=on,vectors=10",
    ),
    (
        "offload",
        "queues=1",
        "mac=52:54:00:00:04:00,ctrl_guest_offloads=off",
    ),
];

/// Makes the other ends of [`MORE_CARDS`].
const WIRES: &str = include_str!("wires.sh");

/// A command in a network namespace with the wires; for those who are not root, also in a user
/// namespace, where they may make them.
fn with_wires() -> Command {
    let mut command = process::command("unshare");
    command.arg("--net");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["sh", "-c", WIRES, "wires"]);
    command
}

/// Whether the wires can be made here; if not, why not.
pub(super) fn try_wires() -> Result<(), String> {
    let output = with_wires().arg("true").output();
    let output = output.map_err(|error| format!("unshare: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or("no reason given").to_owned())
}

impl Machine<'_> {
    /// Runs it until it powers off or would boot again, and hands on each line that its tests print.
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
        const QEMU: &str = "qemu-system-x86_64";
        let wires = matches!(self.hardware, Hardware::Cards { wires: true });
        let mut command = if wires {
            let mut command = with_wires();
            command.arg(QEMU);
            command
        } else {
            process::command(QEMU)
        };
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
        match self.hardware {
            Hardware::Cards { wires } => add_cards(&mut command, wires),
            Hardware::Disk(disk) => {
                // A comma in a path is doubled.
                let disk = disk.display().to_string().replace(',', ",,");
                let drive = format!("if=virtio,format=raw,cache=unsafe,file={disk}");
                command.args(["-drive", &drive]);
            }
        }
        command
    }
}

fn add_cards(command: &mut Command, wires: bool) {
    for (number, model) in CARDS.iter().enumerate() {
        for end in 0..2 {
            let id = format!("n{number}{end}");
            let wire = format!("hubport,id={id},hubid={number}");
            let card = format!("{model},netdev={id},mac=52:54:00:00:0{number}:0{end}");
            command.args(["-netdev", &wire, "-device", &card]);
        }
    }
    if wires {
        for (name, queues, options) in MORE_CARDS {
            let wire = format!("tap,id={name},ifname={name},{queues},script=no,downscript=no");
            let card = format!("virtio-net-pci,netdev={name},{options}");
            command.args(["-netdev", &wire, "-device", &card]);
        }
    }
}

/// How long something took, as it is printed.
pub(super) fn seconds_since(begun: Instant) -> String {
    format!("{:.0} s", begun.elapsed().as_secs_f64())
}
