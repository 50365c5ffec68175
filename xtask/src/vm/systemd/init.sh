#!/bin/busybox sh
# Mounts the disk, puts what is tested into /run, where a test of it is started by systemd, and goes on to
# systemd.

/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in /modules/*; do
    case $module in
    # It makes an interface by itself otherwise.
    *-bonding.ko) insmod "$module" max_bonds=0 ;;
    *) insmod "$module" ;;
    esac || echo "@@ FAILED to load $module" >/dev/ttyS1
done
mount -t tmpfs -o mode=755 tmpfs /run
cp -r /rpcguard /run
# Has what the disk lacks: ip.
cp /bin/busybox /run/rpcguard
wanted=/run/systemd/system/multi-user.target.wants
mkdir -p "$wanted"
cp /rpcguard-test.service /run/systemd/system
ln -s ../rpcguard-test.service "$wanted"
mount -t ext4 /dev/vda /disk || echo "@@ FAILED to mount the disk" >/dev/ttyS1
for directory in dev proc run sys; do
    mount --move "/$directory" "/disk/$directory"
done
exec switch_root /disk /sbin/init
