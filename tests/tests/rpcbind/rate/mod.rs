//! The rate policy in front of the real rpcbind: whom and what it serves.

mod abuse;
mod changes;
mod clients;
mod procedures;
mod town;
