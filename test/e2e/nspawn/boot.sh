#!/bin/sh
# boot.sh TREE OUT SECONDS: boots a copy-on-write Debian of TREE in systemd-nspawn, runs OUT/run.sh as a service in
# it, and ends with that service's status. OUT is /out inside; OUT/log has the script's output, OUT/console the boot's.
#
# No bus of the machine is asked for anything (--register=no --keep-unit), so that it works where process 1 is not
# systemd. Where the machine has its cgroups in the v1 or hybrid form the container gets groups of its own in the
# named and the unified hierarchy, which go again at the end. NSPAWN_OPTIONS, in the environment, are further options.
set -eu
TREE=$(realpath "$1") OUT=$(realpath "$2") SECONDS_MAX=$3 GROUP=nodevitals-e2e-$$
export TREE OUT GROUP

cat >"$OUT/e2e.service" <<'E'
[Unit]
Description=The end-to-end test
After=multi-user.target
SuccessAction=exit
FailureAction=exit
[Service]
Type=exec
ExecStart=/out/run.sh
StandardOutput=truncate:/out/log
StandardError=inherit
E

status=0
timeout "$SECONDS_MAX" unshare -m --propagation private sh -c '
for hierarchy in systemd unified; do
    [ -d /sys/fs/cgroup/$hierarchy ] || continue
    mkdir /sys/fs/cgroup/$hierarchy/$GROUP && echo $$ >/sys/fs/cgroup/$hierarchy/$GROUP/cgroup.procs
done
SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 exec systemd-nspawn -q -D "$TREE" -M "$GROUP" --register=no --keep-unit \
    --private-network --volatile=overlay --console=pipe --bind="$OUT":/out ${NSPAWN_OPTIONS:-} \
    --bind-ro="$OUT"/e2e.service:/etc/systemd/system/e2e.service -b systemd.wants=e2e.service
' </dev/null >"$OUT/console" 2>&1 || status=$?
for hierarchy in systemd unified; do
    [ -d "/sys/fs/cgroup/$hierarchy/$GROUP" ] || continue
    find "/sys/fs/cgroup/$hierarchy/$GROUP" -depth -type d -exec rmdir {} \; 2>/dev/null || :
done
exit $status
