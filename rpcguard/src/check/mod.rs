//! Whether a portmapper is exposed: this host's, by looking, and another host's, by asking.

mod init;
mod local;
mod network;
mod options;
mod remote;
mod verdict;
mod wire;

pub use init::{InitSystem, Unit, units};
pub(crate) use local::transport_name;
pub use local::{Exposure, LocalReport, exposed_ports, local};
pub use network::{Cover, Guarded, NetworkInterface};
pub use options::{InsecureOption, insecure_options};
pub use remote::{
    AddressReport, Answered, HostReport, MAX_ADDRESSES, MAX_CALLS, MAX_DATAGRAMS, Outcome, Probe,
    ProbeResult, remote, resolve,
};
pub use verdict::Verdict;
pub use wire::wire_len;
