#!/bin/sh
# test_top_answers.sh - `nodevitals top` before a server that refuses, is slow, answers nonsense or harm: it says so, keeps what it
# has and goes on by itself; and before one whose clock is another.
set -eu
source=${NV_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
nodevitals=${NODEVITALS:-$source/build/nodevitals}
. "$source/test/e2e/top/terminal.sh"

echo ok >mode
python3 "$source/test/e2e/top/answers.py" &
agent=$!
until_true test -s port
url=http://127.0.0.1:$(cat port)

prefix="env TERM=xterm-256color" open 80 24 --url="$url" --interval=200ms
await '^sda .*2.0 KiB'
now=$(date +%s)
shown=$(date -d "$(capture | sed -n 's/ UTC  live.*//p')" +%s)
[ $((shown - now)) -gt 3000 ] || fail "shows its own clock, not that of the server"
[ ! -e asked ] || fail "asks at a time of its own"
press Left; await 'UTC  past'
press Right Right; await 'UTC  live'

for answer in '401 status 401' '503 too many queries' 'html does not answer as' 'cut hung up' 'slow no answer for [2-9] s'; do
    echo "${answer%% *}" >mode
    await "${answer#* }"
    sees '^sda .*2.0 KiB' || fail "does not keep what it has: ${answer%% *}"
    echo ok >mode
    until_true lacks "${answer#* }"
done
echo hostile >mode
await '^Alerts'
[ "$(terminal display-message -p '#{pane_title}')" != x ] || fail "a label reached the terminal"
close

echo 401 >mode
! "$nodevitals" top --once --url="$url" >once 2>errors || fail "success with 401"
[ "$(tr -d '\n -~' <errors | wc -c)" -eq 0 ] || fail "a server's words reach the terminal as they are"
echo hostile >mode
"$nodevitals" top --once --url="$url" >once
[ "$(LC_ALL=C tr -d '\n -~\200-\377' <once | wc -c)" -eq 0 ] || fail "control characters in the output"
! LC_ALL=C grep -q "$(printf '\302[\200-\237]')" once || fail "control characters of Latin 1 in the output"
echo "all as expected"
