//! One daemon for each network namespace.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt as _, path::PathBuf, time::Duration};

use crate::{
    error::{Error, Result},
    guard::{Lock, Registry},
};

/// Where daemons are known.
const DIRECTORY: &str = "/run/rpcguard";

/// Claims to be the daemon of this network namespace; it is given back when the process ends, in whatever way.
pub(super) fn claim(registry: &Registry) -> Result<Lock> {
    let directory = PathBuf::from(DIRECTORY).join(format!("daemon@{}", registry.netns()));
    let provide = || {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&directory).map_err(|source| Error::File {
            action: "create",
            path: directory.clone(),
            source,
        })
    };
    match Lock::acquire_within(Duration::ZERO, &directory, provide) {
        Err(Error::Locked { holder, .. }) => Err(Error::DaemonRuns(holder)),
        claimed => claimed,
    }
}
