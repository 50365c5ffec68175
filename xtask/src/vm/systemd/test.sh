# The tests of one boot, and then the next boot. What they print goes to the second serial port.

stty -F /dev/ttyS1 raw -echo
exec </dev/null >/dev/ttyS1 2>&1
boots=/var/lib/boots
boot=$(($(cat "$boots" 2>/dev/null || echo 0) + 1))
echo "$boot" >"$boots"
sync
echo "@@ KERNEL $(uname -r)"
export RPCGUARD_BOOT="$boot" RPCGUARD_BIN=/run/rpcguard/rpcguard RUST_BACKTRACE=1
# What is to be done at this boot, then what leaves everything as it was, and then the package, for the next one.
for part in disable:systemd::boot disable:systemd::then packages:boot::boot; do
    program=${part%%:*}
    echo "@@ RUN $program"
    begun=$(cut -d ' ' -f 1 /proc/uptime)
    timeout -s KILL 900 "/run/rpcguard/$program" "${part#*:}_$boot" --test-threads=1
    code=$?
    echo "@@ END $program $code $begun $(cut -d ' ' -f 1 /proc/uptime)"
    [ "$code" = 0 ] || break
done
if [ "$code" = 0 ] && [ "$boot" -lt 3 ]; then
    systemctl --no-block start reboot.target
else
    # A boot that has failed says so itself, and the next ones would find what it has left.
    echo "@@ DONE"
    systemctl poweroff -ff
fi
