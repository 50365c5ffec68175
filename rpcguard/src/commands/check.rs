//! `rpcguard check`

use std::{
    fs::Permissions,
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{Access, access};

use super::{Exit, input::note};
use crate::{
    check::{self, Asking, LocalReport, MAX_ADDRESSES, SplitAddresses, Verdict, WAIT},
    error::{Error, Result},
    guard::Registry,
    output::{self, Format},
};

/// Tell whether a portmapper is exposed: that of this host, by looking; that of another, by asking
/// it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status: 0 not exposed, or at a limited rate only; 3 exposed; 1 could not tell; 2 wrong usage.

Examples:
  rpcguard check                      # who listens here, what is registered, what guards it
  rpcguard check 198.51.100.7         # does it answer me?
  rpcguard check nfs.example --evidence report.txt

Without HOST, nothing is sent to other hosts. Firewalls are not looked at: to see what they let
through, check the host's address from elsewhere. An address of this host, or a name that has only
such, is not asked: this host is looked at instead.

With HOST, each of its addresses (at most 8) is sent, over UDP, at most 28 datagrams: DUMP of
versions 2, 3 and 4, GETSTAT, and NULL of two versions, each up to four times, and, if there is an
answer and none that an attacker could use, GETADDRLIST of the portmapper itself. Over TCP, at most
5 connections are made, with one of these calls on each; if none can be made, one more is begun to
see whether it leaves this host at all. If mountd or NFS are registered, each is sent one NULL, and
mountd is asked for its exports. All of this is what rpcinfo and showmount send, and changes nothing
but statistics (GETADDRLIST: an entry of 28 bytes, once). Answers are waited for as long as --wait
says, and as long again after each further question.
A host with more addresses is not called safe: those that were not asked cannot be told about.

--relay asks for a call of the portmapper's own NULL to be relayed (CALLIT), and sends DUMP to the
port that it is answered from, each up to four times. rpcbind up to 0.2.1 may crash on it
(CVE-2015-7236): use it on hosts of your own only.")]
pub(super) struct Args {
    /// The host to ask, by name or address [default: look at this one].
    #[arg(value_name = "HOST")]
    host: Option<String>,
    /// Write a report for an abuse desk to this new file: times, addresses, each probe and its
    /// result, and the verdict.
    #[arg(long, value_name = "FILE", requires = "host")]
    evidence: Option<PathBuf>,
    /// Ask for a relayed call too. This may crash rpcbind up to 0.2.1.
    #[arg(long, requires = "host")]
    relay: bool,
    /// Wait so long for answers (1 to 60; rpcinfo waits 60).
    #[arg(
        long,
        value_name = "SECONDS",
        requires = "host",
        default_value_t = WAIT.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..=60)
    )]
    wait: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let format = Format::of(args.json);
    let verdict = match &args.host {
        None => {
            let report = check::local(&Registry::new()?)?;
            output::check_local::print(&report, format)?;
            report.verdict
        }
        Some(host) => {
            let asking = Asking {
                wait: Duration::from_secs(args.wait),
                relay: args.relay,
            };
            named(host, asking, args.evidence.as_deref(), format)?
        }
    };
    Ok(match verdict {
        Verdict::NotExposed | Verdict::Limited => Exit::Done,
        Verdict::Exposed => Exit::Exposed,
        Verdict::Unknown => Exit::Failed,
    })
}

/// Looks at this host as far as the name is its own, and asks the others that bear it.
fn named(
    host: &str,
    asking: Asking,
    evidence: Option<&Path>,
    format: Format,
) -> anyhow::Result<Verdict> {
    let SplitAddresses { own, others } = check::split(&check::resolve(host)?)?;
    if own.is_empty() {
        return ask(host, &others, asking, None, evidence, format);
    }
    if others.is_empty() && evidence.is_some() {
        return Err(Error::OwnAddress(host.to_owned()).into());
    }
    let mut local = check::local(&Registry::new()?)?;
    local.named = Some((host.to_owned(), own));
    if others.is_empty() {
        output::check_local::print(&local, format)?;
        return Ok(local.verdict);
    }
    ask(host, &others, asking, Some(&local), evidence, format)
}

fn ask(
    host: &str,
    addresses: &[SocketAddr],
    asking: Asking,
    local: Option<&LocalReport>,
    evidence: Option<&Path>,
    format: Format,
) -> anyhow::Result<Verdict> {
    if let Some(path) = evidence {
        // Before anything is sent: it would have to be sent again.
        expect_writable(path)?;
    }
    let report = check::remote(host, addresses, asking)?;
    if report.more_addresses != 0 {
        note(&format!(
            "`{host}` has {} more addresses than the {MAX_ADDRESSES} that were asked",
            report.more_addresses
        ));
    }
    let written = evidence.map(|path| write_new(path, &output::evidence::text(&report)));
    // The findings are said even if they cannot be written down.
    output::check_host::print(&report, local, format)?;
    written.transpose()?;
    let of_local = local.map(|local| local.verdict);
    Ok(of_local.map_or(report.verdict(), |verdict| verdict.max(report.verdict())))
}

/// The directory that a file is in.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Fails if the file is there, or no file can be made in its directory. None is left there.
fn expect_writable(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(Error::EvidenceExists(path.to_owned()));
    }
    let directory = directory(path);
    access(directory, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|source| cannot_write(path, source.into()))
}

/// Writes a file that was not there: all of it, or none.
fn write_new(path: &Path, text: &str) -> Result<()> {
    let written = || {
        // It is to be handed on: as open as the umask has it.
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory(path))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        Ok(())
    };
    written().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::EvidenceExists(path.to_owned()),
        _ => cannot_write(path, source),
    })
}

fn cannot_write(path: &Path, source: io::Error) -> Error {
    Error::File {
        action: "write",
        path: path.to_owned(),
        source,
    }
}
