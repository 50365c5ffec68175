//! How the BPF object is built. The program itself is the binary of this package, `main.rs`.

#![cfg_attr(target_arch = "bpf", no_std)]

#[cfg(not(target_arch = "bpf"))]
pub mod build;
