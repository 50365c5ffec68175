//! Builds the BPF object and embeds it.

use std::process::ExitCode;

fn main() -> ExitCode {
    match rpcguard_ebpf::build::embed("rpcguard") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}
