//! Reads what `nft -j list ruleset` prints (libnftables-json(5)).

use std::{collections::HashMap, ops::RangeInclusive};

use rpcguard_common::parse::Transport;
use serde_json::Value;

use super::rules::{Action, Rule, Ruleset, Target, Test};

/// The conditions of a rule of nft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Port,
    Protocol,
    Destination,
    DestinationType,
    Interface,
    Family,
    Other,
}

/// The rules, and whether some of them are xtables' own, which nft cannot show.
pub(super) fn read(text: &str) -> Option<(Ruleset, bool)> {
    let document: Value = serde_json::from_str(text).ok()?;
    let objects = document.get("nftables")?.as_array()?;
    let mut reader = Reader {
        sets: HashMap::new(),
        xtables: false,
    };
    for object in objects {
        for kind in ["set", "map"] {
            if let Some(set) = object.get(kind) {
                let elements = set.get("elem").and_then(Value::as_array);
                let elements = elements.map(Vec::as_slice).unwrap_or_default();
                reader.sets.insert(key(set, "name"), elements);
            }
        }
    }
    let mut rules = Ruleset::default();
    for object in objects {
        if let Some(chain) = object.get("chain") {
            let hook = chain.get("hook").and_then(Value::as_str);
            if matches!(hook, Some("prerouting" | "ingress")) {
                let mut tests = vec![family(text_of(chain, "family"))];
                if let Some(device) = chain.get("dev") {
                    let names = device
                        .as_array()
                        .map_or(std::slice::from_ref(device), |all| all);
                    tests.push(Test::Any(
                        names
                            .iter()
                            .map(|name| literal(Field::Interface, name))
                            .collect(),
                    ));
                }
                rules.entries.push((key(chain, "name"), Test::All(tests)));
            }
        } else if let Some(rule) = object.get("rule") {
            let chain = rules.chains.entry(key(rule, "chain")).or_default();
            reader.rule(rule, chain);
        }
    }
    Some((rules, reader.xtables))
}

fn text_of<'v>(object: &'v Value, name: &str) -> &'v str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The name of a chain or set: `ip nat PREROUTING`.
fn key(object: &Value, name: &str) -> String {
    let part = |name| text_of(object, name);
    format!("{} {} {}", part("family"), part("table"), part(name))
}

fn family(name: &str) -> Test {
    match name {
        "ip" => Test::Ipv6(false),
        "ip6" => Test::Ipv6(true),
        "inet" | "netdev" => Test::All(Vec::new()),
        // Bridges know no other host's address.
        _ => Test::Never,
    }
}

struct Reader<'v> {
    sets: HashMap<String, &'v [Value]>,
    xtables: bool,
}

impl<'v> Reader<'v> {
    /// Adds what a rule does, in order: it may do several things, and a map makes one of each
    /// element.
    fn rule(&mut self, rule: &'v Value, chain: &mut Vec<Rule>) {
        let scope = key(rule, "nothing");
        let handle = rule
            .get("handle")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let origin = format!(
            "nft table {} {}, chain {}, handle {handle}",
            text_of(rule, "family"),
            text_of(rule, "table"),
            text_of(rule, "chain")
        );
        let mut tests = Vec::new();
        let statements = rule.get("expr").and_then(Value::as_array);
        for statement in statements.into_iter().flatten() {
            if let Some(text) = statement.as_str() {
                let may_be = |target| Rule {
                    test: Test::All(tests.iter().cloned().chain([Test::Unknown]).collect()),
                    action: Action::Forward(target),
                    origin: origin.clone(),
                };
                chain.extend(unnamed_chain(text).into_iter().map(may_be));
                continue;
            }
            let Some((name, body)) = statement.as_object().and_then(|all| all.iter().next()) else {
                continue;
            };
            let mut push = |test: Option<Test>, action| {
                chain.push(Rule {
                    test: Test::All(tests.iter().cloned().chain(test).collect()),
                    action,
                    origin: origin.clone(),
                });
            };
            match name.as_str() {
                "match" => tests.push(self.condition(body, &scope)),
                "vmap" => {
                    let (needs, fields) = fields(body.get("key"));
                    for (value, verdict) in self.pairs(body.get("data"), &scope) {
                        let test = Test::All(
                            needs
                                .iter()
                                .cloned()
                                .chain([alternative(&fields, value)])
                                .collect(),
                        );
                        push(Some(test), verdict_of(verdict, &scope));
                    }
                }
                "dnat" | "redirect" | "tproxy" | "fwd" => {
                    let (test, target) = self.target(name, body, &scope);
                    push(test, Action::Forward(target));
                }
                "mangle" => {
                    let (_, fields) = fields(body.get("key"));
                    let mut target = Target {
                        address: None,
                        port: None,
                    };
                    match fields[..] {
                        [Field::Destination] => {
                            target.address = Some(shown(body.get("value")));
                        }
                        [Field::Port] => target.port = body.get("value").and_then(range),
                        _ => continue,
                    }
                    push(None, Action::Forward(target));
                }
                "xt" => {
                    self.xtables = true;
                    tests.push(Test::Unknown);
                }
                "jump" | "goto" | "return" | "accept" | "drop" | "reject" => {
                    push(None, verdict_of(statement, &scope));
                }
                "counter" | "log" | "comment" | "notrack" | "ct" | "meta" => {}
                // A limit, for instance.
                _ => tests.push(Test::Unknown),
            }
        }
    }

    fn condition(&self, body: &'v Value, scope: &str) -> Test {
        let (mut needs, fields) = fields(body.get("left"));
        let operator = text_of(body, "op");
        let right = body.get("right");
        let test = match (operator, &fields[..]) {
            ("==" | "in" | "!=", _) => {
                let values = self.values(right, scope);
                let any = values.into_iter().map(|value| alternative(&fields, value));
                let any = Test::Any(any.collect());
                if operator == "!=" {
                    Test::Not(Box::new(any))
                } else {
                    any
                }
            }
            (operator, [Field::Port]) => match (operator, right.and_then(range)) {
                ("<=", Some(range)) => Test::Port(0..=*range.end()),
                (">=", Some(range)) => Test::Port(*range.start()..=u16::MAX),
                ("<", Some(range)) => Test::Port(0..=range.start().saturating_sub(1)),
                (">", Some(range)) => Test::Port(range.end().saturating_add(1)..=u16::MAX),
                _ => Test::Unknown,
            },
            _ => Test::Unknown,
        };
        needs.push(test);
        Test::All(needs)
    }

    /// Where a packet goes, and what must hold for that if it is looked up in a map.
    fn target(&self, name: &str, body: &'v Value, scope: &str) -> (Option<Test>, Target) {
        let port = body.get("port").and_then(range);
        let Some(address) = body.get("addr") else {
            // The other device of a `fwd` is as good as an address.
            let address = (name == "fwd").then(|| shown(body.get("dev")));
            return (None, Target { address, port });
        };
        let Some(map) = address.get("map") else {
            return (
                None,
                Target {
                    address: Some(shown(Some(address))),
                    port,
                },
            );
        };
        let (needs, fields) = fields(map.get("key"));
        let (mut tests, mut addresses) = (Vec::new(), Vec::new());
        for (value, to) in self.pairs(map.get("data"), scope) {
            let test = alternative(&fields, value);
            // Only what may be asked for here is shown.
            if !matches!(&test, Test::Port(range) if !range.contains(&super::PORT)) {
                addresses.push(shown(Some(to)));
            }
            tests.push(test);
        }
        addresses.truncate(4);
        let test = Test::All(needs.into_iter().chain([Test::Any(tests)]).collect());
        (
            Some(test),
            Target {
                address: Some(addresses.join(" or ")),
                port,
            },
        )
    }

    /// The single values of a literal, a set or the name of one.
    fn values(&self, value: Option<&'v Value>, scope: &str) -> Vec<&'v Value> {
        let Some(value) = value else {
            return Vec::new();
        };
        let named = value.as_str().and_then(|name| name.strip_prefix('@'));
        if let Some(name) = named {
            let elements = self.sets.get(&format!("{scope}{name}"));
            return elements.copied().unwrap_or_default().iter().collect();
        }
        match value.get("set").and_then(Value::as_array) {
            Some(elements) => elements.iter().collect(),
            None => vec![value],
        }
    }

    /// The keys and values of a map.
    fn pairs(&self, map: Option<&'v Value>, scope: &str) -> Vec<(&'v Value, &'v Value)> {
        let values = self.values(map, scope).into_iter();
        values
            .filter_map(|pair| match pair.as_array().map(Vec::as_slice) {
                Some([key, value]) => Some((key, value)),
                _ => None,
            })
            .collect()
    }
}

/// The conditions, and those that follow from them: UDP has UDP's ports.
fn fields(left: Option<&Value>) -> (Vec<Test>, Vec<Field>) {
    let Some(left) = left else {
        return (vec![], vec![Field::Other]);
    };
    if let Some(parts) = left.get("concat").and_then(Value::as_array) {
        let parts = parts.iter().map(|part| fields(Some(part)));
        let (needs, fields): (Vec<_>, Vec<_>) = parts.unzip();
        return (needs.concat(), fields.concat());
    }
    let (mut needs, mut field) = (Vec::new(), Field::Other);
    if let Some(payload) = left.get("payload") {
        let protocol = text_of(payload, "protocol");
        field = match (protocol, text_of(payload, "field")) {
            ("udp" | "tcp" | "th", "dport") => Field::Port,
            ("ip" | "ip6", "daddr") => Field::Destination,
            ("ip", "protocol") | ("ip6", "nexthdr") => Field::Protocol,
            _ => Field::Other,
        };
        match protocol {
            "udp" => needs.push(Test::Transport(Transport::Udp)),
            "tcp" => needs.push(Test::Transport(Transport::Tcp)),
            "ip" | "ip6" => needs.push(Test::Ipv6(protocol == "ip6")),
            _ => {}
        }
    } else if let Some(meta) = left.get("meta") {
        field = match text_of(meta, "key") {
            "l4proto" => Field::Protocol,
            "iif" | "iifname" => Field::Interface,
            "nfproto" | "protocol" => Field::Family,
            _ => Field::Other,
        };
    } else if let Some(fib) = left.get("fib")
        && text_of(fib, "result") == "type"
        && fib
            .get("flags")
            .is_some_and(|flags| flags.to_string().contains("daddr"))
    {
        field = Field::DestinationType;
    }
    (needs, vec![field])
}

/// One of the values that the fields may have.
fn alternative(fields: &[Field], value: &Value) -> Test {
    if let Some(inner) = value.get("elem").and_then(|element| element.get("val")) {
        return alternative(fields, inner);
    }
    match (fields, value.get("concat").and_then(Value::as_array)) {
        ([field], _) => literal(*field, value),
        (_, Some(parts)) if parts.len() == fields.len() => {
            let both = fields.iter().zip(parts);
            Test::All(both.map(|(field, part)| literal(*field, part)).collect())
        }
        _ => Test::Unknown,
    }
}

fn literal(field: Field, value: &Value) -> Test {
    let text = value.as_str();
    let test = match field {
        Field::Port => range(value).map(Test::Port),
        Field::Protocol => Some(match (text, value.as_u64()) {
            (Some("udp"), _) | (_, Some(17)) => Test::Transport(Transport::Udp),
            (Some("tcp"), _) | (_, Some(6)) => Test::Transport(Transport::Tcp),
            _ => Test::Never,
        }),
        Field::Destination => prefix(value).map(Test::To),
        Field::DestinationType => (text == Some("local")).then_some(Test::ToThisHost),
        Field::Interface => text.map(|name| Test::Interface(name.to_owned())),
        Field::Family => match text {
            Some("ip" | "ipv4") => Some(Test::Ipv6(false)),
            Some("ip6" | "ipv6") => Some(Test::Ipv6(true)),
            _ => None,
        },
        Field::Other => None,
    };
    test.unwrap_or(Test::Unknown)
}

fn prefix(value: &Value) -> Option<ipnet::IpNet> {
    let net = match value.get("prefix") {
        Some(prefix) => format!("{}/{}", text_of(prefix, "addr"), prefix.get("len")?),
        None => value.as_str()?.to_owned(),
    };
    super::xtables::prefix(&net)
}

/// A port, by number or by the portmapper's names, or a range of ports.
fn range(value: &Value) -> Option<RangeInclusive<u16>> {
    if let Some([first, last]) = value
        .get("range")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        return Some(*range(first)?.start()..=*range(last)?.end());
    }
    let port = match value.as_str() {
        Some("sunrpc" | "portmapper" | "rpcbind") => super::PORT,
        Some(_) => return None,
        None => u16::try_from(value.as_u64()?).ok()?,
    };
    Some(port..=port)
}

/// Where a chain without a name may send a packet: nft prints it as its own text, `jump { dnat to
/// 192.0.2.1 }`, which is not read any further.
fn unnamed_chain(text: &str) -> Vec<Target> {
    let has = |word: &&str| text.split_whitespace().any(|found| found == *word);
    let mut targets = Vec::new();
    if ["dnat", "redirect", "tproxy", "fwd", "set"].iter().any(has) {
        targets.push(Target {
            address: Some("somewhere, as a chain without a name says".to_owned()),
            port: None,
        });
        // From another port, it may lead to the portmapper.
        targets.push(Target {
            address: None,
            port: Some(super::PORT..=super::PORT),
        });
    }
    targets
}

fn verdict_of(verdict: &Value, scope: &str) -> Action {
    let Some((name, body)) = verdict.as_object().and_then(|all| all.iter().next()) else {
        return Action::Nothing;
    };
    let chain = || format!("{scope}{}", text_of(body, "target"));
    match name.as_str() {
        "jump" => Action::Jump(chain()),
        "goto" => Action::Goto(chain()),
        "return" => Action::Return,
        "accept" | "drop" | "reject" => Action::Stop,
        _ => Action::Nothing,
    }
}

/// An address for people; what is no plain one, as nft writes it.
fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return String::new();
    };
    if let Some(parts) = value.get("concat").and_then(Value::as_array) {
        let parts = parts.iter().map(|part| shown(Some(part)));
        return parts.collect::<Vec<_>>().join(":");
    }
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
