//! The NFS server of this machine: its version 3 is nothing without a portmapper, and version 4 has
//! no use for one.

use super::{
    enabled, exports,
    exports::Export,
    files::Files,
    ini::Config,
    need::{Kind, Need},
    nfsd_arguments,
};
use crate::disable::machine::Machine;

/// Services that serve NFS, under whatever starts them.
const SERVICES: [&str; 4] = ["nfs-server", "nfs-kernel-server", "nfsserver", "nfs"];

/// Servers in user space, which have settings of their own.
const OTHERS: [&str; 3] = ["nfs-ganesha", "unfs3", "unfsd"];

/// Whether version 3 is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version3 {
    /// A setting says so: this one.
    On(String),
    /// A setting says that it is not: this one.
    Off(String),
    /// Nothing says anything, so it is.
    Default,
}

/// The state of the NFS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NfsServer {
    /// Whether version 3 is switched on.
    pub version3: Version3,
    /// The versions that the kernel serves now, such as `3` and `4.2`.
    pub serving: Vec<String>,
    exports: Vec<Export>,
    /// The service that serves NFS, if one is started when the machine boots.
    service: Option<&'static str>,
    /// A server in user space that is started then.
    other: Option<&'static str>,
}

impl NfsServer {
    /// Looks at its settings.
    pub(super) fn of(machine: &Machine, files: &Files) -> Self {
        let is_started = |service: &&str| enabled::is_started(machine, service);
        Self {
            version3: version3(files),
            serving: serving(machine),
            exports: exports::read(files),
            service: SERVICES.into_iter().find(is_started),
            other: OTHERS.into_iter().find(is_started),
        }
    }

    /// Whether anything is served, by whatever version.
    #[must_use]
    pub const fn is_in_use(&self) -> bool {
        !self.exports.is_empty() || !self.serving.is_empty()
    }

    pub(super) fn needs(&self) -> Vec<Need> {
        let mut needs = Vec::new();
        if let Some(other) = self.other {
            let text = format!("{other} is started when the machine boots, and may serve NFSv3");
            needs.push(Need::new(Kind::NfsServer, text));
        }
        let serves_3 = self.serving.iter().any(|version| version == "3");
        if serves_3 {
            let text = "the NFS server serves NFSv3 now";
            needs.push(Need::new(Kind::Serving, text).at("/proc/fs/nfsd/versions"));
        }
        // Started without version 3, by whatever means.
        let is_newer = !self.serving.is_empty() && !serves_3;
        if is_newer || matches!(self.version3, Version3::Off(_)) {
            return needs;
        }
        for Export {
            directory,
            place,
            is_roots,
        } in &self.exports
        {
            let why = match &self.version3 {
                Version3::On(setting) => format!("NFSv3 is on ({setting})"),
                _ => "NFSv3 is not switched off in /etc/nfs.conf".to_owned(),
            };
            let text = format!("{directory} is exported, and {why}");
            let need = Need::new(Kind::Exported, text).at(place);
            needs.push(need.blocks_if(*is_roots));
        }
        // Without a server, a setting of it means nothing.
        if let (Version3::On(setting), Some(service)) = (&self.version3, self.service) {
            let text = format!("{service} is started when the machine boots, and NFSv3 is on");
            needs.push(Need::new(Kind::NfsServer, text).at(setting));
        }
        needs
    }
}

/// The versions that the kernel serves, unless no thread of it does.
fn serving(machine: &Machine) -> Vec<String> {
    if machine.text("proc/fs/nfsd/threads").trim() == "0" {
        return Vec::new();
    }
    let versions = machine.text("proc/fs/nfsd/versions");
    let served = versions.split_whitespace();
    served
        .filter_map(|version| version.strip_prefix('+'))
        .map(ToOwned::to_owned)
        .collect()
}

fn version3(files: &Files) -> Version3 {
    let setting = Config::read(files, "nfs.conf").get("nfsd", "vers3");
    if let Some(setting) = setting {
        let text = format!("vers3={} in {}", setting.value, setting.place);
        match &*setting.value.to_lowercase() {
            "n" | "no" | "0" | "f" | "false" | "off" if setting.is_roots => {
                return Version3::Off(text);
            }
            "y" | "yes" | "1" | "t" | "true" | "on" if setting.is_roots => {
                return Version3::On(text);
            }
            // Anything else, or by anybody else, is as if nothing was said.
            _ => {}
        }
    }
    match nfsd_arguments::switching_off(files) {
        Some((line, place)) => Version3::Off(format!("{line} in {place}")),
        None => Version3::Default,
    }
}

#[cfg(test)]
mod tests {
    use super::{NfsServer, Version3};
    use crate::disable::{machine::fixture::machine, needs::files::Files};

    fn server(files: &[(&str, &str)]) -> NfsServer {
        let (_root, machine) = machine(files);
        NfsServer::of(&machine, &Files::new(&machine))
    }

    fn needs(files: &[(&str, &str)]) -> Vec<String> {
        let needs = server(files).needs();
        needs.iter().map(ToString::to_string).collect()
    }

    const EXPORTS: (&str, &str) = (
        "etc/exports",
        "# /srv/old *(ro)\n/srv/nfs 192.0.2.0/24(rw) \\\n  198.51.100.0/24(ro)\n\"/my pub\" *(ro)\n",
    );

    #[test]
    fn exports_need_it_unless_version_3_is_switched_off() {
        let off = "is exported, and NFSv3 is not switched off in /etc/nfs.conf";
        assert_eq!(
            needs(&[
                EXPORTS,
                ("etc/exports.d/a.exports", "/a *\n"),
                ("etc/exports.d/b", "/b *\n")
            ]),
            [
                format!("/srv/nfs {off} (/etc/exports:2)"),
                format!("/my pub {off} (/etc/exports:4)"),
                format!("/a {off} (/etc/exports.d/a.exports:1)"),
            ]
        );
        let off = ("etc/nfs.conf", "[nfsd]\nvers3 = n\n");
        assert_eq!(needs(&[EXPORTS, off]), [""; 0]);
        assert!(server(&[EXPORTS, off]).is_in_use());
        assert!(!server(&[off]).is_in_use());
    }

    #[test]
    fn the_last_setting_in_the_right_section_counts() {
        let version3 = |files: &[(&str, &str)]| server(files).version3;
        let conf = |text| ("etc/nfs.conf", text);
        assert_eq!(version3(&[]), Version3::Default);
        // As Debian ships it.
        assert_eq!(version3(&[conf("[nfsd]\n# vers3=y\n")]), Version3::Default);
        assert_eq!(version3(&[conf("[mountd]\nvers3=n\n")]), Version3::Default);
        assert_eq!(
            version3(&[conf("[nfsd]\nvers3=maybe\n")]),
            Version3::Default
        );
        assert_eq!(
            version3(&[conf("[nfsd]\nvers3=y\n")]),
            Version3::On("vers3=y in /etc/nfs.conf:2".to_owned())
        );
        let drop_in = ("etc/nfs.conf.d/local.conf", "[nfsd]\nvers3='no'\n");
        assert_eq!(
            version3(&[conf("[nfsd]\nvers3=y\n"), drop_in]),
            Version3::Off("vers3=no in /etc/nfs.conf.d/local.conf:2".to_owned())
        );
        let arguments = ("etc/sysconfig/nfs", "RPCNFSDARGS='-N 2 -N 3'");
        assert_eq!(
            version3(&[arguments]),
            Version3::Off("RPCNFSDARGS='-N 2 -N 3' in /etc/sysconfig/nfs:1".to_owned())
        );
    }

    #[test]
    fn a_setting_without_a_server_means_nothing() {
        let conf = ("etc/nfs.conf", "[nfsd]\nvers3=y\n");
        assert_eq!(needs(&[conf]), [""; 0]);
        let service = (
            "etc/systemd/system/multi-user.target.wants/nfs-server.service",
            "->x",
        );
        assert_eq!(
            needs(&[conf, service]),
            [
                "nfs-server is started when the machine boots, and NFSv3 is on (vers3=y in \
                 /etc/nfs.conf:2)"
            ]
        );
        assert_eq!(needs(&[service]), [""; 0]);
        let other = ("etc/rc2.d/S20nfs-ganesha", "->../init.d/nfs-ganesha");
        assert_eq!(
            needs(&[other]),
            ["nfs-ganesha is started when the machine boots, and may serve NFSv3"]
        );
    }

    #[test]
    fn what_the_kernel_serves_now_counts_whatever_the_files_say() {
        let versions = |text| ("proc/fs/nfsd/versions", text);
        let off = ("etc/nfs.conf", "[nfsd]\nvers3=n\n");
        let old = versions("-2 +3 +4 +4.1 +4.2\n");
        assert_eq!(
            needs(&[old, off]),
            ["the NFS server serves NFSv3 now (/proc/fs/nfsd/versions)"]
        );
        assert_eq!(needs(&[old, ("proc/fs/nfsd/threads", "0\n")]), [""; 0]);
        assert_eq!(needs(&[versions("-2 -3 +4\n"), EXPORTS]), [""; 0]);
    }
}
