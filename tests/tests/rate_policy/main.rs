//! The rate policy in the kernel, in real time: limits are kept to within a few percent, whatever is
//! offered, by how many sources and on how many CPUs. Every test prints what it measured.

mod alone;
mod bench;
mod cpus;
mod live;
mod many;
