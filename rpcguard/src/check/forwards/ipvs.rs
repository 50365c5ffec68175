//! Reads the services of the kernel's load balancer, `/proc/net/ip_vs` of ipvsadm(8).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rpcguard_common::parse::Transport;

use super::rules::{Action, Rule, Ruleset, Target, Test};

const CHAIN: &str = "ipvs";

pub(super) fn read(text: &str) -> Ruleset {
    let mut rules: Vec<Rule> = Vec::new();
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let test = match words[..] {
            ["->", real, ..] => {
                if let (Some(rule), Some((address, port))) = (rules.last_mut(), place(real))
                    && let Action::Forward(target) = &mut rule.action
                    && target.address.is_none()
                {
                    target.address = Some(address.to_string());
                    target.port = (port != 0).then_some(port..=port);
                }
                continue;
            }
            ["UDP" | "TCP", service, ..] => {
                let Some((address, port)) = place(service) else {
                    continue;
                };
                let transport = match words[0] {
                    "UDP" => Transport::Udp,
                    _ => Transport::Tcp,
                };
                // Port 0 stands for all of a persistent service.
                let port = if port == 0 { 0..=u16::MAX } else { port..=port };
                vec![
                    Test::Transport(transport),
                    Test::Ipv6(address.is_ipv6()),
                    Test::To(address.into()),
                    Test::Port(port),
                ]
            }
            // Which packets bear that mark is up to other rules.
            ["FWM", ..] => vec![Test::Unknown],
            _ => continue,
        };
        rules.push(Rule {
            test: Test::All(test),
            action: Action::Forward(Target::default()),
            origin: format!("IPVS service {} {}", words[0], words[1]),
        });
    }
    // One without servers answers nothing.
    rules.retain(|rule| match &rule.action {
        Action::Forward(target) => target.address.is_some(),
        _ => false,
    });
    Ruleset {
        chains: [(CHAIN.to_owned(), rules)].into(),
        entries: vec![(CHAIN.to_owned(), Test::All(Vec::new()))],
    }
}

/// `C0A80001:006F`, `[2001:0db8:0000:0000:0000:0000:0000:0001]:006F`.
fn place(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.rsplit_once(':')?;
    let address = match address.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.into(),
        None => Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?).into(),
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}
