//! Whether a portmapper is exposed: this host's, by looking, and another host's, by asking.

mod exports;
mod forwards;
mod guarded;
mod init;
mod local;
mod local_verdict;
mod network;
mod options;
mod own;
mod probe;
mod reachable;
mod remote;
mod remote_report;
mod starters;
mod tool;
mod unreachable;
mod verdict;
mod wire;

pub use forwards::{Forward, Forwards};
pub use guarded::{Cover, Guarded, LeftOut};
pub(crate) use init::main_process;
pub use init::{InitSystem, Unit, units};
pub(crate) use local::transport_name;
pub use local::{Exposure, LocalReport, exposed_ports, local};
pub use network::NetworkInterface;
pub use options::{InsecureOption, insecure_options};
pub use own::{SplitAddresses, split};
pub use probe::{Answered, Outcome, Probe, ProbeResult};
pub use reachable::Reachable;
pub use remote::{Asking, MAX_ADDRESSES, MAX_CALLS, MAX_DATAGRAMS, WAIT, remote, resolve};
pub use remote_report::{AddressReport, HostReport};
pub use starters::Starter;
pub use verdict::{Finding, Verdict};
pub use wire::wire_len;
