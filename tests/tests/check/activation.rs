//! Portmappers whose sockets the first process of the system opens, as systemd does, and those that are the first
//! process themselves, as in containers.

use std::{
    fs,
    io::ErrorKind,
    net::{TcpListener, UdpSocket},
    os::fd::OwnedFd,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rpcguard_tests::{
    lab::{Finished, find_tool, rpcguard_binary},
    site::PATIENCE,
};

use crate::{
    documents::{LocalDocument, Verdict},
    scene::{Scene, read},
    services::Daemon,
};

/// What the tests need besides rpcbind.
const TOOLS: [&str; 3] = ["unshare", "nsenter", "sleep"];

/// A shell that is the first process of its system: it runs `script` with sockets of the host for its standard
/// input and output.
struct System<'a> {
    scene: &'a Scene,
    unshare: Daemon,
}

impl<'a> System<'a> {
    fn start(scene: &'a Scene, script: &str, sockets: Option<(OwnedFd, OwnedFd)>) -> Self {
        let mut command = scene.host.command("unshare");
        command.args([
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            script,
        ]);
        match sockets {
            Some((input, output)) => command
                .stdin(Stdio::from(input))
                .stdout(Stdio::from(output)),
            None => command.stdout(Stdio::null()),
        };
        Self {
            scene,
            unshare: Daemon::start(&mut command),
        }
    }

    /// Its first process, as it is known outside.
    fn first(&self) -> Option<String> {
        let id = self.unshare.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        children.split_whitespace().next().map(str::to_owned)
    }

    /// What rpcguard says there.
    fn check(&self) -> Finished {
        let first = self.first().unwrap();
        let mut command = self.scene.host.command("nsenter");
        command
            .args(["--target", &first, "--all"])
            .arg(rpcguard_binary());
        Finished::wait_for(command.args(["check", "--json"]))
    }

    /// What rpcguard says there, once this is so.
    #[track_caller]
    fn check_until(&self, so: impl Fn(&LocalDocument) -> bool) -> LocalDocument {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.first().is_some() {
                let finished = self.check();
                if finished.code == Some(3) {
                    let found: LocalDocument = read(&finished);
                    if so(&found) {
                        return found;
                    }
                }
                assert!(Instant::now() < deadline, "{finished}");
            }
            assert!(Instant::now() < deadline, "there is no first process");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for System<'_> {
    /// unshare would kill it too, but a process that has become another user is spared that signal.
    fn drop(&mut self) {
        let first = self.first().and_then(|first| first.parse().ok());
        if let Some(first) = first.map(Pid::from_raw) {
            let _ = kill(first, Signal::SIGKILL);
        }
    }
}

/// Whether the shell has become rpcbind, and that answers.
fn rpcbind_answers(found: &LocalDocument) -> bool {
    let mut processes = found.sockets.iter().flat_map(|socket| &socket.processes);
    processes.any(|process| process.name == "rpcbind") && found.registrations.is_some()
}

/// The sockets that systemd would open, and a second handle to that of UDP.
fn sockets(scene: &Scene) -> (UdpSocket, (OwnedFd, OwnedFd)) {
    scene.host.enter(|| {
        let udp = UdpSocket::bind("0.0.0.0:111").unwrap();
        let tcp = TcpListener::bind("0.0.0.0:111").unwrap();
        (udp.try_clone().unwrap(), (udp.into(), tcp.into()))
    })
}

#[test]
fn a_portmapper_that_would_be_started_is_exposed_and_not_started() {
    let test = "a_portmapper_that_would_be_started_is_exposed_and_not_started";
    let Some(scene) = Scene::or_skip(test, &TOOLS) else {
        return;
    };
    let (udp, sockets) = sockets(&scene);
    let system = System::start(&scene, "exec sleep 1000", Some(sockets));
    let found = system.check_until(|found| {
        found
            .sockets
            .iter()
            .any(|socket| !socket.processes.is_empty())
    });
    assert_eq!(found.verdict, Verdict::Exposed);
    assert_eq!(found.sockets.len(), 2);
    for socket in &found.sockets {
        assert!(socket.socket_activated);
        assert_eq!(socket.processes.len(), 1, "{socket:?}");
        assert_eq!(socket.processes[0].pid, 1);
    }
    assert_eq!(found.registrations, None);
    let why = found.registrations_error.unwrap();
    assert!(why.contains("asking would have it started"), "{why}");
    // Nobody has asked.
    udp.set_nonblocking(true).unwrap();
    assert_eq!(
        udp.recv(&mut [0; 64]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(found.next_step.as_deref(), Some("rpcguard disable"));
}

/// rpcbind takes its sockets from who starts it (sd_listen_fds(3)).
#[test]
fn a_portmapper_that_was_started_is_shown_beside_who_opened_its_sockets() {
    let test = "a_portmapper_that_was_started_is_shown_beside_who_opened_its_sockets";
    let Some(scene) = Scene::or_skip(test, &TOOLS) else {
        return;
    };
    let rpcbind = find_tool("rpcbind").unwrap();
    let script = format!(
        "exec 5<&0
         sh -c 'export LISTEN_PID=$$ LISTEN_FDS=2; exec {} -w -f 3<&5 4<&1 >/dev/null' &
         wait",
        rpcbind.display()
    );
    let (_udp, sockets) = sockets(&scene);
    let system = System::start(&scene, &script, Some(sockets));
    let found = system.check_until(rpcbind_answers);
    let on_ip: Vec<_> = found
        .sockets
        .iter()
        .filter(|socket| socket.port == Some(111) && socket.address == "0.0.0.0")
        .collect();
    assert_eq!(on_ip.len(), 2, "{found:#?}");
    for socket in on_ip {
        assert!(socket.socket_activated, "{socket:?}");
        let names: Vec<_> = socket
            .processes
            .iter()
            .map(|process| &*process.name)
            .collect();
        assert_eq!(names, ["sh", "rpcbind"], "{socket:?}");
    }
    let registrations = found.registrations.unwrap();
    assert!(
        registrations
            .iter()
            .all(|service| service.registration.program == 100_000)
    );
    assert!(!registrations.is_empty());
}

#[test]
fn a_portmapper_that_is_the_first_process_is_no_other() {
    let test = "a_portmapper_that_is_the_first_process_is_no_other";
    let Some(scene) = Scene::or_skip(test, &TOOLS) else {
        return;
    };
    let rpcbind = find_tool("rpcbind").unwrap();
    let system = System::start(&scene, &format!("exec {} -f -r", rpcbind.display()), None);
    let further = |found: &LocalDocument| {
        let ports = found.sockets.iter().filter_map(|socket| socket.port);
        ports.filter(|port| *port != 111).count()
    };
    // It may have opened them after the sockets were looked at, and before it was asked.
    let found = system.check_until(|found| rpcbind_answers(found) && further(found) > 0);
    for socket in &found.sockets {
        assert!(!socket.socket_activated, "{socket:?}");
        assert_eq!(
            (socket.processes[0].pid, &*socket.processes[0].name),
            (1, "rpcbind")
        );
    }
    assert_eq!(further(&found), 2);
    assert_eq!(found.insecure_options.len(), 1);
}
