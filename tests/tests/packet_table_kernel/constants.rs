//! Constants that are set before the program is verified.

use rpcguard_common::parse::LinkLayer;
use rpcguard_tests::kernel::{Kernel, Load, Program};

/// Bytes of instructions that the kernel keeps, with logging up to a level.
fn size(link: LinkLayer, level: u8, program: Program) -> u32 {
    let load = Load {
        log_level: level,
        ..link.into()
    };
    let kernel = Kernel::load(load).unwrap();
    kernel.translated_size(program).unwrap()
}

#[test]
fn logging_that_is_off_is_not_in_the_program() {
    const TEST: &str = "logging_that_is_off_is_not_in_the_program";
    let Some(kernel) = Kernel::load_or_skip(TEST, LinkLayer::Ethernet) else {
        return;
    };
    for program in kernel.programs().iter().copied() {
        let size = |level| size(LinkLayer::Ethernet, level, program);
        // The levels of the log crate.
        let [off, warn, info, debug, trace] = [0, 2, 3, 4, 5].map(size);
        println!("{program:?}: {off} bytes, logging drops {info}, logging all {debug}");
        // Drops are logged as info, passes as debug, and nothing as anything else.
        assert!(off == warn && warn < info && info < debug && debug == trace);
    }
}

#[test]
fn only_the_code_for_the_link_layer_is_in_the_program() {
    const TEST: &str = "only_the_code_for_the_link_layer_is_in_the_program";
    let Some(kernel) = Kernel::load_or_skip(TEST, LinkLayer::Ethernet) else {
        return;
    };
    for program in kernel.programs().iter().copied() {
        let [ethernet, none] =
            [LinkLayer::Ethernet, LinkLayer::None].map(|link| size(link, 0, program));
        println!("{program:?}: {ethernet} bytes for Ethernet, {none} without link layer");
        assert!(none < ethernet);
    }
}

#[test]
fn the_rate_policy_is_not_in_a_program_whose_maps_it_does_not_have() {
    const TEST: &str = "the_rate_policy_is_not_in_a_program_whose_maps_it_does_not_have";
    let without = Load {
        limiter: false,
        ..LinkLayer::Ethernet.into()
    };
    let Some(without) = Kernel::load_or_skip(TEST, without) else {
        return;
    };
    let with = Kernel::load(LinkLayer::Ethernet).unwrap();
    for program in with.programs().iter().copied() {
        let [with, without] =
            [&with, &without].map(|kernel| kernel.translated_size(program).unwrap());
        println!("{program:?}: {with} bytes with the rate policy, {without} without");
        assert!(without + 1000 < with);
    }
}
