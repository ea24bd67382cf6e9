#!/bin/sh
# The collector of the journal in a booted Debian, over systemd's own journal: what fails counts, once, over restarts of the
# agent, rotation and vacuuming; what others only claim does not. See nspawn/journal.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=${NV_SOURCE:-$(dirname "$(dirname "$here")")}
nodevitals=${NODEVITALS:-$source/build/nodevitals}
export LC_ALL=C

skip() {
    echo "SKIP: $1"
    exit 77
}
[ "$(id -u)" -eq 0 ] || skip "only root can start a container"
command -v systemd-nspawn >/dev/null || skip "systemd-nspawn (package systemd-container) is not installed"
unshare -m --propagation private true 2>/dev/null || skip "no mount namespaces here"
tree=$(sh "$here/nspawn/tree.sh" 2>&1) || {
    echo "$tree"
    exit 77
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir "$work/lib"
install -m 755 "$nodevitals" "$work/nodevitals"
install -m 755 "$here/nspawn/journal.sh" "$work/run.sh"
cp "$here/nspawn/check.sh" "$work/"
# The libraries of the program, but not the C library: that is the tree's own.
ldd "$nodevitals" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
    grep -Ev '/(libc|libm|libpthread|libdl|librt)\.so' | xargs -r -I{} cp -L {} "$work/lib/"

status=0
sh "$here/nspawn/boot.sh" "$tree" "$work" 200 || status=$?
cat "$work/log" 2>/dev/null || :
if [ ! -s "$work/log" ]; then
    tail -n 20 "$work/console"
    skip "the container does not boot here (status $status)"
fi
exit $status
