//! List files, a prefix a line.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rpcguard_fuzz::plain_list(bytes));
