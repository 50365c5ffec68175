//! Kinds of interfaces that most machines that build this do not have: real drivers, VLANs, bonds,
//! guests behind bridges. `cargo xtask vm` runs these tests in virtual machines, on several kernels.
//!
//! What is asked for is what real sockets say: allowed sources get their answers, others do not, and
//! the counters say so.

mod adopt;
mod bond;
mod bridge;
mod btf;
mod drivers;
mod jumbo;
mod layer3;
mod refusals;
mod town;
mod vlan;
