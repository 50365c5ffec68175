//! x
fn main() {
    println!(
        "{:?}",
        rpcguard_ebpf::build::build(rpcguard_ebpf::build::Flavour::Portable)
    );
}
