//! List files as ipset saves them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rpcguard_fuzz::ipset_list(bytes));
