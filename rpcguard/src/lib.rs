//! Guards a portmapper in the kernel: attaches an XDP filter to network interfaces, and manages its
//! prefixes, settings and counters.

pub mod object;
pub mod prefix;
