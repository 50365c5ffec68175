//! The services of an init system that are the portmapper.

use serde::{Deserialize, Serialize};

use super::{
    Init,
    merge::Item,
    openrc,
    step::is_plain,
    systemd::{Unit, Units},
    sysv::{self, Script},
};

/// The services of an init system that are the portmapper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "init", content = "services", rename_all = "kebab-case")]
pub enum Services {
    /// Units of systemd.
    Systemd(Units),
    /// Services of OpenRC.
    #[serde(rename = "openrc")]
    OpenRc(openrc::Services),
    /// Init scripts whose links update-rc.d makes.
    UpdateRcD(Vec<Script>),
    /// Init scripts whose links chkconfig makes.
    Chkconfig(Vec<Script>),
    /// None that are known here.
    Unknown,
}

impl Services {
    /// The init system.
    #[must_use]
    pub const fn init(&self) -> Init {
        match self {
            Self::Systemd(_) => Init::Systemd,
            Self::OpenRc(_) => Init::OpenRc,
            Self::UpdateRcD(_) => Init::UpdateRcD,
            Self::Chkconfig(_) => Init::Chkconfig,
            Self::Unknown => Init::Unknown,
        }
    }

    /// Each by its name, and how it is set.
    #[must_use]
    pub fn described(&self) -> Vec<(String, String)> {
        fn all<T: Item>(items: &[T]) -> Vec<(String, String)> {
            let items = items.iter();
            items
                .map(|item| (item.name().to_owned(), item.setting()))
                .collect()
        }
        match self {
            Self::Systemd(units) => all(&units.units),
            Self::OpenRc(services) => all(&services.services),
            Self::UpdateRcD(scripts) | Self::Chkconfig(scripts) => all(scripts)
                .into_iter()
                .map(|(name, text)| (format!("/{}", sysv::path(&name)), text))
                .collect(),
            Self::Unknown => Vec::new(),
        }
    }

    /// Socket units that listen on port 111 and on others, and so are left alone.
    #[must_use]
    pub fn shared(&self) -> &[String] {
        match self {
            Self::Systemd(units) => &units.shared,
            _ => &[],
        }
    }

    /// A name in what is to be restored that cannot be one that rpcguard has written.
    pub(super) fn unknown_name(&self) -> Option<&str> {
        let (services, dependents): (Vec<(&str, bool)>, &[String]) = match self {
            Self::Systemd(units) => (
                units
                    .units
                    .iter()
                    .map(|unit| (&*unit.name, unit.is_known()))
                    .collect(),
                &units.dependents,
            ),
            Self::OpenRc(services) => (
                services
                    .services
                    .iter()
                    .map(|service| (&*service.name, service.is_known()))
                    .collect(),
                &services.dependents,
            ),
            Self::UpdateRcD(scripts) | Self::Chkconfig(scripts) => (
                scripts
                    .iter()
                    .map(|script| (&*script.name, script.is_known()))
                    .collect(),
                &[],
            ),
            Self::Unknown => (Vec::new(), &[]),
        };
        // systemd writes `\x2d` for a dash in the name of a mount.
        let is_name = |name: &String| {
            is_plain(&name.replace("\\x", ""))
                && !name.starts_with(['-', '.'])
                && !name.contains('/')
        };
        let service = services.into_iter().find(|(_, is_known)| !is_known);
        let dependent = || dependents.iter().find(|name| !is_name(name));
        service
            .map(|(name, _)| name)
            .or_else(|| dependent().map(String::as_str))
    }
}

impl Services {
    /// The units of systemd.
    pub(super) fn units(&self) -> Option<&[Unit]> {
        match self {
            Self::Systemd(units) => Some(&units.units),
            _ => None,
        }
    }

    /// The services of OpenRC.
    pub(super) fn openrc(&self) -> Option<&[openrc::Service]> {
        match self {
            Self::OpenRc(services) => Some(&services.services),
            _ => None,
        }
    }

    /// The init scripts.
    pub(super) fn scripts(&self) -> Option<&[Script]> {
        match self {
            Self::UpdateRcD(scripts) | Self::Chkconfig(scripts) => Some(scripts),
            _ => None,
        }
    }
}
