//! The decision core, through its public interface: properties, exhaustive fields, layouts.

mod acquaintance;
mod any_bytes;
mod call;
mod calls;
mod crowd;
mod fields;
mod gcra;
mod layouts;
// Simulates floods, in tables of 50 MB.
#[cfg(not(miri))]
mod limiter;
mod naive_call;
mod sampling;
mod shapes;
mod sightings;
mod tables;
