//! The licences of what the command is linked with, which ask to be handed out with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;

/// What names of files with licences begin with.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "UNLICENSE"];

/// Every crate that is linked for this target, with its licence, and the texts that came with them.
pub(super) fn third_party(target: &str) -> Result<String> {
    let metadata: Value = serde_json::from_str(&process::output(&mut process::cargo(&[
        "metadata",
        "--locked",
        "--format-version=1",
        "--filter-platform",
        target,
    ]))?)?;
    let linked = linked(&metadata)?;
    let mut text = "rpcguard is linked with these crates, under these licences:\n\n".to_owned();
    // A text, and the crates that have it.
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in list(&metadata, "packages")? {
        // Those of the workspace have no source.
        if !linked.contains(string(package, "id")?) || package["source"].is_null() {
            continue;
        }
        let name = format!(
            "{} {}",
            string(package, "name")?,
            string(package, "version")?
        );
        let licence = package["license"].as_str().unwrap_or("see below");
        text.push_str(&format!("{name}: {licence}\n"));
        let manifest = Path::new(string(package, "manifest_path")?);
        for licence in files(manifest.parent().context("a manifest is in a directory")?)? {
            texts.entry(licence).or_default().insert(name.clone());
        }
    }
    // In the order of the crates, not of the texts.
    let mut texts: Vec<_> = texts
        .into_iter()
        .map(|(text, names)| (names, text))
        .collect();
    texts.sort();
    for (names, licence) in texts {
        let names: Vec<_> = names.into_iter().collect();
        let line = "-".repeat(72);
        text.push_str(&format!(
            "\n{line}\n{}\n\n{}\n",
            names.join(", "),
            licence.trim_end()
        ));
    }
    Ok(text)
}

/// The ids of the packages that are in the program, and not only run to build it.
fn linked(metadata: &Value) -> Result<BTreeSet<&str>> {
    let mut linked = BTreeSet::new();
    let nodes = list(&metadata["resolve"], "nodes")?;
    let mut next: Vec<&str> = Vec::new();
    for package in list(metadata, "packages")? {
        if package["name"] == "rpcguard" {
            next.push(string(package, "id")?);
        }
    }
    while let Some(id) = next.pop() {
        if !linked.insert(id) {
            continue;
        }
        for node in nodes.iter().filter(|node| node["id"] == id) {
            for dependency in list(node, "deps")? {
                let kinds = list(dependency, "dep_kinds")?;
                if kinds.iter().any(|kind| kind["kind"].is_null()) {
                    next.push(string(dependency, "pkg")?);
                }
            }
        }
    }
    Ok(linked)
}

/// The texts of the licences in a directory.
fn files(directory: &Path) -> Result<Vec<String>> {
    let failed = || format!("cannot read {}", directory.display());
    let mut texts = Vec::new();
    for entry in fs::read_dir(directory).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_uppercase();
        if path.is_file() && NAMES.iter().any(|start| name.starts_with(start)) {
            texts.push(fs::read_to_string(&path).with_context(failed)?);
        }
    }
    Ok(texts)
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    let list = value[key].as_array();
    list.with_context(|| format!("cargo metadata tells no {key}"))
}

fn string<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    let text = value[key].as_str();
    text.with_context(|| format!("cargo metadata tells no {key}"))
}
