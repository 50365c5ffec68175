//! `rpcguard check`

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{Exit, input::note};
use crate::{
    check::{self, LocalReport, MAX_ADDRESSES, SplitAddresses, Verdict},
    error::{Error, Result},
    guard::Registry,
    output::{self, Format},
};

/// Tell whether a portmapper is exposed: that of this host, by looking; that of another, by asking it.
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

With HOST, each of its addresses (at most 8) is sent, over UDP, at most 24 datagrams: NULL, DUMP of
versions 2, 3 and 4, GETSTAT, GETADDR and CALLIT, each up to three times, and DUMP to the port that
CALLIT was answered from, if that is another one. Over TCP, one connection is made, with at most 6
of these calls. None of them changes anything, and CALLIT asks for the portmapper's own NULL. It
takes 8 seconds at most, besides looking up the name.")]
pub(super) struct Args {
    /// The host to ask, by name or address [default: look at this one].
    #[arg(value_name = "HOST")]
    host: Option<String>,
    /// Write what an abuse desk wants to this new file: times, addresses, each probe and its result, and
    /// the verdict.
    #[arg(long, value_name = "FILE", requires = "host")]
    evidence: Option<PathBuf>,
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
        Some(host) => named(host, args.evidence.as_deref(), format)?,
    };
    Ok(match verdict {
        Verdict::NotExposed | Verdict::Limited => Exit::Done,
        Verdict::Exposed => Exit::Exposed,
        Verdict::Unknown => Exit::Failed,
    })
}

/// Looks at this host as far as the name is its own, and asks the others that bear it.
fn named(host: &str, evidence: Option<&Path>, format: Format) -> anyhow::Result<Verdict> {
    let SplitAddresses { own, others } = check::split(&check::resolve(host)?)?;
    if own.is_empty() {
        return ask(host, &others, None, evidence, format);
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
    ask(host, &others, Some(&local), evidence, format)
}

fn ask(
    host: &str,
    addresses: &[SocketAddr],
    local: Option<&LocalReport>,
    evidence: Option<&Path>,
    format: Format,
) -> anyhow::Result<Verdict> {
    // Before anything is sent: it would have to be sent again.
    let evidence = evidence
        .map(|path| Ok::<_, Error>((path, create(path)?)))
        .transpose()?;
    let report = check::remote(host, addresses)?;
    if report.more_addresses != 0 {
        note(&format!(
            "`{host}` has {} more addresses than the {MAX_ADDRESSES} that were asked",
            report.more_addresses
        ));
    }
    if let Some((path, mut file)) = evidence {
        let text = output::evidence::text(&report);
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|source| cannot_write(path, source))?;
    }
    output::check_host::print(&report, local, format)?;
    let of_local = local.map(|local| local.verdict);
    Ok(of_local.map_or(report.verdict(), |verdict| verdict.max(report.verdict())))
}

/// Creates a file that was not there.
fn create(path: &Path) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|source| match source.kind() {
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
