//! List files as nft prints them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rpcguard_fuzz::nft_list(bytes));
