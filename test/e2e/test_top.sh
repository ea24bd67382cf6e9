#!/bin/sh
# test_top.sh - `nodevitals top` in a terminal (tmux), against the screens in top/: over a node made by top/node.awk and, where
# it is there, the recorded one; then over an agent that goes away and comes back.
#
#   sh test/e2e/test_top.sh --write   writes the screens anew, and README.md with the one it shows
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
press m; await '^Groups .*▾memory'
press t /; await 'Filter: '
press -l nginx; await 'Filter: nginx'
press Enter; until_true lacks 'Filter: '
same made-filter
press Escape; await 'ssh.service'
press 1 2 3 4 5 6
same made-hidden
close

# ---- the mouse, as xterm tells of it and as a terminal of old

line_of() { capture | grep -n -- "$1" | head -n 1 | cut -d : -f 1; }
# click X PATTERN [BUTTON]: at that column of the line which has the pattern
click() {
    line=$(line_of "$2")
    [ -n "$line" ] || fail "nothing to click: $2"
    press -l "$(printf '\033[<%d;%d;%dM\033[<%d;%d;%dm' "${3:-0}" "$1" "$line" "${3:-0}" "$1" "$line")"
}
prefix="env TERM=xterm-256color" open 80 40 --storage.tsdb.path=made
await DiskFillsUp
click 80 '^Groups'; await '^Groups .*▾memory'
click 80 '^Groups'; await '^Groups .*▴memory'
click 9 '^Groups'; await '^Groups ▴name'
click 50 '^Disks'; await '^Disks .*▾read/s'
click 12 'system.slice'; await '+ system.slice'; await '^id=/system.slice'
same made-mouse
click 12 'system.slice'; await '- system.slice'; await 'nginx.service'
click 3 '^sda'; await '^device=sda'
click 3 '^Disks'; until_true lacks '^Groups'
await '^sda'
click 3 '^Disks'; await '^Groups'
click 3 '^Disks' 2; until_true lacks '^Disks'
press 4; await '^Disks'
press Escape; until_true lacks '^device=sda'
terminal resize-window -x 80 -y 12
until_true lacks '^Groups'
press -l "$(printf '\033[<65;5;5M\033[<65;5;5M\033[<65;5;5M\033[<65;5;5M\033[<65;5;5M')"; await '^Groups'
click 12 'kubepods'; await '+ kubepods'
close
prefix="env TERM=rxvt" open 80 46 --storage.tsdb.path=made
await DiskFillsUp
press -l "$(printf '\033[M %b' "\\0$(printf %o $((32 + 79)))\\0$(printf %o $((32 + $(line_of '^Groups'))))")"
await '^Groups .*▾memory'
close

# ---- the terminal

prefix="env NO_COLOR=1 LC_ALL=C TERM=vt100" open 80 40 --storage.tsdb.path=made
await DiskFillsUp
same made-ascii
terminal resize-window -x 20 -y 8
await '^2026-01-02 03:03:58~$'
terminal resize-window -x 160 -y 45
await '^Groups'
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
sed -n '3,$p' once | grep -q '^Groups ' || fail "--once shows no groups"
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
"$nodevitals" top --once --url="unix:$here/agent" | grep -q '^Processes ' || fail "--once shows no processes"
"$nodevitals" top --once --url="unix:$here/agent" --at=-1s >past 2>&1 || cat past
! grep -q '^Processes ' past || fail "--once shows processes of now beside the past"
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

sed 's/^/    /; s/ *$//' "$screens/made-80x40.txt" | grep -v '^$' >shown
if [ "$write" = --write ]; then
    first=$(head -n 1 shown)
    awk -v first="$first" '
        FNR == NR { screen = screen $0 "\n"; next }
        $0 == first { printf "%s", screen; skipping = 1 }
        skipping && /^$/ { skipping = 0 }
        !skipping' shown "$source/README.md" >readme
    cat readme >"$source/README.md"
fi
while IFS= read -r line; do
    grep -qxF -- "$line" "$source/README.md" || fail "README.md does not show: $line"
done <shown
echo "all as expected"
