#!/bin/sh
# What cmake --install puts down; and the Debian package, from cpack to purge, in a booted Debian where node_exporter runs
# already. See nspawn/deb.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=${NV_SOURCE:-$(dirname "$(dirname "$here")")}
build=${NV_BUILD:-$source/build}
export LC_ALL=C

skip() {
    echo "SKIP: $1"
    exit 77
}
for program in cpack dpkg-deb dpkg-shlibdeps; do
    command -v "$program" >/dev/null || skip "$program is not installed"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

DESTDIR=$work/root cmake --install "$build" --prefix /usr/local >"$work/install.log" 2>&1 || {
    cat "$work/install.log"
    exit 1
}
for file in bin/nodevitals include/nodevitals/collector.h lib/systemd/system/nodevitals.service \
    lib/systemd/system/nodevitals.socket lib/sysusers.d/nodevitals.conf share/man/man1/nodevitals.1.gz \
    share/bash-completion/completions/nodevitals share/zsh/site-functions/_nodevitals \
    share/fish/vendor_completions.d/nodevitals.fish share/nodevitals/rules/node.yml share/nodevitals/grafana/node.json \
    share/doc/nodevitals/README.md share/doc/nodevitals/LICENSE share/doc/nodevitals/examples/nodevitals.yml \
    share/doc/nodevitals/examples/drop-ins/kmsg.conf; do
    [ -s "$work/root/usr/local/$file" ] || { echo "not installed: $file"; exit 1; }
done
[ "$(ls "$work/root")" = usr ] || { echo "installed outside its prefix: $(ls "$work/root")"; exit 1; }
gzip -dc "$work/root/usr/local/share/man/man1/nodevitals.1.gz" >"$work/nodevitals.1"
for flag in $("$build/nodevitals" --completion-bash --collector.f); do # roff's minus is \-
    grep -qF -- "$(echo "${flag#--}" | sed 's/-/\\-/g')" "$work/nodevitals.1" || { echo "not in the manual: $flag"; exit 1; }
done
if command -v mandoc >/dev/null; then
    mandoc -T lint -W warning "$work/nodevitals.1"
fi
if command -v groff >/dev/null; then
    groff -ww -man -T utf8 "$work/nodevitals.1" 2>&1 >/dev/null | grep . && exit 1
fi
echo "installed below a prefix; the manual page is well formed"

# The package, quickly compressed, and a newer one that differs in its version alone.
(cd "$build" && cpack -G DEB -B "$work/pack" -D CPACK_DEBIAN_COMPRESSION_TYPE=gzip >"$work/cpack.log" 2>&1) || {
    cat "$work/cpack.log"
    exit 1
}
mv "$work"/pack/*.deb "$work/one.deb"
dpkg-deb -R "$work/one.deb" "$work/newer"
sed -i 's/^Version: .*/&.1/' "$work/newer/DEBIAN/control"
dpkg-deb -Zgzip -b "$work/newer" "$work/two.deb" >/dev/null
rm -rf "$work/newer" "$work/pack"

if command -v lintian >/dev/null; then
    # A build for tests has no optimizer and so no fortified functions; nothing else is forgiven.
    lintian --allow-root --fail-on error,warning --suppress-tags hardening-no-fortify-functions "$work/one.deb"
    echo "lintian has nothing to say"
else
    echo "lintian is not installed"
fi

[ "$(id -u)" -eq 0 ] || skip "only root can start a container"
command -v systemd-nspawn >/dev/null || skip "systemd-nspawn (package systemd-container) is not installed"
unshare -m --propagation private true 2>/dev/null || skip "no mount namespaces here"
needed=$(dpkg-deb -f "$work/one.deb" Depends | tr ',' '\n' | sed 's/[(|].*//' | tr -d ' ' | sort | tr '\n' ' ')
# shellcheck disable=SC2086 # a list of words
tree=$(sh "$here/nspawn/tree.sh" deb $needed prometheus-node-exporter 2>&1) || {
    echo "$tree"
    exit 77
}
install -m 755 "$here/nspawn/deb.sh" "$work/run.sh"
cp "$here/nspawn/check.sh" "$source/deploy/nodevitals.yml" "$source/deploy/nodevitals.default" "$work/"

if [ -c /dev/kmsg ]; then # for the drop-in that lets the agent read it
    export NSPAWN_OPTIONS="--bind=/dev/kmsg --capability=CAP_SYSLOG"
fi
status=0
sh "$here/nspawn/boot.sh" "$tree" "$work" 300 || status=$?
cat "$work/log" 2>/dev/null || :
if [ ! -s "$work/log" ]; then
    tail -n 20 "$work/console"
    skip "the container does not boot here (status $status)"
fi
exit $status
