#!/bin/sh
# A whole machine under QEMU, with what no container has: md, NFS on both sides, sensors, NUMA, cgroup v2 with all its
# controllers, bonding, IPVS, wifi, a watchdog, multipath. Debian's prometheus-node-exporter runs beside the agent, and
# what both know must be the same; for the rest the kernel's own files are asked. See qemu/run.sh.
#
# Run by hand, as root: two and a half minutes, and two more the first time (qemu/build.sh). Usage:
#
#     apt-get install qemu-system-x86 busybox-static cpio kmod debootstrap
#     test/e2e/machine.sh [AGENT]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=${NV_SOURCE:-$(dirname "$(dirname "$here")")}
nodevitals=${1:-${NODEVITALS:-$source/build/nodevitals}}
export LC_ALL=C
export NV_CACHE="${NV_CACHE:-${NV_BUILD:-/var/tmp/nodevitals}/cache}"

for program in qemu-system-x86_64 cpio depmod debootstrap mkfs.ext4; do
    command -v "$program" >/dev/null || {
        echo "SKIP: $program is not installed"
        exit 77
    }
done
[ "$(id -u)" -eq 0 ] || {
    echo "SKIP: only root can make the machine"
    exit 77
}
folder=$NV_CACHE/machine
stamp=$(cat "$here/qemu/build.sh" "$here/nspawn/tree.sh" | cksum)
if [ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ]; then
    sh "$here/qemu/build.sh" "$folder"
    echo "$stamp" >"$folder/stamp"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/lib"
cp "$nodevitals" "$work/nodevitals"
cp "$here/qemu/run.sh" "$source/deploy/rules/node.yml" "$work/"
chmod 755 "$work" "$work/nodevitals" "$work/run.sh"
ldd "$nodevitals" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
    grep -Ev '/(libc|libm|libpthread|libdl|librt)\.so' | xargs -r -I{} cp -L {} "$work/lib/"
status=0
sh "$here/qemu/boot.sh" "$folder" "$work" || status=$?
cat "$work/log" 2>/dev/null || tail -n 30 "$work/console"
[ -n "${NV_KEEP:-}" ] && cp -a "$work/." "$NV_KEEP/"
python3 "$here/qemu/compare.py" "$work" || status=1
exit $status
