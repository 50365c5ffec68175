//! Where a process belongs, as its control group tells: a unit of systemd, or a container.

use std::fmt;

/// Runtimes: the beginning of the name of a container's control group, the name of the group above
/// that of a container, their own name, and the command that stops a container.
const RUNTIMES: [(&str, &str, &str, &str); 6] = [
    ("docker-", "docker", "docker", "docker stop"),
    ("libpod-", "libpod", "podman", "podman stop"),
    (
        "cri-containerd-",
        "cri-containerd",
        "containerd",
        "crictl stop",
    ),
    ("crio-", "crio", "cri-o", "crictl stop"),
    ("lxc.payload.", "lxc.payload", "lxc", "lxc-stop -n"),
    // As Proxmox has them.
    ("lxc.payload/", "lxc", "lxc", "lxc-stop -n"),
];

/// Where a process belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A unit of the system's systemd.
    Unit(String),
    /// A container.
    Container {
        /// The unit or container that runs it.
        runtime: &'static str,
        /// Its id, or its name.
        id: String,
        /// The command that stops it.
        stop: String,
    },
}

impl Place {
    /// A runtime that cannot be told.
    pub(super) const UNKNOWN: &'static str = "unknown";

    /// A container of which no more is known than that it has a process namespace of its own.
    pub(super) fn apart() -> Self {
        Self::Container {
            runtime: Self::UNKNOWN,
            id: "with a process namespace of its own".to_owned(),
            stop: String::new(),
        }
    }

    /// Reads what /proc/PID/cgroup says. `None` for what an ordinary user can name, and what is not
    /// known.
    #[must_use]
    pub fn of(cgroup: &str) -> Option<Self> {
        let paths: Vec<Vec<&str>> = cgroup
            .lines()
            .filter_map(|line| line.splitn(3, ':').nth(2))
            .filter(|path| !path.contains(".."))
            .map(|path| path.trim_start_matches('/').split('/').collect())
            // Below it, users make groups of any name.
            .filter(|path: &Vec<&str>| path[0] != "user.slice")
            .collect();
        let container = paths.iter().find_map(|path| container(path));
        container.or_else(|| paths.iter().find_map(|path| unit(path)))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit(name) => f.write_str(name),
            Self::Container { runtime, id, .. } if *runtime == Self::UNKNOWN => {
                write!(f, "a container {id}")
            }
            Self::Container { runtime, id, .. } => write!(f, "{runtime} container {id}"),
        }
    }
}

fn container(path: &[&str]) -> Option<Place> {
    // The outermost one: groups below it are for its own root to name.
    for (index, part) in path.iter().enumerate() {
        if let Some(machine) = machine(part) {
            return Some(machine);
        }
        let part = part.strip_suffix(".scope").unwrap_or(part);
        for (prefix, above, runtime, stop) in RUNTIMES {
            // `docker-<id>.scope` under systemd, `docker/<id>` elsewhere.
            let id = part.strip_prefix(prefix).or_else(|| {
                let is_below = index > 0 && path[index - 1] == above;
                is_below.then_some(part)
            });
            if let Some(id) = id.filter(|id| is_id(id)) {
                return Some(named(runtime, id, stop));
            }
        }
    }
    pod(path)
}

/// A container of a pod of Kubernetes, where its runtime does not name itself:
/// `/kubepods/burstable/pod<uid>/<id>`, or `/kubepods-pod<uid>.slice:cri-containerd:<id>`.
fn pod(path: &[&str]) -> Option<Place> {
    let is_pods = path.iter().any(|part| part.starts_with("kubepods"));
    let id = path.iter().find_map(|part| {
        let id = part.rsplit(':').next()?;
        let is_number = id.len() >= 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_number.then_some(id)
    });
    let pod = || Place::Container {
        runtime: "kubernetes",
        id: "of a pod".to_owned(),
        stop: "crictl ps".to_owned(),
    };
    is_pods.then(|| id.map_or_else(pod, |id| named("kubernetes", id, "crictl stop")))
}

/// A machine of systemd-nspawn, or one that systemd-machined knows: in a group called
/// `systemd-nspawn@<name>.service` or `machine-<name>.scope`. Virtual machines are none: their
/// process is one of this machine.
fn machine(part: &str) -> Option<Place> {
    let service = || {
        let name = part.strip_prefix("systemd-nspawn@")?;
        name.strip_suffix(".service")
    };
    let scope = || part.strip_prefix("machine-")?.strip_suffix(".scope");
    let name = service().or_else(scope)?.replace("\\x2d", "-");
    let is_container = is_id(&name) && !name.starts_with("qemu-");
    is_container.then(|| named("machinectl", &name, "machinectl terminate"))
}

fn named(runtime: &'static str, id: &str, stop: &str) -> Place {
    // A long number is known by its first twelve digits.
    let is_number = id.len() >= 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = if is_number { &id[..12] } else { id };
    Place::Container {
        runtime,
        id: id.to_owned(),
        stop: format!("{stop} {id}"),
    }
}

fn unit(path: &[&str]) -> Option<Place> {
    let ["system.slice", .., name] = path else {
        return None;
    };
    let is_unit = name.ends_with(".service") || name.ends_with(".socket");
    (is_unit && is_unit_name(name)).then(|| Place::Unit((*name).to_owned()))
}

fn is_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !id.is_empty() && !id.starts_with(['-', '.']) && id.len() <= 128 && id.bytes().all(is_plain)
}

/// Whether a word is the plain name of a unit or a service: no path, no option, and nothing that a
/// shell or systemctl(1) takes for more than a name.
pub(super) fn is_unit_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-@:".contains(&byte);
    !name.is_empty()
        && !name.starts_with(['-', '.'])
        && name.len() <= 255
        && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_control_group_names_the_unit_or_the_container() {
        let id = "0123456789abcdef".repeat(4);
        for (path, expected) in [
            ("/system.slice/nginx.service", Some("nginx.service")),
            (
                "/system.slice/system-getty.slice/getty@tty1.service",
                Some("getty@tty1.service"),
            ),
            (
                &format!("/system.slice/docker-{id}.scope"),
                Some("docker container 0123456789ab"),
            ),
            (
                &format!("/docker/{id}"),
                Some("docker container 0123456789ab"),
            ),
            (
                &format!("/machine.slice/libpod-{id}.scope/container"),
                Some("podman container 0123456789ab"),
            ),
            (
                "/lxc.payload.web/system.slice/rpcbind.service",
                Some("lxc container web"),
            ),
            (
                &format!("/kubepods/burstable/pod1234/{id}"),
                Some("kubernetes container 0123456789ab"),
            ),
            (
                &format!(
                    "/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{id}"
                ),
                Some("kubernetes container 0123456789ab"),
            ),
            ("/lxc/101/ns", Some("lxc container 101")),
            (
                "/lxc/101/ns/system.slice/rpcbind.service",
                Some("lxc container 101"),
            ),
            (
                "/machine.slice/systemd-nspawn@web\\x2d1.service/payload/system.slice/rpcbind.service",
                Some("machinectl container web-1"),
            ),
            (
                &format!("/machine.slice/machine-web.scope/payload/docker-{id}.scope"),
                Some("machinectl container web"),
            ),
            ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", None),
            ("/system.slice/lxc-net.service", Some("lxc-net.service")),
            // The name is a user's.
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/rpcbind.service",
                None,
            ),
            (&format!("/user.slice/docker-{id}.scope"), None),
            ("/system.slice/$(reboot).service", None),
            ("/system.slice/../../x.service", None),
            ("/init.scope", None),
            ("/", None),
        ] {
            let found = Place::of(&format!("0::{path}\n")).map(|place| place.to_string());
            assert_eq!(found.as_deref(), expected, "{path}");
        }
        let first = Place::of("12:pids:/system.slice/cron.service\n0::/\n").unwrap();
        assert_eq!(first.to_string(), "cron.service");
        assert_eq!(Place::of(""), None);
    }
}
