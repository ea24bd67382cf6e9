#!/bin/sh
# test_full_disk_alert.sh - a file system that is filled raises the alert of deploy/rules/node.yml, hurried; emptied, the
# alert is over. Runs in namespaces of its own, in which we are process 1, whose mounts the collector reads.
set -eu

skip() { echo "SKIP: $1"; exit 77; }

if [ "${1:-}" != inside ]; then
    [ "$(id -u)" = 0 ] || skip "needs root"
    command -v mkfs.ext4 >/dev/null || skip "needs e2fsprogs"
    command -v curl >/dev/null || skip "needs curl"
    losetup -f >/dev/null 2>&1 || skip "no loop devices"
    NV_FOLDER=$(mktemp -d)
    export NV_FOLDER
    trap 'rm -rf "$NV_FOLDER"' EXIT
    unshare -mp --fork --mount-proc --propagation private sh "$0" inside
    exit
fi

cd "$NV_FOLDER"
mkdir mounted
truncate -s 40M disk
LOOP=$(losetup -f --show disk)
trap 'umount mounted 2>/dev/null || true; losetup -d "$LOOP"' EXIT
mkfs.ext4 -q -m 0 "$LOOP"
mount "$LOOP" mounted

sed 's/interval: .*/interval: 1s/; s/for: .*/for: 1s/' "$NV_SOURCE/deploy/rules/node.yml" >rules.yml
echo 'rule_files: [rules.yml]' >config.yml
"$NODEVITALS" --web.listen-address="unix:$PWD/agent.sock" --config.file=config.yml --storage.tsdb.path=history \
    --storage.tsdb.interval=1s 2>log &
AGENT=$!
trap 'kill $AGENT 2>/dev/null; wait $AGENT || true; umount mounted 2>/dev/null || true; losetup -d "$LOOP"' EXIT

alerts() { curl -sS --max-time 20 --unix-socket agent.sock http://localhost/api/v1/alerts 2>/dev/null || true; }
is_up() { alerts | grep -q '"status":"success"'; }
is_firing() {
    alerts | tr '{' '\n' | grep '"alertname":"FilesystemAlmostFull"' | grep -q "\"mountpoint\":\"$PWD/mounted\""
}
is_over() { is_up && ! is_firing; }
until_true() {
    tries=600
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { echo "FAIL: not in time: $*"; alerts; cat log; exit 1; }
        sleep 0.1
    done
}

until_true is_up
dd if=/dev/zero of=mounted/fill bs=1M 2>/dev/null || true
until_true is_firing
rm mounted/fill
until_true is_over
echo "the alert came with the last megabyte and went with the file"
