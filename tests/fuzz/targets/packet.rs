//! The parser and the whole decision.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rpcguard_fuzz::packet(bytes));
