//! The lab that rpcguard is tested in, the sites that it guards there, and the shapes of packets.

pub mod daemon;
pub mod digits;
pub mod hunt;
pub mod interrupt;
pub mod kernel;
pub mod kernel_file;
pub mod lab;
pub mod packet;
pub mod readme;
pub mod release;
pub mod site;
