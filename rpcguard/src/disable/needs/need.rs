//! A reason to keep the portmapper, as one row of a table.

use std::fmt;

use crate::foreign_text::printable;

/// The kind of program or setting that needs the portmapper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Mounted,
    Fstab,
    Automount,
    MountUnit,
    Storage,
    Exported,
    NfsServer,
    Serving,
    Process,
    Enabled,
    Nsswitch,
    Registered,
    Dependent,
    Starter,
    Unread,
}

/// A program or a setting that needs the portmapper, or may need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub(super) kind: Kind,
    /// The file, and the line where there is one, that says so.
    pub(super) place: Option<String>,
    /// A sentence, with names that others chose.
    pub(super) text: String,
    /// Whether root, or the kernel, says so. Others must not be able to keep the portmapper
    /// running.
    pub(super) blocks: bool,
}

impl Need {
    pub(super) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            place: None,
            text: text.into(),
            blocks: true,
        }
    }

    pub(super) fn at(self, place: impl Into<String>) -> Self {
        Self {
            place: Some(place.into()),
            ..self
        }
    }

    /// Lets it stop `--apply` only if this holds.
    pub(super) fn blocks_if(self, blocks: bool) -> Self {
        Self {
            blocks: self.blocks && blocks,
            ..self
        }
    }

    /// The kind of need, as one word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Mounted => "mounted",
            Kind::Fstab => "fstab",
            Kind::Automount => "automount",
            Kind::MountUnit => "mount_unit",
            Kind::Storage => "storage",
            Kind::Exported => "exported",
            Kind::NfsServer => "nfs_conf",
            Kind::Serving => "serving",
            Kind::Process => "process",
            Kind::Enabled => "enabled",
            Kind::Nsswitch => "nsswitch",
            Kind::Registered => "registered",
            Kind::Dependent => "dependent",
            Kind::Starter => "starter",
            Kind::Unread => "unread",
        }
    }

    /// Why the portmapper is needed then, for people.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self.kind {
            Kind::Mounted | Kind::Fstab | Kind::Automount | Kind::MountUnit | Kind::Storage => {
                "NFSv3 servers ask the portmapper of their client where to call back about locks \
                 (NLM grants, SM_NOTIFY), and mounting fails without it"
            }
            Kind::Exported | Kind::NfsServer | Kind::Serving => {
                "NFSv3 clients ask the portmapper of their server for mountd and the lock manager"
            }
            Kind::Process | Kind::Enabled | Kind::Nsswitch => {
                "NIS clients and servers find each other through the portmapper"
            }
            Kind::Registered => "clients find these programs through the portmapper",
            Kind::Dependent => "these services are stopped with the portmapper",
            Kind::Starter => "these services would start the portmapper again",
            Kind::Unread => "these files could ask for it, and could not be read",
        }
    }

    /// The file and line that establish the need, where there are any.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Whether it stops `--apply`: only what root or the kernel says does.
    #[must_use]
    pub const fn blocks(&self) -> bool {
        self.blocks
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.text))?;
        match &self.place {
            Some(place) => write!(f, " ({})", printable(place)),
            None => Ok(()),
        }
    }
}
