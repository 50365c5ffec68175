//! The lab that rpcguard is tested in, and the shapes of packets.

pub mod kernel;
pub mod lab;
pub mod packet;
