//! The arithmetic of limits and samples.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rpcguard_fuzz::limits(bytes));
