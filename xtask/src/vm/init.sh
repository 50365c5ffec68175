#!/bin/busybox sh
# The first process of a virtual machine: prepares it, runs the test programs, and ends it. What they
# print goes to the second serial port, and the kernel's messages to the first.

/bin/busybox --install -s /bin
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ TMPDIR=/tmp
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t bpf bpf /sys/fs/bpf
mkdir /dev/shm
stty -F /dev/ttyS1 raw -echo
exec </dev/null >/dev/ttyS1 2>&1

for module in /modules/*; do
    case $module in
    # It makes an interface by itself otherwise.
    *-bonding.ko) insmod "$module" max_bonds=0 ;;
    *) insmod "$module" ;;
    esac || echo "@@ FAILED to load $module"
done
ip link set lo up
echo "@@ KERNEL $(uname -r)"

export RPCGUARD_BIN=/tests/rpcguard RPCGUARD_SKIPPED=/tmp/skipped RUST_BACKTRACE=1
: >"$RPCGUARD_SKIPPED"
# Each line: a limit in seconds, a program, and its arguments.
while read -r limit program arguments; do
    echo "@@ RUN $program"
    begun=$(cut -d ' ' -f 1 /proc/uptime)
    # shellcheck disable=SC2086 # These are words.
    timeout -s KILL "$limit" env $(cat /tests/environment) "/tests/$program" $arguments
    echo "@@ END $program $? $begun $(cut -d ' ' -f 1 /proc/uptime)"
done </tests/list
sed 's/^/@@ /' "$RPCGUARD_SKIPPED"
[ ! -e /tmp/recorded ] || sed 's/^/@@ RECORDED /' /tmp/recorded
echo "@@ DONE"
poweroff -f
