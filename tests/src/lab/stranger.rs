//! Processes of other people.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::chown,
    process::{Child, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::Host;

/// The programs that a [`Stranger`] needs.
pub const STRANGERS_TOOLS: [&str; 3] = ["setpriv", "perl", "unshare"];

/// Functions for the script of a stranger, in Perl. All that they open stays open.
const PREAMBLE: &str = r#"
use strict; use warnings; use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6 SOCK_NONBLOCK);
my @held;
sub held { my ($socket, $address) = @_; bind($socket, $address) or die "bind: $!"; push @held, $socket; $socket }
sub udp { socket(my $socket, AF_INET, SOCK_DGRAM, 0) or die $!; held($socket, pack_sockaddr_in($_[0], INADDR_ANY)) }
sub tcp {
    socket(my $socket, AF_INET, SOCK_STREAM, 0) or die $!;
    held($socket, pack_sockaddr_in($_[0], INADDR_ANY)); listen($socket, 5) or die $!; $socket
}
sub udp6_loopback {
    socket(my $socket, AF_INET6, SOCK_DGRAM, 0) or die $!;
    held($socket, pack_sockaddr_in6($_[0], inet_pton(AF_INET6, "::1")))
}
# A listener that accepts nothing, and whose queue is full: connect(2) waits for ever.
sub deaf {
    my ($path) = @_; my $address = pack_sockaddr_un($path);
    socket(my $socket, AF_UNIX, SOCK_STREAM, 0) or die $!;
    held($socket, $address); listen($socket, 0) or die $!;
    for (1 .. 3) { socket(my $queued, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0) or die $!; connect($queued, $address); push @held, $queued }
}
# Answers NULL of any program on these sockets, as a portmapper does.
sub answer {
    for (;;) {
        my $read = ''; vec($read, fileno($_), 1) = 1 for @_;
        select($read, undef, undef, undef);
        for my $socket (grep { vec($read, fileno($_), 1) } @_) {
            my $from = recv($socket, my $call, 9000, 0) or next;
            send($socket, substr($call, 0, 4) . pack('N5', 1, 0, 0, 0, 0), 0, $from);
        }
    }
}
sub ready { $| = 1; print "ready\n" }
"#;

/// Goes on as [`Stranger::ID`].
const AS_STRANGER: &str = "exec setpriv --reuid=65534 --regid=65534 --clear-groups";

/// A process of an account without privileges, stopped when this value goes.
#[derive(Debug)]
pub struct Stranger(Child);

impl Stranger {
    /// Its user and group.
    pub const ID: u32 = 65534;

    /// A directory of the stranger's own.
    pub const DIRECTORY: &str = "/run/theirs";

    /// Runs a script in Perl, as user and group [`Stranger::ID`], until it is ready. It may put
    /// files into [`Stranger::DIRECTORY`].
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn start(host: &Host, script: &str) -> Result<Self> {
        host.enter(|| {
            fs::create_dir_all(Self::DIRECTORY)?;
            chown(Self::DIRECTORY, Some(Self::ID), Some(Self::ID))
        })
        .context("cannot make a directory")?;
        Self::spawn(
            host,
            &["sh", "-c", &format!("{AS_STRANGER} perl \"$@\""), "sh"],
            script,
        )
    }

    /// As [`Stranger::start`], in mounts of its own, whose `/run` is the stranger's.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn start_in_own_mounts(host: &Host, script: &str) -> Result<Self> {
        let shell = format!("mount -t tmpfs -o mode=777 tmpfs /run && {AS_STRANGER} perl \"$@\"");
        Self::spawn(
            host,
            &["unshare", "--mount", "sh", "-c", &shell, "sh"],
            script,
        )
    }

    /// Runs a script as [`Stranger::start`] does, as this user and with another program in place of
    /// Perl's own: a copy of it.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn start_as(host: &Host, user: u32, perl: &str, script: &str) -> Result<Self> {
        let user = format!("--reuid={user}");
        Self::spawn(host, &["setpriv", &user, "--clear-groups", perl], script)
    }

    fn spawn(host: &Host, command: &[&str], script: &str) -> Result<Self> {
        let script = format!("{PREAMBLE}{script}; ready(); sleep");
        let mut process = host
            .command(command[0])
            .args(&command[1..])
            .args(["-e", &script])
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", command[0]))?;
        let stdout = process.stdout.take().context("there is no output")?;
        let stranger = Self(process);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line != "ready\n" {
            bail!("it ended: {line}");
        }
        Ok(stranger)
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
