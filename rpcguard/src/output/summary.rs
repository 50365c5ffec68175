//! The verdict about another host in one line.

use std::fmt::Write as _;

use rpcguard_common::parse::Transport;

use super::{check_host::detail, text::counted};
use crate::{
    check::{
        AddressReport, Finding, HostReport, Outcome, Probe, ProbeResult, Verdict, transport_name,
    },
    foreign_text::short,
};

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];

/// The verdict about a host in one line: the addresses that it is about first, then the others.
pub(super) fn summary(report: &HostReport) -> String {
    let verdict = report.verdict();
    let mut verdicts: Vec<Verdict> = report
        .addresses
        .iter()
        .map(AddressReport::verdict)
        .collect();
    let left_out = (report.more_addresses != 0).then(|| {
        let more = counted(
            report.more_addresses as u64,
            "more address",
            "more addresses",
        );
        format!("{more}, not asked")
    });
    if left_out.is_some() {
        verdicts.push(Verdict::Unknown);
    }
    verdicts.sort_by_key(|other| (*other != verdict, std::cmp::Reverse(*other)));
    verdicts.dedup();
    let about = |verdict: Verdict| {
        let addresses = report.addresses.iter();
        let findings: Vec<String> = addresses
            .filter(|address| address.verdict() == verdict)
            .map(|address| format!("{} {}", address.address, finding(address, report)))
            .chain(left_out.clone().filter(|_| verdict == Verdict::Unknown))
            .collect();
        format!("{}: {}", verdict.heading(), findings.join("; "))
    };
    let parts: Vec<String> = verdicts.into_iter().map(about).collect();
    parts.join("; ")
}

/// Describes the finding about an address.
fn finding(report: &AddressReport, host: &HostReport) -> String {
    match report.finding() {
        Finding::NoAnswer => why_not_exposed(report, host.asking.wait.as_secs()),
        Finding::NotAsked => format!(
            "could not {}be asked from here: {}",
            if report.could_not_be_asked() {
                ""
            } else {
                "all "
            },
            first_detail(report, |outcome| matches!(outcome, Outcome::Failed(_)))
        ),
        Finding::Unclear => unclear(report),
        Finding::Refuses => {
            let over = transports(report, |finding| finding == Finding::Refuses);
            format!(
                "answers over {over}, but refuses: {}{}",
                first_detail(report, is_answer),
                reflects(report)
            )
        }
        Finding::SmallOnly => {
            let over = transports(report, |finding| finding == Finding::SmallOnly);
            format!(
                "answers small calls over {over}, and nothing larger within {} s{}",
                host.asking.wait.as_secs(),
                reflects(report)
            )
        }
        Finding::Answers | Finding::Tells | Finding::Relays | Finding::Amplifies => exposed(report),
    }
}

fn exposed(report: &AddressReport) -> String {
    let over = transports(report, |finding| finding.verdict() == Verdict::Exposed);
    let mut text = format!("answers who asks from here over {over}");
    let sources: Vec<String> = report
        .other_sources()
        .into_iter()
        .map(|from| format!("{} port {}", from.ip(), from.port()))
        .collect();
    // Writing to memory does not fail.
    if !sources.is_empty() {
        let _ = write!(text, ", from {}", sources.join(", "));
    }
    if report.finding() == Finding::Relays || relays(report) {
        text.push_str(", relays calls");
    }
    if let Some((probe, [payload, wire])) = report.amplification()
        && payload > 1.0
    {
        let _ = write!(
            text,
            " and amplifies at least {payload:.1} times ({wire:.1} on the wire, {} of version {})",
            probe.probe.name(),
            probe.version
        );
    }
    if report.may_lose_large_replies() || report.finding_over(Transport::Udp) == Finding::Answers {
        text.push_str(
            "; larger replies may be lost on the way to here: what they amplify cannot be told from here",
        );
    }
    text
}

fn relays(report: &AddressReport) -> bool {
    report.probes.iter().any(|probe| {
        let answer = probe.answer();
        probe.probe == Probe::Relay && answer.is_some_and(|answer| answer.refused.is_none())
    })
}

/// A forged question makes it send a packet to another host, whatever the packet says.
fn reflects(report: &AddressReport) -> &'static str {
    let over_udp = report.finding_over(Transport::Udp);
    if [Finding::Refuses, Finding::SmallOnly].contains(&over_udp) {
        "; it can reflect, and was not seen to amplify"
    } else {
        ""
    }
}

fn unclear(report: &AddressReport) -> String {
    let is_garbage = |outcome: &Outcome| {
        matches!(outcome, Outcome::Garbage(_))
            || matches!(outcome, Outcome::Answered(answer) if answer.malformed)
    };
    if report.probes.iter().any(|probe| is_garbage(&probe.outcome)) {
        format!(
            "gave no sensible answer: {}",
            first_detail(report, is_garbage)
        )
    } else {
        format!(
            "answers, but refuses: {}; larger replies may be lost on the way to here",
            first_detail(report, is_answer)
        )
    }
}

const fn is_answer(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Answered(_))
}

/// The transports over which it found something.
fn transports(report: &AddressReport, wanted: impl Fn(Finding) -> bool) -> String {
    let found: Vec<_> = BOTH
        .into_iter()
        .filter(|transport| wanted(report.finding_over(*transport)))
        .map(transport_name)
        .collect();
    found.join(" and ")
}

/// Returns the first details among these outcomes.
fn first_detail(report: &AddressReport, wanted: impl Fn(&Outcome) -> bool) -> String {
    let outcomes = report
        .probes
        .iter()
        .filter(|probe| probe.probe != Probe::Relay)
        .map(|probe: &ProbeResult| &probe.outcome);
    let mut details = outcomes
        .filter(|outcome| wanted(outcome))
        .filter_map(detail);
    short(&details.next().unwrap_or_default())
}

fn why_not_exposed(report: &AddressReport, seconds: u64) -> String {
    let any = |transport, wanted: fn(&Outcome) -> bool| {
        let mut probes = report.probes.iter();
        probes.any(|probe| probe.transport == transport && wanted(&probe.outcome))
    };
    // Errors of ICMP come at a limited rate: some probes may seem to have met with silence.
    let closed = |transport| any(transport, |outcome| matches!(outcome, Outcome::Closed));
    let rejected = |transport| any(transport, |outcome| matches!(outcome, Outcome::Rejected(_)));
    if BOTH.into_iter().all(closed) {
        "has no portmapper, or rejects what comes from here".to_owned()
    } else if BOTH.into_iter().any(rejected) {
        let why = first_detail(report, |outcome| matches!(outcome, Outcome::Rejected(_)));
        format!("is closed, or rejects what comes from here: {why}")
    } else if BOTH.into_iter().any(closed) {
        format!("is closed, or silent to what comes from here: no answer within {seconds} s")
    } else {
        let is_sent =
            |probe: &ProbeResult| probe.transport == Transport::Tcp && probe.attempts != 0;
        let connects = if report.probes.iter().any(is_sent) {
            "takes connections over TCP, and "
        } else {
            ""
        };
        format!(
            "{connects}gives no answer from here within {seconds} s: filtered (here, too: replies from \
             another address of it), slow, or not there"
        )
    }
}
