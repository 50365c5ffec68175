//! What is shown of a hunt.

use std::{fmt::Write as _, time::Duration};

use rpcguard_tests::hunt::{
    hunter::{Finding, Report},
    shot::Feature,
};

/// One line while it goes on.
pub(crate) fn progress(report: &Report, elapsed: Duration) -> String {
    format!(
        "{} frames, {:.0}/s, {} findings ",
        report.frames,
        report.frames as f64 / elapsed.as_secs_f64(),
        report.findings.len()
    )
}

/// What it came to.
pub(crate) fn report(report: &Report, elapsed: Duration) -> String {
    let mut text = String::new();
    let tally = &report.tally;
    let of = |kind| {
        let findings = report.findings.iter();
        findings
            .filter(|finding| finding.wrong.kind == kind)
            .count()
    };
    let _ = write!(
        text,
        "{} frames in {} shots, each sent to both hosts, in {:.0} s
delivered while observing: {} from others to guarded ports, {} from allowed sources to guarded ports,
  {} to other ports
bypasses: {}
harms:    {}
lost with an excuse (undecidable, or fragments of two datagrams in one): {}
lost once and not again: {}
",
        report.frames,
        report.shots,
        elapsed.as_secs_f64(),
        tally.unwelcome,
        tally.welcome,
        tally.elsewhere,
        of(rpcguard_tests::hunt::judge::Kind::Bypass),
        of(rpcguard_tests::hunt::judge::Kind::Harm),
        tally.excused,
        report.passing,
    );
    for feature in Feature::ALL {
        let (sent, arrived) = report.features.get(&feature).copied().unwrap_or_default();
        let _ = writeln!(
            text,
            "  {:<22} {sent:>9} shots, {:>3.0}% reached a socket",
            feature.name(),
            100.0 * arrived as f64 / sent.max(1) as f64
        );
    }
    text
}

/// Something wrong, with the frames that show it.
pub(crate) fn finding(finding: &Finding) -> String {
    let mut text = format!("{}: {}", finding.wrong.kind, finding.wrong.delivery);
    if !finding.reproduced {
        text.push_str(" (once; all frames of that volley follow)");
    }
    let _ = write!(text, "\n  with {}", finding.shot.features);
    for frame in &finding.shot.frames {
        text.push_str("\n  ");
        for byte in frame {
            let _ = write!(text, "{byte:02x}");
        }
    }
    text
}
