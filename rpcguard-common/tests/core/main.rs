//! The decision core, through its public interface: properties, exhaustive fields, layouts.

mod any_bytes;
mod fields;
mod layouts;
mod shapes;
mod tables;
