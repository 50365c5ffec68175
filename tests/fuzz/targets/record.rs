//! The reader of records on a connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rpcguard_fuzz::record(bytes));
