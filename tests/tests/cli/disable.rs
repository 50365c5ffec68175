//! What `rpcguard disable --json` prints, and how the command is used.

use expect_test::expect_file;
use rpcguard_tests::lab::{Finished, rpcguard_binary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{documents, json::is_schema_of};

/// What `rpcguard disable --json` prints. What an action does not look at is empty.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "rpcguard disable")]
pub(crate) struct DisableDocument {
    /// Fields may be added under the same version.
    #[schemars(extend("const" = 1))]
    pub(crate) schema_version: u32,
    /// What was asked for: nothing is changed by a plan.
    pub(crate) action: Action,
    /// What starts services here; null after an undo.
    pub(crate) init: Option<Init>,
    /// The portmapper's services, before anything was done.
    pub(crate) services: Vec<Service>,
    /// Its processes that none of these services has started.
    pub(crate) processes: Vec<Stray>,
    /// Who needs the portmapper.
    pub(crate) needs: Vec<Need>,
    /// What is to be done, or was done, as a person would type it, in order.
    pub(crate) steps: Vec<String>,
    /// What became of trying to reach port 111 after --apply.
    pub(crate) probes: Vec<Probe>,
    /// What may start the portmapper again after --apply, for people.
    pub(crate) not_assured: Vec<String>,
    /// The holders of port 111, before anything was done; empty for an undo.
    pub(crate) holders: Vec<Holder>,
    /// Processes that --apply has ended and --undo does not start: no service had started them.
    pub(crate) ended: Vec<Ended>,
    /// Services that somebody has set anew since --apply, and that --undo leaves as they are, for
    /// people.
    pub(crate) differs: Vec<String>,
}

/// A process that holds port 111, or a socket whose process could not be told.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Holder {
    /// Its number; null if the process could not be told.
    pub(crate) id: Option<i32>,
    /// Its name, which it can choose.
    pub(crate) name: Option<String>,
    /// The path of its program.
    pub(crate) program: Option<String>,
    /// Whether it is proven to be the portmapper: only then is it ended.
    pub(crate) is_portmapper: bool,
    /// The unit of systemd that it belongs to.
    pub(crate) unit: Option<String>,
    /// The container that it belongs to.
    pub(crate) container: Option<String>,
    /// Its sockets on port 111.
    pub(crate) sockets: Vec<Bound>,
    /// The step that frees the port, for people, if the process is no portmapper.
    pub(crate) remedy: Option<String>,
}

/// A socket.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Bound {
    /// Its protocol.
    pub(crate) transport: Transport,
    /// Address and port.
    pub(crate) address: String,
}

/// A process that was ended.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Ended {
    /// Its number.
    pub(crate) id: i32,
    /// The path of its program.
    pub(crate) program: String,
    /// The command that starts it by hand; null unless root alone can change that program.
    pub(crate) start: Option<String>,
}

/// What was asked for.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Plan,
    Apply,
    Undo,
}

/// What starts services.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Init {
    #[serde(rename = "systemd")]
    Systemd,
    #[serde(rename = "openrc")]
    OpenRc,
    #[serde(rename = "update-rc.d")]
    UpdateRcD,
    #[serde(rename = "chkconfig")]
    Chkconfig,
    /// None of these.
    #[serde(rename = "unknown")]
    Unknown,
}

/// A service of the portmapper.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Service {
    /// A unit, a service, or the path of an init script.
    pub(crate) name: String,
    /// When it is started and whether it runs, for people.
    pub(crate) state: String,
}

/// A process.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Stray {
    /// Its number.
    pub(crate) id: i32,
    /// The path of its program.
    pub(crate) program: String,
    /// The arguments of the program.
    pub(crate) arguments: Vec<String>,
}

/// Somebody who needs the portmapper.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Need {
    /// Why.
    pub(crate) kind: NeedKind,
    /// Who and why, for people.
    pub(crate) text: String,
    /// The file that says so, with the number of the line where there is one.
    pub(crate) place: Option<String>,
    /// Why the portmapper is needed then, for people.
    pub(crate) reason: String,
    /// Whether --apply refuses because of it: only what root or the kernel says is believed.
    pub(crate) blocks: bool,
}

/// Why somebody needs the portmapper.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NeedKind {
    /// An NFSv3 file system is mounted.
    Mounted,
    /// One is in /etc/fstab, or what may become one.
    Fstab,
    /// A directory is exported, with NFSv3 on.
    Exported,
    /// A setting switches NFSv3 on.
    NfsConf,
    /// NFSv3 is served now.
    Serving,
    /// A program of NIS runs.
    Process,
    /// A service of NIS is started at each boot.
    Enabled,
    /// A program is registered with the portmapper.
    Registered,
    /// A service runs that is stopped with the portmapper.
    Dependent,
    /// A service would start the portmapper again.
    Starter,
    /// A map of the automounter asks for NFSv3, or may do so.
    Automount,
    /// A mount unit of systemd asks for NFSv3, or may do so.
    MountUnit,
    /// Storage of Proxmox VE is mounted with NFSv3, or may be.
    Storage,
    /// nsswitch.conf has something looked up in NIS.
    Nsswitch,
    /// A file that may tell of a need could not be read.
    Unread,
}

/// An attempt to reach the port.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Probe {
    /// What it was made over.
    pub(crate) transport: Transport,
    /// Address and port.
    pub(crate) address: String,
    /// What became of it.
    pub(crate) answer: Answer,
}

/// A protocol.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// What became of a probe.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// Nothing listens.
    Refused,
    /// Something answers.
    Open,
    /// The machine has no address of that family.
    NoAddress,
    /// Nothing came back: a filter may have swallowed it.
    Silent,
}

#[test]
fn the_schema_of_disable_is_that_of_the_document() {
    is_schema_of::<DisableDocument>(&expect_file!["../../../docs/schema/disable.json"]);
}

fn rpcguard(arguments: &[&str]) -> Finished {
    Finished::wait_for(std::process::Command::new(rpcguard_binary()).args(arguments))
}

/// On whatever machine this is: a plan changes nothing.
#[test]
fn a_plan_is_printed_as_the_schema_says() {
    let plan = rpcguard(&["disable", "--json"]);
    // Something may hold port 111 here.
    assert!(matches!(plan.code, Some(0 | 1)), "{plan}");
    let plan: DisableDocument = documents::read(&plan.json());
    assert_eq!(plan.action, Action::Plan);
    assert!(plan.init.is_some());
    assert_eq!(plan.probes, []);
}

#[test]
fn what_does_not_go_together_is_wrong_usage() {
    for arguments in [
        &["disable", "--force"][..],
        &["disable", "--apply", "--undo"],
        &["disable", "--undo", "--force"],
        &["disable", "eth0"],
    ] {
        let _ = rpcguard(arguments).exited_with(2);
    }
}
