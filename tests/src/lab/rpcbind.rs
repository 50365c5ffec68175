//! The real portmapper.

use std::{
    fs,
    net::UdpSocket,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use nix::mount::{MsFlags, mount};

use super::Host;
use crate::packet::rpc;

/// The procedure that does nothing.
const NULL: u32 = 0;

/// How long rpcbind may take to answer its first call.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running rpcbind, stopped when this value goes.
#[derive(Debug)]
pub struct Rpcbind {
    process: Child,
}

impl Rpcbind {
    /// Starts rpcbind in `host`, and waits until it answers over loopback. It ends with the thread
    /// that called this, at the latest.
    ///
    /// # Errors
    ///
    /// If it is not installed, or does not answer.
    pub fn start(host: &Host) -> Result<Self> {
        Self::start_with(host, &[])
    }

    /// As [`Self::start`], an rpcbind that passes calls on to other services, as Fedora's does unless
    /// told otherwise.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_relaying(host: &Host) -> Result<Self> {
        Self::start_with(host, &["-r"])
    }

    /// As [`Self::start`], with arguments of rpcbind's.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_with(host: &Host, arguments: &[&str]) -> Result<Self> {
        let process = host
            .command("rpcbind")
            .arg("-f")
            .args(arguments)
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run rpcbind; Debian's package is called rpcbind")?;
        let mut rpcbind = Self { process };
        let open = |address| -> Result<UdpSocket> {
            let socket = host.enter(|| UdpSocket::bind(address));
            let socket = socket.context("cannot open a socket")?;
            socket.set_read_timeout(Some(Duration::from_millis(25)))?;
            Ok(socket)
        };
        let sockets = [
            (open("127.0.0.1:0")?, "127.0.0.1:111"),
            (open("[::1]:0")?, "[::1]:111"),
        ];
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = rpcbind.process.try_wait()? {
                bail!("rpcbind ended as soon as it was started: {status}");
            }
            // It may serve one family only.
            for (socket, portmapper) in &sockets {
                // Until rpcbind listens, sending and receiving fail alternately with the ICMP error.
                let _ = socket.send_to(&rpc::call(2, NULL), portmapper);
                if socket.recv(&mut [0; 64]).is_ok() {
                    return Ok(rpcbind);
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("rpcbind does not answer over loopback after {PATIENCE:?}")
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Rpcbind {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In the calling thread's mounts: the user that Debian's rpcbind becomes, which does not exist
/// where the package is only unpacked.
pub(super) fn provide_user() -> Result<()> {
    const PASSWD: &str = "/etc/passwd";
    const COPY: &str = "/run/passwd";
    const USER: &str = "_rpc:x:65532:65534::/run:/usr/sbin/nologin\n";
    let mut passwd = fs::read_to_string(PASSWD).context("cannot read /etc/passwd")?;
    if passwd.lines().any(|line| line.starts_with("_rpc:")) {
        return Ok(());
    }
    passwd.push_str(USER);
    fs::write(COPY, passwd).with_context(|| format!("cannot write {COPY}"))?;
    mount(
        Some(COPY),
        PASSWD,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .context("cannot put another /etc/passwd in place")
}
