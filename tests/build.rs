//! Builds the BPF programs of the lab and embeds them.

use std::process::ExitCode;

fn main() -> ExitCode {
    match rpcguard_ebpf::build::embed("lab") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}
