//! `rpcguard disable` on real init systems, with the real rpcbind: what was disabled stays so when the
//! system is booted again, and is as it was before after `--undo`.

mod by_hand;
mod container;
mod holders;
mod needs;
mod openrc;
mod process;
mod readme;
mod shut;
mod strangers;
mod supervised;
mod systemd;
mod sysv;
