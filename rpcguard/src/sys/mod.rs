//! What the kernel offers and no crate wraps: the only place with raw system calls.

pub(crate) mod bpf;
pub(crate) mod ethtool;
pub(crate) mod icmp;
pub(crate) mod link_changes;
pub(crate) mod mapped;
pub(crate) mod netlink;
pub(crate) mod own_firewall;
pub(crate) mod packets;
pub(crate) mod random;
pub(crate) mod unix_socket;
pub(crate) mod unix_sockets;
