#!/bin/sh
# test_top.sh - `nodevitals top` in a terminal (tmux), against the screens in top/: over a node made by top/node.awk and, where
# it is there, the recorded one; then over an agent that goes away and comes back.
#
#   sh test/e2e/test_top.sh --write   writes the screens anew; README.md shows one of them
set -eu
source=${NV_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
nodevitals=${NODEVITALS:-$source/build/nodevitals}
screens=$source/test/e2e/top
write=${1:-}
. "$source/test/e2e/top/terminal.sh"

# same NAME: the screen is the one expected. Lines may still be on their way.
same() {
    file=$screens/$1.txt
    if [ "$write" = --write ]; then
        sleep 2
        capture >"$file"
        return
    fi
    tries=0
    until capture | cmp -s - "$file"; do
        tries=$((tries + 1))
        if [ $tries -ge 100 ]; then
            capture | diff "$file" - || true
            fail "another screen than $1"
        fi
        sleep 0.1
    done
    echo "as expected: $1"
}

# ---- screens, by size

make_store
stores=made
if [ -e "$source/../shared/fixtures/record/node-2s.om.zst" ] && command -v zstd >/dev/null; then
    zstd -dcq --long=27 "$source/../shared/fixtures/record/node-2s.om.zst" >record.om
    "$nodevitals" tsdb import --storage.tsdb.path=record record.om >/dev/null
    stores="made record"
else
    echo "skipped: the recorded node, which is not beside the source tree"
fi
for store in $stores; do
    for size in 20x8 80x40 160x45; do
        open "${size%x*}" "${size#*x}" --storage.tsdb.path="$store"
        await '^CPU'
        same "$store-$size"
        close
    done
done

# ---- keys

open 80 40 --storage.tsdb.path=made
await DiskFillsUp
press Left
await '03:03:55 UTC  past'
same made-past
press '[' ; await '02:58:55 UTC  past'; await 'nothing known'
press n; await '03:03:58 UTC  newest'
press -; await 'span 15m'
press +; await 'span 5m'
press '?'; await 'Left Right'; press '?'; await '^Memory'
press m; await 'Groups by memory'
press t /; await 'Filter: '
press -l nginx; await 'Filter: nginx'
press Enter; await 'Groups by memory, with nginx'
same made-filter
press Escape; await '^Groups by memory  '
press 1 2 3 4 5 6
same made-hidden
close

# ---- the terminal

prefix="env NO_COLOR=1 LC_ALL=C TERM=vt100" open 80 40 --storage.tsdb.path=made
await DiskFillsUp
same made-ascii
terminal resize-window -x 20 -y 8
await '^2026-01-02 03:03:58~$'
terminal resize-window -x 160 -y 45
await 'Groups by CPU'
[ "$(capture | head -n 40 | grep -c 'nvme0n1')" -ge 2 ] || fail "it did not grow again"
close
open 80 24 --storage.tsdb.path=made
await '^CPU'
press C-c
close none
open 80 24 --storage.tsdb.path=made
await '^CPU'
terminal kill-server # the terminal is gone
tries=0
while [ ! -s status ]; do # the shell may be gone with it
    tries=$((tries + 1))
    ! ps -eo args | grep -v grep | grep -q -- "^$nodevitals top --storage.tsdb.path=made" && break
    [ $tries -lt 300 ] || fail "outlives its terminal"
    sleep 0.1
done

# ---- pipes

"$nodevitals" top --once --storage.tsdb.path=made --width=80 >once
sed -n '3,$p' once | grep -q '^Groups by CPU' || fail "--once shows no groups"
[ "$(LC_ALL=C "$nodevitals" top --once --storage.tsdb.path=made | LC_ALL=C tr -d '\n -~' | wc -c)" -eq 0 ] ||
    fail "not plain ASCII"
[ "$("$nodevitals" top --batch --count=3 --interval=100ms --storage.tsdb.path=made | grep -c '^web-3')" -eq 3 ] ||
    fail "--batch does not repeat"
! "$nodevitals" top --storage.tsdb.path=made </dev/null >/dev/null 2>errors || fail "needs a terminal"
grep -q -- --once errors || fail "does not say what to do without a terminal"
! "$nodevitals" top --once --url="unix:$here/none" 2>errors || fail "success without an agent"
grep -q 'cannot ask' errors || fail "does not say that there is no agent"

# ---- an agent that goes and comes back

start() {
    "$nodevitals" --web.listen-address="unix:$here/agent" --storage.tsdb.path=live 2>log &
    agent=$!
}
stop() {
    kill "$agent"
    wait "$agent" || true
    agent=
}
start
open 120 300 --url="unix:$here/agent"
await '^CPU .*user'
await ' UTC  live'
await '^Processes .*pid'
press /; await 'Filter: '
press -l nodevitals; press Enter
await '^nodevitals .*%' # which asks, or answers
press Escape
await '^CPU .*user'
press Left
await 'past'
tries=0
while capture | grep -q '^Processes'; do # of this moment alone
    tries=$((tries + 1))
    [ $tries -lt 100 ] || fail "shows processes of now beside the past"
    sleep 0.1
done
press n
await '^Processes'
await '^CPU .*user' # the past may have been before the agent's first sample
stop
await 'cannot ask'
await '^CPU .*user'
start
tries=0
while capture | grep -q 'cannot ask'; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || fail "does not recover"
    sleep 0.1
done
close
stop

# ---- README.md shows the screen as it is

if [ "$write" != --write ]; then
    sed 's/^/    /; s/ *$//' "$screens/made-80x40.txt" | grep -v '^$' >shown
    while IFS= read -r line; do
        grep -qxF -- "$line" "$source/README.md" || fail "README.md does not show: $line"
    done <shown
fi
echo "all as expected"
