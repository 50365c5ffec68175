//! A host with many interfaces, and a neighbour at the other end of all of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use rpcguard_tests::{
    lab::{Lab, connect},
    site::{CleanLab, Site},
};
use tempfile::TempDir;

/// The host, and the daemon's files.
pub(crate) struct Town {
    pub(crate) site: Site,
    directory: TempDir,
}

/// The name of an interface that is guarded, on both sides.
pub(crate) fn name(number: usize) -> String {
    format!("g{number}")
}

impl Town {
    pub(crate) fn build(interfaces: usize) -> Result<Self> {
        let site = Site::in_lab(CleanLab::new(Lab::new()?));
        let town = Self {
            site,
            directory: tempfile::tempdir()?,
        };
        for number in 0..interfaces {
            town.add_interface(number)?;
        }
        let list = town.list();
        let config = format!(
            "[[guard]]\ninterfaces = [\"g*\"]\nallow_files = [{:?}]\n",
            list.display().to_string()
        );
        fs::write(town.config(), config)?;
        Ok(town)
    }

    pub(crate) fn add_interface(&self, number: usize) -> Result<()> {
        let name = name(number);
        connect(
            (&self.site.host, (&name, &[])),
            (&self.site.neighbour, (&name, &[])),
        )
    }

    pub(crate) fn delete_interface(&self, number: usize) -> Result<()> {
        self.site
            .host
            .ip(&format!("link delete {}", name(number)))?;
        Ok(())
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.directory().join("rpcguard.toml")
    }

    fn list(&self) -> PathBuf {
        self.directory().join("clients")
    }

    /// Puts another list in the place of this one.
    pub(crate) fn write_list(&self, text: &str) -> Result<()> {
        let next = self.directory().join("next");
        fs::write(&next, text)?;
        fs::rename(next, self.list())?;
        Ok(())
    }

    /// Detaches everything; nothing must be left of it.
    pub(crate) fn leave(self) -> Result<()> {
        let detached = self.site.host.rpcguard(["detach", "--all"]);
        ensure!(detached.is_success(), "{detached}");
        Ok(())
    }
}
