#!/bin/sh
# bare.sh [run|test] [FOLDER] - proves deploy/run.sh, or test/run.sh, on a Debian 12 that has nothing else.
#
# Makes a tree with debootstrap (kept in FOLDER and used again; default: a temporary one), copies this checkout into it
# without build, and runs the script in a chroot with its own mounts. Needs root, debootstrap, and the network for
# apt. `run` takes about two minutes, `test` half an hour. Ends with the script's status.
set -eu
what=${1:-run}
tree=$(cd "$(dirname "$0")/.." && pwd)
if [ $# -gt 1 ]; then
    mkdir -p "$2"
    base=$(cd "$2" && pwd)
else
    base=$(mktemp -d)
    trap 'rm -rf "$base"' EXIT
fi
bare=$base/bare
port=${NV_PORT:-$((20000 + $$ % 10000))}

[ -x "$bare/bin/sh" ] || debootstrap --variant=minbase bookworm "$bare" "${NV_MIRROR:-http://deb.debian.org/debian}" >"$base/debootstrap.log"
cp /etc/resolv.conf "$bare/etc/resolv.conf"
for f in /etc/apt/apt.conf.d/*proxy*; do
    [ ! -e "$f" ] || cp "$f" "$bare/etc/apt/apt.conf.d/"
done
[ -e "$bare/etc/hosts" ] || echo '127.0.0.1 localhost' >"$bare/etc/hosts" # which an installed Debian has
rm -rf "$bare/src"
mkdir "$bare/src"
tar -C "$tree" --exclude=./build -cf - . | tar -C "$bare/src" -xf -

case $what in
run)
    cat >"$bare/inside.sh" <<'INSIDE'
set -eu
cd /src
sh deploy/run.sh --web.listen-address="127.0.0.1:$1" &
agent=$!
trap 'kill $agent 2>/dev/null || :' EXIT
for i in $(seq 600); do
    [ -x build/nodevitals ] && bash -c "exec 3<>/dev/tcp/127.0.0.1/$1" 2>/dev/null && break
    kill -0 "$agent"
    sleep 1
done
answer=$(bash -c "exec 3<>/dev/tcp/127.0.0.1/$1; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3; cat <&3")
echo "$answer" | grep '^node_exporter_build_info'
kill "$agent"
wait "$agent"
trap - EXIT
echo "built and started; now it only starts:"
sh deploy/run.sh --version
INSIDE
    ;;
test)
    echo 'cd /src && exec sh test/run.sh' >"$bare/inside.sh"
    ;;
*)
    echo "usage: bare.sh [run|test] [FOLDER]" >&2
    exit 2
    ;;
esac

status=0
unshare -m --propagation private sh -c '
    mount --bind "$1" "$1" # a root that is no mount point cannot be unshared
    mount -t proc proc "$1/proc"
    mount --rbind /sys "$1/sys" # with its cgroups, for the container of test/e2e
    mount --rbind /dev "$1/dev"
    exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root sh /inside.sh "$2"
' sh "$bare" "$port" </dev/null || status=$?
echo "bare.sh $what: status $status"
exit "$status"
