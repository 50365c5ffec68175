//! Reads what iptables-save(8) and ip6tables-save(8) print.

use std::net::IpAddr;

use super::rules::{Action, Rule, Ruleset, Target, Test};
use rpcguard_common::parse::Transport;

/// Matches that ask for nothing by themselves, or whose options are read.
const PLAIN: [&str; 5] = ["udp", "tcp", "addrtype", "multiport", "comment"];

/// Reads the rules; `program` is what people list them with.
pub(super) fn read(text: &str, ipv6: bool, program: &str) -> Ruleset {
    let mut rules = Ruleset::default();
    let mut table = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            name.clone_into(&mut table);
            rules
                .entries
                .push((format!("{table} PREROUTING"), Test::Ipv6(ipv6)));
        } else if line.starts_with("-A ") {
            let words = words(line);
            let Some(chain) = words.get(1) else { continue };
            let origin = format!("{program} table {table}, chain {chain}");
            let chain = format!("{table} {chain}");
            let rule = rule(&words[2..], &table, origin);
            rules.chains.entry(chain).or_default().push(rule);
        }
    }
    rules
}

/// Splits a line as a shell does: iptables-save quotes with `"` and escapes with a backslash.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quoted = false;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            '\\' if quoted => word.get_or_insert_default().extend(letters.next()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

fn rule(words: &[String], table: &str, origin: String) -> Rule {
    let mut tests = Vec::new();
    let mut action = Action::Nothing;
    let mut target = Target::default();
    let mut negated = false;
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        if word == "!" {
            negated = true;
            continue;
        }
        let mut values = Vec::new();
        while let Some(value) = words.next_if(|next| !next.starts_with('-') && *next != "!") {
            values.push(value);
        }
        let value = values.first().copied().unwrap_or_default();
        let test = match word {
            "-m" if PLAIN.contains(&value) => None,
            "--comment" => None,
            "-j" | "-g" => {
                action = match (word, value) {
                    (_, "DNAT" | "REDIRECT" | "TPROXY" | "NETMAP") => {
                        Action::Forward(Target::default())
                    }
                    (_, "ACCEPT" | "DROP" | "REJECT") => Action::Stop,
                    (_, "RETURN") => Action::Return,
                    ("-g", chain) => Action::Goto(format!("{table} {chain}")),
                    // That of an extension leads to no chain, and so to nothing.
                    (_, chain) => Action::Jump(format!("{table} {chain}")),
                };
                None
            }
            "--to-destination" => {
                target = destination(value);
                None
            }
            "--to" | "--on-ip" => {
                target.address = Some(value.to_owned());
                None
            }
            "--to-ports" | "--on-port" => {
                target.port = range(value, '-');
                None
            }
            "--random" | "--persistent" | "--tproxy-mark" => None,
            "-p" => Some(match value {
                "udp" | "17" => Test::Transport(Transport::Udp),
                "tcp" | "6" => Test::Transport(Transport::Tcp),
                "all" | "0" => Test::All(Vec::new()),
                _ => Test::Never,
            }),
            "-d" => Some(prefix(value).map_or(Test::Unknown, Test::To)),
            "-i" => Some(Test::Interface(
                value
                    .strip_suffix('+')
                    .map_or_else(|| value.to_owned(), |prefix| format!("{prefix}*")),
            )),
            "--dport" | "--dports" => Some(Test::Any(
                value
                    .split(',')
                    .map(|range_| range(range_, ':').map_or(Test::Unknown, Test::Port))
                    .collect(),
            )),
            "--dst-type" if value == "LOCAL" => Some(Test::ToThisHost),
            _ => Some(Test::Unknown),
        };
        if let Some(test) = test {
            tests.push(if negated {
                Test::Not(Box::new(test))
            } else {
                test
            });
        }
        negated = false;
    }
    if let Action::Forward(found) = &mut action {
        *found = target;
    }
    Rule {
        test: Test::All(tests),
        action,
        origin,
    }
}

pub(super) fn prefix(text: &str) -> Option<ipnet::IpNet> {
    // Without a length it is one address.
    let net = text.parse::<ipnet::IpNet>();
    net.or_else(|_| text.parse::<IpAddr>().map(Into::into)).ok()
}

/// `111`, or `100:200` with the separator `:`.
fn range(text: &str, separator: char) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once(separator).unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// `172.17.0.2:111`, `172.17.0.2`, `[fd00::2]:111-113`, `:111`.
fn destination(text: &str) -> Target {
    let (address, port) = match text.rsplit_once(':') {
        Some((address, port)) if !address.contains(':') || address.ends_with(']') => {
            // `1-3/1` are ports from a base on.
            (address, range(port.split('/').next().unwrap_or(port), '-'))
        }
        _ => (text, None),
    };
    Target {
        address: (!address.is_empty()).then(|| address.trim_matches(['[', ']']).to_owned()),
        port,
    }
}
