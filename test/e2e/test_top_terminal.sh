#!/bin/sh
# test_top_terminal.sh - the terminal is as it was however `nodevitals top` ends or is stopped: by a key, by signals that ask,
# by signals that kill, by ^Z, in the background, and when it does not take what is written.
set -eu
source=${NV_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
nodevitals=${NODEVITALS:-$source/build/nodevitals}
. "$source/test/e2e/top/terminal.sh"
make_store

# ---- signals; sanitizers end with statuses of their own

for type in xterm-256color vt100; do
    [ $type = vt100 ] && asked=INT killed=SEGV || asked='TERM INT HUP QUIT' killed='SEGV ABRT BUS FPE USR1 ALRM'
    for signal in $asked; do
        prefix="env TERM=$type" open 80 24 --storage.tsdb.path=made
        await '^CPU'
        kill -$signal "$(cat pid)"
        close none
    done
    for signal in $killed; do
        prefix="env TERM=$type" open 80 24 --storage.tsdb.path=made
        await '^CPU'
        kill -$signal "$(cat pid)"
        close none some
    done
    echo "as it was after signals: $type"
done

# ---- ^Z, in a shell with jobs

shell() {
    opened=$((opened + 1))
    rm -f modes
    terminal new-session -d -x 80 -y 24 "env -i PATH='$PATH' HOME='$here' LC_ALL=C.UTF-8 TERM=xterm-256color PS1='ready> ' bash --norc --noprofile -i"
    await '^ready>'
}
run_line() { press -l "$1" && press Enter; }
modes_now() {
    rm -f modes
    run_line 'clear; stty -a >modes.new; mv modes.new modes'
    until_true test -s modes
    given_back
}
is_stopped() {
    run_line 'clear; jobs >jobs.new; mv jobs.new jobs'
    grep -q Stopped jobs 2>/dev/null
}
await_stop() {
    rm -f jobs
    until_true is_stopped
}
if command -v bash >/dev/null; then
    shell
    run_line "$nodevitals top --storage.tsdb.path=made"
    await '^CPU'
    press C-z
    await_stop
    modes_now
    run_line fg
    await '^CPU'
    press '?'
    await '^Keys'
    press '?' C-z
    await_stop
    run_line 'clear; bg'
    await_stop # it does not write behind the shell's back
    modes_now
    run_line 'clear; kill %1; wait; echo over'
    await '^over'
    modes_now
    run_line 'jobs >jobs; clear; jobs; echo none'
    await '^none'
    ! sees top || fail "a signal does not end it when it is stopped"

    run_line "clear; $nodevitals top --storage.tsdb.path=made &"
    await_stop
    modes_now
    run_line fg
    await '^CPU'
    press q
    modes_now

    # stopped by what nobody can handle, the shell has the terminal; then all of the screen comes again
    run_line "sh -c 'echo \$\$ >pid; exec $nodevitals top --storage.tsdb.path=made'"
    await '^CPU'
    kill -STOP "$(cat pid)"
    await_stop
    run_line 'stty sane; clear; fg'
    await '^CPU'
    await '^Memory'
    press q
    modes_now
    terminal kill-server
    echo "as it was after ^Z"
else
    echo "skipped: ^Z, which needs bash"
fi

# ---- terminals that cannot be drawn on

echo 'leak:libtinfo' >leaks # newterm() forgets what it had begun for a terminal that it does not know
export LSAN_OPTIONS="suppressions=$PWD/leaks:print_suppressions=0"
for type in dumb unknown-to-all ''; do
    prefix="env TERM=$type" open 80 24 --storage.tsdb.path=made
    close none 1
    grep -q -- "TERM=$type; --once" errors || fail "does not say what is wrong with TERM=$type"
done

# ---- a terminal that takes nothing for a while: a second signal does not wait

open 80 24 --url="http://127.0.0.1:9"
await 'cannot ask'
press C-s
press '?' '?' '?'
kill -TERM "$(cat pid)"
tries=0
while kill -0 "$(cat pid)" 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || fail "waits for a terminal that takes nothing"
    sleep 0.1
    kill -TERM "$(cat pid)" 2>/dev/null || true
done
press C-q
until_true test -s modes
given_back
terminal kill-server
echo "all as expected"
