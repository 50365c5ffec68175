//! `rpcguard disable` on real init systems, with the real rpcbind: what was disabled stays so when the
//! system is booted again, and is as it was before after `--undo`.

mod container;
mod needs;
mod openrc;
mod process;
mod readme;
mod shut;
mod systemd;
mod sysv;
