//! What rpcinfo(8) prints, read field by field.

use rpcguard_tests::lab::Host;

use crate::documents::Registration;

/// What `rpcinfo` prints: program, version, netid, address, service, owner.
pub(crate) type Line = (u32, u32, String, String, String, String);

/// What `rpcinfo -p` prints: program, version, protocol, port, service.
pub(crate) type PortLine = (u32, u32, String, u16, String);

fn lines(host: &Host, arguments: &[&str]) -> Vec<Vec<String>> {
    let text = host.run("rpcinfo", arguments).unwrap();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().contains("program"), "{text}");
    lines
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect()
}

/// The registrations that `rpcinfo` finds, with these arguments, in its order.
pub(crate) fn rpcinfo(host: &Host, arguments: &[&str]) -> Vec<Line> {
    let line = |words: Vec<String>| {
        let [program, version, netid, address, service, owner] = words.try_into().unwrap();
        let number = |text: String| text.parse().unwrap();
        (
            number(program),
            number(version),
            netid,
            address,
            service,
            owner,
        )
    };
    lines(host, arguments).into_iter().map(line).collect()
}

/// The registrations that `rpcinfo -p` finds, in its order.
pub(crate) fn rpcinfo_p(host: &Host, arguments: &[&str]) -> Vec<PortLine> {
    let line = |mut words: Vec<String>| {
        // Nothing, for a program without a name.
        words.resize(5, String::new());
        let [program, version, protocol, port, service] = words.try_into().unwrap();
        let number = |text: String| text.parse().unwrap();
        (
            number(program),
            number(version),
            protocol,
            port.parse().unwrap(),
            service,
        )
    };
    lines(host, &[&["-p"], arguments].concat())
        .into_iter()
        .map(line)
        .collect()
}

/// The same of what rpcguard found.
pub(crate) fn as_lines<'a>(found: impl IntoIterator<Item = &'a Registration>) -> Vec<Line> {
    let line = |found: &Registration| {
        (
            found.program,
            found.version,
            found.netid.clone(),
            found.address.clone(),
            found.service.clone().unwrap_or("-".to_owned()),
            found.owner.clone(),
        )
    };
    found.into_iter().map(line).collect()
}

/// The same of what rpcguard found; version 2 of the protocol knows of UDP and TCP over IPv4 alone.
pub(crate) fn as_port_lines<'a>(
    found: impl IntoIterator<Item = &'a Registration>,
) -> Vec<PortLine> {
    let line = |found: &Registration| {
        (
            found.program,
            found.version,
            found.netid.clone(),
            found.port.unwrap(),
            found.service.clone().unwrap_or_default(),
        )
    };
    found
        .into_iter()
        .filter(|found| ["udp", "tcp"].contains(&&*found.netid))
        .map(line)
        .collect()
}
