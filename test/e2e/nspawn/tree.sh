#!/bin/sh
# tree.sh [NAME PACKAGE...]: makes the Debian that the end-to-end tests boot, once, and prints its folder; with NAME a copy
# of it with more packages. It is kept below NV_CACHE, or below the build folder; a minute and 250 MB. Status 77 with a reason
# where it cannot be made.
set -eu
skip() {
    echo "SKIP: $1" >&2
    exit 77
}

suite=$(. /etc/os-release && [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-}" || :)
suite=${suite:-bookworm}
cache=${NV_CACHE:-${NV_BUILD:-/var/tmp/nodevitals}/cache}
tree=$cache/systemd-$suite
mkdir -p "$cache"
exec 9>"$cache/lock" # tests run beside each other
flock 9
packages=systemd-sysv,dbus,libpam-systemd,libnss-systemd,procps,curl
if [ "$(cat "$tree.packages" 2>/dev/null)" != "$packages" ]; then
    command -v debootstrap >/dev/null || skip "debootstrap is not installed"
    new=$(mktemp -d "$cache/new-XXXXXX")
    if ! debootstrap --variant=minbase --include="$packages" "$suite" "$new" \
        >"$cache/debootstrap.log" 2>&1; then
        rm -rf "$new"
        skip "debootstrap failed: $(tail -n 1 "$cache/debootstrap.log")"
    fi
    chmod 755 "$new"
    rm -rf "$tree" "$tree.packages"
    mv "$new" "$tree"
    echo "$packages" >"$tree.packages"
fi
if [ $# -gt 0 ]; then
    base=$tree tree=$cache/$1-$suite packages=$(shift && echo "$*")
    if [ "$(cat "$tree.packages" 2>/dev/null)" != "$packages" ] || [ "$base.packages" -nt "$tree.packages" ]; then
        rm -rf "$tree" "$tree.packages"
        cp -a "$base" "$tree"
        cp -L /etc/resolv.conf "$tree/etc/"
        for f in /etc/apt/apt.conf.d/*proxy*; do
            [ ! -e "$f" ] || cp "$f" "$tree/etc/apt/apt.conf.d/"
        done
        # shellcheck disable=SC2016 # for the inner shell
        unshare -m --propagation private sh -c 'mount -t proc proc "$1/proc" && exec chroot "$1" sh -c "
            apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends $2"' \
            sh "$tree" "$packages" </dev/null >"$cache/$1.log" 2>&1 || {
            rm -rf "$tree"
            skip "apt-get failed: $(tail -n 1 "$cache/$1.log")"
        }
        echo "$packages" >"$tree.packages"
    fi
fi
echo "$tree"
