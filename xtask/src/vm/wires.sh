#!/bin/sh
# Makes the other ends of network cards that need more than QEMU's own wires, and becomes the command
# that is given. It runs in a network namespace of its own, which goes with that command.
set -eu
PATH=$PATH:/usr/sbin:/sbin
# Nothing of this machine's own is to be on the wire.
for all in all default; do
    echo 1 >/proc/sys/net/ipv6/conf/$all/disable_ipv6
done
ip link add wire type bridge forward_delay 0 stp_state 0 mcast_snooping 0
ip link set wire up
for end in queues0 queues1; do
    ip tuntap add dev $end mode tap multi_queue vnet_hdr
    ip link set $end master wire up
done
ip tuntap add dev offload mode tap vnet_hdr
ip link set offload up
exec "$@"
