//! What the filter counts and how it is set, in Prometheus' text format.
//!
//! [`render`] reads every guard of this network namespace; [`serve`] answers those who scrape;
//! [`write_file`] is for node_exporter's textfile collector. Everything is read from the kernel at that
//! moment: nothing has to run for counters to go on, and they only begin anew when a filter is detached.

mod families;
mod listen;
mod server;
mod textfile;

pub use listen::{ListenAddress, ParseListenAddressError};
pub use server::{CONTENT_TYPE, MAX_CONNECTIONS, serve};
pub use textfile::write_file;

use crate::{
    error::Result,
    guard::{Entry, Registry},
    portmapper::Heard,
};
use families::Families;

/// The metrics of all guards of this network namespace, and of what is left of some: Prometheus' text
/// format, version 0.0.4. Those who ask again keep where the portmapper was `heard` to answer.
///
/// # Errors
///
/// As [`Registry::entries`], and if a guard cannot be read.
pub fn render(registry: &Registry, heard: &mut Heard) -> Result<String> {
    let families = Families::new()?;
    let mut entries = registry.entries()?;
    // An interface may be guarded, and have had the name of one that is gone.
    entries.sort_by_key(|entry| !matches!(entry, Entry::Leftover(_)));
    let ports = heard
        .udp_ports()
        .inspect_err(|error| log::debug!("cannot tell which ports rpcbind has open: {error}"))
        .ok()
        .map(|ports| ports.answering);
    for entry in &entries {
        families.add(entry, ports.as_ref())?;
    }
    families.text()
}
