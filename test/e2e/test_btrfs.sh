#!/bin/sh
# test_btrfs.sh - a btrfs of two devices, mounted: what ioctl(2) tells is exposed, and equals what
# node_exporter makes of it where that is installed. Runs in namespaces of its own, in which we are process 1,
# whose mounts the collector reads.
set -eu

skip() { echo "SKIP: $1"; exit 77; }

if [ "${1:-}" != inside ]; then
    [ "$(id -u)" = 0 ] || skip "needs root"
    command -v mkfs.btrfs >/dev/null || skip "needs btrfs-progs"
    grep -q btrfs /proc/filesystems || skip "the kernel lacks btrfs"
    losetup -f >/dev/null 2>&1 || skip "no loop devices"
    NV_FOLDER=$(mktemp -d)
    export NV_FOLDER
    trap 'rm -rf "$NV_FOLDER"' EXIT
    unshare -mp --fork --mount-proc --propagation private sh "$0" inside
    exit
fi

cd "$NV_FOLDER"
mkdir mounted
truncate -s 300M one two
ONE=$(losetup -f --show one)
trap 'losetup -d "$ONE"' EXIT
TWO=$(losetup -f --show two)
trap 'umount mounted 2>/dev/null || true; losetup -d "$ONE" "$TWO"' EXIT
mkfs.btrfs -q -f -L label -m raid1 -d single "$ONE" "$TWO" >/dev/null 2>&1
btrfs device scan "$ONE" "$TWO" >/dev/null
mount "$ONE" mounted

"$NODEVITALS" collect --collector.disable-defaults --collector.btrfs 2>log | grep '^node_btrfs_' | sort >ours
for type in write read flush corruption generation; do
    n=$(grep -c "^node_btrfs_device_errors_total{btrfs_dev_uuid=\"[0-9a-f-]*\",device=\"loop.*type=\"$type\"" ours)
    [ "$n" = 2 ] || { echo "FAIL: $n devices have errors of type $type"; cat ours log; exit 1; }
done
[ "$(grep '^node_btrfs_device_size_bytes{' ours | grep -c 'btrfs_dev_uuid.* 3.145728e+08$')" = 2 ] ||
    { echo "FAIL: the sizes are not those of the devices"; cat ours; exit 1; }
[ "$(grep -c '^node_btrfs_device_unused_bytes{' ours)" = 2 ] ||
    { echo "FAIL: unused bytes are missing"; cat ours; exit 1; }

command -v prometheus-node-exporter >/dev/null && command -v curl >/dev/null || exit 0
prometheus-node-exporter --web.listen-address=127.0.0.1:19176 --collector.disable-defaults \
    --collector.btrfs >/dev/null 2>&1 &
PEER=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
    curl -s 127.0.0.1:19176/metrics >page && break
    sleep 0.3
done
kill $PEER
wait $PEER || true
grep '^node_btrfs_' page | sort >theirs
# What newer releases of node_exporter added is not in every peer.
grep -v commit ours >ours-common
grep -v commit theirs | diff - ours-common || { echo "FAIL: we and node_exporter differ"; exit 1; }
