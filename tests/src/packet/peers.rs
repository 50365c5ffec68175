//! The hosts of the packet tests, in the address space for documentation (RFC 5737, RFC 3849).

use std::net::{Ipv4Addr, Ipv6Addr};

/// The guarded host's MAC address.
pub const HOST_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
/// Where every frame comes from.
pub const PEER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];
/// To all hosts of the link.
pub const BROADCAST_MAC: [u8; 6] = [0xff; 6];
/// To the IPv4 group 224.0.0.1.
pub const MULTICAST_MAC: [u8; 6] = [0x01, 0x00, 0x5e, 0, 0, 1];
/// To the IPv6 group ff02::1.
pub const MULTICAST_MAC_V6: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

/// The guarded host.
pub const HOST_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// The guarded host.
pub const HOST_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// Prefixes that the packet tests allow unless they say otherwise.
pub const ALLOW: [&str; 2] = ["192.0.2.0/24", "2001:db8:a::/48"];
/// Prefixes that the packet tests deny unless they say otherwise; inside those of [`ALLOW`].
pub const DENY: [&str; 2] = ["192.0.2.64/26", "2001:db8:a:66::/64"];

/// Allowed by [`ALLOW`].
pub const FRIEND_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// Allowed by [`ALLOW`].
pub const FRIEND_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x10);
/// Denied by [`DENY`].
pub const FOE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 66);
/// Denied by [`DENY`].
pub const FOE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0x66, 0, 0, 0, 0x66);
/// In no list.
pub const STRANGER_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// In no list.
pub const STRANGER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, 7);
