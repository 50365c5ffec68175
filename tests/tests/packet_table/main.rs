//! One table of packets, and everybody who must agree on it: the decision core on the host, and
//! both programs in the kernel, case by case, in action, counters, requests and hits.

mod case;
mod cases;
mod linux;
mod observation;
mod trains;

use std::collections::HashSet;

use rpcguard_common::parse::LinkLayer;
use rpcguard_tests::kernel::{FIRST_BUFFER, Kernel, Load, MIN_FRAME, Program};

use case::Case;
use observation::Observation;

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names = HashSet::new();
    for case in cases::all() {
        assert!(names.insert(case.name.clone()), "{}", case.name);
    }
    assert!(names.len() >= 150, "only {} cases", names.len());
}

#[test]
fn the_core_decides_every_case_on_the_host() {
    let cases = cases::all();
    let wrong = cases.iter().filter_map(|case| {
        let observed = Observation::on_host(case);
        complaint(case, &observed)
    });
    conclude("host core", cases.len(), &wrong.collect::<Vec<_>>());
}

#[test]
fn the_program_for_single_buffers_decides_every_case_in_the_kernel() {
    const TEST: &str = "the_program_for_single_buffers_decides_every_case_in_the_kernel";
    in_the_kernel(TEST, Program::Linear, true, |case| {
        (MIN_FRAME..=FIRST_BUFFER).contains(&case.frame.len())
    });
}

#[test]
fn the_program_for_several_buffers_decides_every_case_in_the_kernel() {
    const TEST: &str = "the_program_for_several_buffers_decides_every_case_in_the_kernel";
    in_the_kernel(TEST, Program::Frags, true, |case| {
        case.frame.len() >= MIN_FRAME
    });
}

/// The property that is fuzzed: under every policy, the core decides as a slow reader of the standards
/// does.
#[test]
fn a_slow_reader_decides_every_case_as_the_core_does() {
    for case in cases::all() {
        // Shown if it fails.
        println!("{}", case.name);
        rpcguard_fuzz::packet(&case.frame);
    }
}

/// As most guards are loaded, which have never had a rate policy.
#[test]
fn a_program_without_the_limiter_decides_every_other_case_in_the_kernel() {
    const TEST: &str = "a_program_without_the_limiter_decides_every_other_case_in_the_kernel";
    in_the_kernel(TEST, Program::Linear, false, |case| {
        (MIN_FRAME..=FIRST_BUFFER).contains(&case.frame.len()) && case.setup.rate.is_none()
    });
    in_the_kernel(TEST, Program::Frags, false, |case| {
        case.frame.len() >= MIN_FRAME && case.setup.rate.is_none()
    });
}

/// Shows each case that fits to the program; the others are for the host, or for another program.
fn in_the_kernel(test: &str, program: Program, limiter: bool, fits: impl Fn(&Case) -> bool) {
    let (cases, others): (Vec<_>, Vec<_>) = cases::all().into_iter().partition(fits);
    // The others are for the program with the limiter, which says what it leaves to the host.
    for case in others.iter().filter(|_| limiter) {
        println!(
            "host only, {} bytes are not for {program:?}: {}",
            case.frame.len(),
            case.name
        );
    }
    let mut wrong = Vec::new();
    for link in [LinkLayer::Ethernet, LinkLayer::None] {
        let load = Load {
            limiter,
            ..link.into()
        };
        let Some(mut kernel) = Kernel::load_or_skip(test, load) else {
            return;
        };
        if !kernel.has_or_skip(program, test) {
            return;
        }
        for case in cases.iter().filter(|case| case.setup.link == link) {
            let observed = Observation::in_kernel(&mut kernel, program, case)
                .unwrap_or_else(|error| panic!("{}: {error:#}", case.name));
            wrong.extend(complaint(case, &observed));
        }
    }
    conclude(&format!("{program:?} in the kernel"), cases.len(), &wrong);
}

/// What is wrong with a case, if anything.
fn complaint(case: &Case, observed: &Observation) -> Option<String> {
    let expected = Observation::expected(case);
    (*observed != expected).then(|| {
        let start = &case.frame[..case.frame.len().min(80)];
        format!(
            "{}\n    expected {expected}\n    observed {observed}\n    {} bytes: {start:02x?}",
            case.name,
            case.frame.len(),
        )
    })
}

fn conclude(who: &str, cases: usize, wrong: &[String]) {
    println!("{who}: {cases} cases");
    assert!(
        wrong.is_empty(),
        "{who}: {} of {cases} cases failed:\n  {}",
        wrong.len(),
        wrong.join("\n  ")
    );
}
