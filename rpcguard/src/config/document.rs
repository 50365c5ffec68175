//! The configuration file as it is written.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::OnStop;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) metrics_listen: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) on_stop: OnStop,
    #[serde(default)]
    pub(super) guard: Vec<Spanned<Table>>,
}

/// One `[[guard]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) interfaces: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) allow: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) allow_files: Vec<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) deny: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) deny_files: Vec<Spanned<PathBuf>>,
    pub(super) ports: Option<Spanned<Vec<u16>>>,
    #[serde(default)]
    pub(super) rpcbind_ports: bool,
    #[serde(default)]
    pub(super) tcp: bool,
    #[serde(default)]
    pub(super) observe: bool,
    pub(super) only_to: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) mode: Mode,
    pub(super) rate: Option<Spanned<String>>,
    pub(super) burst: Option<Spanned<u32>>,
    pub(super) rate_prefix: Option<Spanned<String>>,
    pub(super) burst_prefix: Option<Spanned<u32>>,
    pub(super) rate_total: Option<Spanned<String>>,
    pub(super) burst_total: Option<Spanned<u32>>,
    pub(super) procedures: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    #[default]
    Auto,
    Native,
    Generic,
}
