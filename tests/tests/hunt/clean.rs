//! Nothing is let through and nothing is lost, whatever the frames.

use rpcguard_tests::{
    hunt::{
        hunter::{Hunt, Hunter, Report},
        shot::Feature,
        terrain::Device,
    },
    lab::{Lab, Tun, skip},
    release::{FRAGS, kernel_version},
};

/// More than the 20,000 that there should be at least, over all devices.
const FRAMES: u64 = 12_000;

fn hunt(test: &str, hunt: Hunt) -> Option<Report> {
    let lab = Lab::or_skip(test)?;
    let report = Hunter::new(lab, hunt)
        .and_then(|mut hunter| hunter.hunt(FRAMES, |_| true))
        .expect("the twins answer");
    let findings = &report.findings;
    assert!(
        findings.is_empty(),
        "{}: {findings:#?}",
        hunt.command(FRAMES)
    );
    // Or nothing was looked at.
    let tally = report.tally;
    eprintln!("{test}: {} frames, {tally:?}", report.frames);
    for delivered in [tally.unwelcome, tally.welcome, tally.elsewhere] {
        assert!(delivered > report.shots / 20, "{tally:?}");
    }
    assert!(tally.excused < report.shots / 50, "{tally:?}");
    assert!(
        report.passing < 4,
        "{} losses that came to nothing",
        report.passing
    );
    for (feature, (sent, arrived)) in &report.features {
        assert!(
            *arrived > sent / 20,
            "{}: {arrived} of {sent}",
            feature.name()
        );
    }
    Some(report)
}

fn every_feature_was_there(report: &Report, tags: bool) {
    for feature in Feature::ALL {
        let expected = feature != Feature::Tagged || tags;
        assert_eq!(
            report.features.contains_key(&feature),
            expected,
            "{}",
            feature.name()
        );
    }
}

#[test]
fn no_frame_is_judged_wrongly_in_native_mode() {
    let place = Hunt {
        seed: 1,
        device: Device::Veth,
        mtu: 1500,
        mode: "native",
        follow_up: true,
    };
    if let Some(report) = hunt("no_frame_is_judged_wrongly_in_native_mode", place) {
        every_feature_was_there(&report, true);
    }
}

#[test]
fn no_frame_is_judged_wrongly_in_generic_mode() {
    let place = Hunt {
        seed: 2,
        device: Device::Veth,
        mtu: 1500,
        mode: "generic",
        follow_up: true,
    };
    if let Some(report) = hunt("no_frame_is_judged_wrongly_in_generic_mode", place) {
        every_feature_was_there(&report, true);
    }
}

#[test]
fn no_jumbo_frame_is_judged_wrongly() {
    let test = "no_jumbo_frame_is_judged_wrongly";
    if kernel_version() < FRAGS {
        return skip(
            test,
            "this kernel has no programs for frames in several buffers (5.18)",
        );
    }
    let place = Hunt {
        seed: 3,
        device: Device::Veth,
        mtu: 9000,
        mode: "native",
        follow_up: true,
    };
    if let Some(report) = hunt(test, place) {
        every_feature_was_there(&report, true);
    }
}

#[test]
fn no_packet_is_judged_wrongly_without_a_link_layer() {
    let test = "no_packet_is_judged_wrongly_without_a_link_layer";
    let Some(lab) = Lab::or_skip(test) else {
        return;
    };
    if Tun::new(&lab.host().expect("a host"), "tun0").is_err() {
        return skip(test, "tun devices cannot be made here (/dev/net/tun)");
    }
    let place = Hunt {
        seed: 4,
        device: Device::Tun,
        mtu: 1500,
        mode: "generic",
        follow_up: true,
    };
    if let Some(report) = hunt(test, place) {
        every_feature_was_there(&report, false);
    }
}
