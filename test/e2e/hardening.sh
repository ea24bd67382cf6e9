#!/bin/sh
# What each line of hardening costs: a pass of all collectors under systemd with that line alone, beside one without. The table
# in deploy/README.md was made from this. Run by hand, as root; ten seconds. Usage:
#
#     test/e2e/hardening.sh [AGENT]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=${NV_SOURCE:-$(dirname "$(dirname "$here")")}
nodevitals=${1:-${NODEVITALS:-$source/build/nodevitals}}
tree=$(sh "$here/nspawn/tree.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir "$work/lib"
install -m 755 "$nodevitals" "$work/nodevitals"
install -m 755 "$here/nspawn/hardening.sh" "$work/run.sh"
cp "$source/deploy/sysusers.conf" "$work/"
ldd "$nodevitals" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
    grep -Ev '/(libc|libm|libpthread|libdl|librt)\.so' | xargs -r -I{} cp -L {} "$work/lib/"

# More than a container has by itself, so that what is refused is refused by the line that is tried.
sed 's/--private-network/& --capability=all --system-call-filter=@clock/' "$here/nspawn/boot.sh" >"$work/boot.sh"
status=0
sh "$work/boot.sh" "$tree" "$work" 300 || status=$?
cat "$work/log"
exit $status
