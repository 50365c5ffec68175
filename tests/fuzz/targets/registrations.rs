//! The reader of lists of registrations.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rpcguard_fuzz::registrations(bytes));
