//! Services that are registered, by real programs of NFS and by a test.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rpcguard_tests::{lab::Host, site::PATIENCE};

use crate::{
    documents::Reach,
    rpcinfo::{as_lines, as_port_lines, rpcinfo, rpcinfo_p},
    scene::{HOST, Scene, register},
};

/// A program that runs until this value goes.
pub(crate) struct Daemon(Child);

impl Daemon {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stderr(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts rpc.statd and rpc.mountd in a host, and waits until they are registered.
pub(crate) fn start_nfs(host: &Host) -> [Daemon; 2] {
    let state = "/run/nfs";
    for directory in ["sm", "sm.bak"] {
        host.run("mkdir", &["-p", &format!("{state}/{directory}")])
            .unwrap();
    }
    for table in ["etab", "rmtab", "xtab"] {
        host.run("touch", &[&format!("{state}/{table}")]).unwrap();
    }
    let mut statd = host.command("rpc.statd");
    let statd = Daemon::start(
        statd
            .args(["-F", "--no-notify", "-P", state])
            .stdout(Stdio::null()),
    );
    let mut mountd = host.command("rpc.mountd");
    let mountd = Daemon::start(mountd.args(["-F", "-s", state]).stdout(Stdio::null()));
    let deadline = Instant::now() + PATIENCE;
    // Of statd one version, of mountd three, each over UDP and TCP in both families.
    while rpcinfo(host, &[])
        .iter()
        .filter(|line| line.0 != 100_000)
        .count()
        < 16
    {
        assert!(Instant::now() < deadline, "{:?}", rpcinfo(host, &[]));
        thread::sleep(Duration::from_millis(20));
    }
    [statd, mountd]
}

#[test]
fn services_of_nfs_are_listed_with_who_listens() {
    let test = "services_of_nfs_are_listed_with_who_listens";
    let Some(scene) = Scene::or_skip(test, &["rpc.statd", "rpc.mountd"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    let _nfs = start_nfs(&scene.host);
    let found = scene.check(3);
    let services = found.registrations.as_ref().unwrap();
    let registrations = || services.iter().map(|service| &service.registration);
    assert_eq!(as_lines(registrations()), rpcinfo(&scene.host, &[]));
    assert_eq!(as_port_lines(registrations()), rpcinfo_p(&scene.host, &[]));
    for (program, name, process, count) in [
        (100_024, "status", "rpc.statd", 4),
        (100_005, "mountd", "rpc.mountd", 12),
    ] {
        let of_program = services
            .iter()
            .filter(|service| service.registration.program == program);
        let mut found = 0;
        for service in of_program {
            assert_eq!(service.registration.service.as_deref(), Some(name));
            assert_eq!(service.processes.len(), 1, "{service:?}");
            assert_eq!(service.processes[0].name, process);
            assert_eq!(service.reach, Some(Reach::Outside));
            found += 1;
        }
        assert_eq!(found, count, "{name}");
    }
    // Somebody needs it.
    assert_eq!(
        found.next_step.as_deref(),
        Some("rpcguard attach eth0 --allow YOUR_NETWORK --tcp")
    );

    // From elsewhere, it is the same list.
    let asked = scene.ask(HOST[0], 3);
    let registrations = asked.addresses[0].registrations.as_ref().unwrap();
    assert_eq!(as_lines(registrations), rpcinfo(&scene.host, &[]));
    assert_eq!(as_lines(registrations), rpcinfo(&scene.asker, &[HOST[0]]));
    assert_eq!(
        as_port_lines(registrations),
        rpcinfo_p(&scene.asker, &[HOST[0]])
    );
}

#[test]
fn services_that_other_hosts_reach_and_open_exports_are_named() {
    let test = "services_that_other_hosts_reach_and_open_exports_are_named";
    let Some(scene) = Scene::or_skip(test, &["rpc.statd", "rpc.mountd"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    let _nfs = start_nfs(&scene.host);
    // A service that only this host reaches is none of them.
    let listener = rpcguard_tests::lab::bind(&scene.host, "127.0.0.1:0").unwrap();
    register(
        &scene.host,
        200_000,
        1,
        listener.local_addr().unwrap().port(),
    );
    let found = scene.check(3);
    let reached = |program| {
        let services = found.reachable_services.iter();
        services.filter(move |service| service.program == program)
    };
    assert_eq!(reached(200_000).count(), 0);
    for (program, name) in [(100_005, "mountd"), (100_024, "status")] {
        assert!(reached(program).count() >= 2, "{found:?}");
        for service in reached(program) {
            assert_eq!(service.service.as_deref(), Some(name));
        }
        let port = reached(program).next().unwrap().port;
        let text = scene.host.rpcguard(["check"]).exited_with(3).stdout;
        assert!(
            text.contains(&format!("other hosts reach {name} too: UDP {port}")),
            "{text}"
        );
    }
    let exports = "/srv *(ro)\n/home 192.0.2.0/24(rw)\n";
    scene
        .host
        .run("mkdir", &["/run/upper", "/run/work"])
        .unwrap();
    let layers = "lowerdir=/etc,upperdir=/run/upper,workdir=/run/work";
    let mount = ["-t", "overlay", "overlay", "-o", layers, "/etc"];
    scene.host.run("mount", &mount).unwrap();
    let write = || std::fs::write("/etc/exports", exports);
    scene.host.enter(write).unwrap();
    assert_eq!(scene.check(3).exports_to_everybody, ["/srv"]);
    let text = scene.host.rpcguard(["check"]).exited_with(3).stdout;
    assert!(
        text.contains("exports let everybody mount: /srv\n"),
        "{text}"
    );
}

#[test]
fn a_service_that_has_gone_is_told_from_one_that_listens() {
    let test = "a_service_that_has_gone_is_told_from_one_that_listens";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    let listener = rpcguard_tests::lab::bind(&scene.host, "127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    register(&scene.host, 200_000, 1, port);
    let service = || {
        let found = scene.check(3);
        assert_eq!(
            found.next_step.as_deref(),
            Some("rpcguard attach eth0 --allow YOUR_NETWORK --tcp")
        );
        let mut services = found.registrations.unwrap().into_iter();
        services
            .find(|service| service.registration.program == 200_000)
            .unwrap()
    };
    let listening = service();
    assert_eq!(listening.reach, Some(Reach::Loopback));
    assert_eq!(listening.processes[0].pid, std::process::id());
    assert_eq!(listening.registration.service, None);
    drop(listener);
    let gone = service();
    assert_eq!((gone.reach, gone.processes), (None, vec![]));
    let text = scene.host.rpcguard(["check"]).exited_with(3).stdout;
    assert!(text.contains("nobody listens"), "{text}");
}
