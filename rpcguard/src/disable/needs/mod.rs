//! The programs and settings that need the portmapper.
//!
//! Users other than root may have written the files that are read here, and a file may lie on a
//! file system whose server is dead: see [`files`]. Only root and the kernel can stop `--apply`;
//! other needs are shown.

mod answers;
mod autofs;
mod enabled;
mod exports;
mod files;
mod fstab;
mod ini;
mod mounted;
mod need;
mod nfs_server;
mod nfsd_arguments;
mod nfsmount;
mod nis;
mod options;
mod others;
mod owner;
mod process;
mod proxmox;
mod registered;
mod table;
mod units;

pub(crate) use mounted::servers;
pub use need::Need;
pub use nfs_server::{NfsServer, Version3};

use self::{answers::Asking, files::Files, need::Kind, nfsmount::NfsMount};
use super::{Services, machine::Machine, openrc};
use crate::portmapper::Registration;

/// The NFS server, and all that need the portmapper of a machine, which starts these services and
/// has registered these programs.
pub(super) fn find(
    machine: &Machine,
    services: &Services,
    registrations: &[Registration],
) -> (NfsServer, Vec<Need>) {
    let files = Files::new(machine);
    let mounted = mounted::read(machine);
    let conf = NfsMount::read(&files, &mounted);
    let server = NfsServer::of(machine, &files);
    let mut needs: Vec<_> = mounted.iter().filter_map(mounted::Mounted::need).collect();
    needs.extend(fstab::find(&files, &conf));
    needs.extend(units::find(&files, &conf));
    needs.extend(autofs::find(&files, &conf, machine));
    needs.extend(proxmox::find(&files, &conf, machine));
    needs.extend(others::find(&files, &conf));
    needs.extend(server.needs());
    needs.extend(nis::find(machine, &files));
    let asking = Asking::new();
    needs.extend(registered::find(
        machine,
        registrations,
        &registered::sockets(machine),
        &|registration| asking.answers(registration),
    ));
    needs.extend(of_services(machine, services));
    needs.extend(files.unread());
    (server, needs)
}

/// Services that are stopped with the portmapper, and those that would start it again.
fn of_services(machine: &Machine, services: &Services) -> Vec<Need> {
    let dependents = match services {
        Services::Systemd(units) => units.dependents.as_slice(),
        Services::OpenRc(services) => services.dependents.as_slice(),
        Services::UpdateRcD(_) | Services::Chkconfig(_) | Services::Unknown => &[],
    };
    let mut needs: Vec<_> = dependents
        .iter()
        .map(|service| {
            let text = format!("{service} runs and requires it: it is stopped too");
            Need::new(Kind::Dependent, text)
        })
        .collect();
    if matches!(services, Services::OpenRc(_)) {
        let starters = openrc::starters(machine).into_iter();
        needs.extend(starters.map(|(service, runlevel)| {
            let text =
                format!("{service} in the runlevel {runlevel} needs it, and would start it again");
            Need::new(Kind::Starter, text)
        }));
    }
    needs
}
