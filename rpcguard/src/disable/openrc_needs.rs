//! Which services of OpenRC need the portmapper, directly or by way of others.

use std::collections::BTreeSet;

use super::{
    machine::Machine,
    step::is_plain,
    sysv::{NAMES, path},
};

/// Where OpenRC keeps what it has found out about all services.
const TREE: &str = "run/openrc/deptree";

/// How a service depends on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pull {
    /// It is stopped with the other one.
    Needs,
    /// It starts the other one, and may do without.
    NeedsOrWants,
}

/// A service, and those that it names.
#[derive(Debug, Default)]
struct Service {
    name: String,
    provides: BTreeSet<String>,
    needs: BTreeSet<String>,
    wants: BTreeSet<String>,
}

/// The services that pull the portmapper in, each behind those that it depends on, as far as they
/// do not depend on the portmapper themselves.
pub(super) fn dependents(machine: &Machine, pull: Pull) -> Vec<String> {
    let mut services = of_tree(&machine.text(TREE));
    // The tree may be missing, or older than a script.
    services.extend(machine.names("etc/init.d").into_iter().map(|name| {
        let text = machine.text(path(&name));
        of_script(name, &text)
    }));
    let mut names: BTreeSet<String> = NAMES.map(str::to_owned).into();
    let mut found: Vec<String> = Vec::new();
    loop {
        let is_new = |service: &&Service| {
            let mut pulled = service.needs.iter().chain(
                match pull {
                    Pull::Needs => None,
                    Pull::NeedsOrWants => Some(&service.wants),
                }
                .into_iter()
                .flatten(),
            );
            !NAMES.contains(&service.name.as_str())
                && !found.contains(&service.name)
                && pulled.any(|name| names.contains(name))
        };
        let mut next: Vec<&Service> = services.iter().filter(is_new).collect();
        if next.is_empty() {
            return found;
        }
        next.sort_by(|one, other| one.name.cmp(&other.name));
        for service in next {
            names.insert(service.name.clone());
            names.extend(service.provides.iter().cloned());
            if !found.contains(&service.name) {
                found.push(service.name.clone());
            }
        }
    }
}

/// Reads lines such as `depinfo_3_ineed_0='portmap'`.
fn of_tree(text: &str) -> Vec<Service> {
    let mut services: Vec<(&str, Service)> = Vec::new();
    for line in text.lines() {
        let Some((key, value)) = line.trim().split_once('=') else {
            continue;
        };
        let mut parts = key.split('_');
        let (Some("depinfo"), Some(index), Some(kind)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if services.last().is_none_or(|last| last.0 != index) {
            services.push((index, Service::default()));
        }
        let Some((_, service)) = services.last_mut() else {
            continue;
        };
        let value = value.trim_matches('\'').to_owned();
        match kind {
            "service" => service.name = value,
            "iprovide" => drop(service.provides.insert(value)),
            "ineed" => drop(service.needs.insert(value)),
            "iwant" => drop(service.wants.insert(value)),
            _ => {}
        }
    }
    let services = services.into_iter().map(|(_, service)| service);
    services.filter(|service| is_plain(&service.name)).collect()
}

/// Reads the words behind `need` in `depend()`, wherever it is on its line, or the header that the
/// Linux Standard Base defines.
fn of_script(name: String, text: &str) -> Service {
    let mut service = Service {
        name,
        ..Service::default()
    };
    let text = text.replace("\\\n", " ");
    for line in text.lines() {
        let line = line.trim();
        let add = |to: &mut BTreeSet<String>, words: &str| {
            let words = words.split_whitespace();
            to.extend(words.map(|word| word.trim_matches(['$', '"', '\'']).to_owned()));
        };
        if let Some(header) = line.strip_prefix('#') {
            let header = header.trim_start();
            if let Some(words) = header.strip_prefix("Required-Start:") {
                add(&mut service.needs, words);
            } else if let Some(words) = header.strip_prefix("Provides:") {
                add(&mut service.provides, words);
            }
            continue;
        }
        let code = line.split(" #").next().unwrap_or_default();
        for command in code.split([';', '{', '}', '&', '|']) {
            let command = command.trim();
            let command = command
                .strip_prefix("then ")
                .or_else(|| command.strip_prefix("else "))
                .unwrap_or(command)
                .trim_start();
            let Some((verb, words)) = command.split_once(char::is_whitespace) else {
                continue;
            };
            match verb {
                "need" => add(&mut service.needs, words),
                "want" => add(&mut service.wants, words),
                "provide" => add(&mut service.provides, words),
                _ => {}
            }
        }
    }
    service
}

#[cfg(test)]
mod tests {
    use super::{super::machine::fixture::machine, Pull, dependents};

    #[test]
    fn what_needs_it_by_way_of_others_is_found_in_every_spelling() {
        let (_root, machine) = machine(&[
            ("etc/init.d/one", "depend() { need portmap; }\n"),
            (
                "etc/init.d/two",
                "depend() {\n\tneed net \\\n\t\tportmap\n}\n",
            ),
            ("etc/init.d/rpc.statd", "depend() {\n\tneed portmap\n}\n"),
            ("etc/init.d/nfsmount", "depend() {\n\tneed rpc.statd\n}\n"),
            ("etc/init.d/nfs", "depend() {\n\twant portmap # c\n}\n"),
            (
                "etc/init.d/cron",
                "depend() {\n\tuse portmap\n}\n# need portmap\n",
            ),
            ("etc/init.d/hidden", "depend() {\n\tneed $NEEDED\n}\n"),
            ("etc/init.d/a-first", "depend() {\n\tneed virtual\n}\n"),
            (
                "run/openrc/deptree",
                "depinfo_0_service='rpcbind'\ndepinfo_0_iprovide_0='portmap'\n\
                 depinfo_1_service='hidden'\ndepinfo_1_iprovide_0='virtual'\n\
                 depinfo_1_ineed_0='net'\ndepinfo_1_ineed_1='portmap'\n",
            ),
        ]);
        let needs = ["hidden", "one", "rpc.statd", "two", "a-first", "nfsmount"];
        assert_eq!(dependents(&machine, Pull::Needs), needs);
        let more = [
            "hidden",
            "nfs",
            "one",
            "rpc.statd",
            "two",
            "a-first",
            "nfsmount",
        ];
        assert_eq!(dependents(&machine, Pull::NeedsOrWants), more);
    }
}
