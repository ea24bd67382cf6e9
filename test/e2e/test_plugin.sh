#!/bin/sh
# A collector built outside the tree, from the public headers alone, is a collector like any other.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=${NV_SOURCE:-$(dirname "$(dirname "$here")")}
nodevitals=${NODEVITALS:-$source/build/nodevitals}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

fail() {
    echo "FAILED: $1"
    cat "$work/out" "$work/err" 2>/dev/null || :
    exit 1
}

# has TEXT: standard output of the last run holds this line; says TEXT: standard error holds this text.
has() { grep -qx "$1" "$work/out" || fail "no line $1"; }
says() { grep -q "$1" "$work/err" || fail "no word of $1"; }

# collect STATUS FLAGS...: runs a pass and checks how it ends.
collect() {
    wanted=$1 status=0
    shift
    "$nodevitals" collect --collector.disable-defaults "$@" >"$work/out" 2>"$work/err" || status=$?
    [ "$status" -eq "$wanted" ] || fail "status $status instead of $wanted: collect $*"
}

# build FOLDER STAMP: the example as FOLDER/uptime.so, from a copy outside the tree.
build() {
    mkdir -p "$work/$1"
    sed "s/NV_ABI_STAMP,/$2,/" "$here/plugin/uptime.c" >"$work/$1/uptime.c"
    ${CC:-cc} -std=gnu17 -Wall -Wextra -Werror -shared -fPIC -DNV_PLUGIN -I "$source/include" \
        "$work/$1/uptime.c" -o "$work/$1/uptime.so"
}

build good NV_ABI_STAMP
collect 0 --collector.plugin-dir="$work/good" --collector.uptime --collector.uptime.idle
has 'node_scrape_collector_success{collector="uptime"} 1'
has '# TYPE example_idle_seconds_total counter'
has 'example_uptime_seconds [0-9.e+]*'
echo "ok: a plugin collects"

collect 0 --collector.plugin-dir="$work/good" --no-collector.uptime --collector.loadavg
if grep -q example_ "$work/out"; then fail "it collects although it is off"; fi
echo "ok: a plugin has a switch and flags of its own"

collect 1 --collector.plugin-dir "$work/good" --collector.uptime.idel
says "did you mean '--collector.uptime.idle'"
echo "ok: its flags are suggested"

build old '.abi = {NV_ABI_MAGIC, NV_ABI_VERSION + 1, sizeof(struct nv_collector)}'
collect 1 --collector.plugin-dir="$work/old"
says 'uptime\.so'
echo "ok: a plugin of another interface is refused by name"

mkdir "$work/text"
echo 'this is no library' >"$work/text/broken.so"
collect 1 --collector.plugin-dir="$work/text"
says 'broken\.so'
echo "ok: what is no plugin is refused by name"

build twice NV_ABI_STAMP
cp "$work/twice/uptime.so" "$work/twice/zz.so"
collect 1 --collector.plugin-dir="$work/twice"
says 'collector.uptime.*twice'
echo "ok: two plugins of one name are refused"

collect 1 --collector.plugin-dir="$work/nowhere"
says 'nowhere'
echo "ok: a missing folder is told"
