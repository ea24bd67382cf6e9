# terminal.sh - what the tests of `nodevitals top` share: a terminal (tmux) of a size, keys, and what stands on it; an agent in
# $agent, and a folder of their own. Read by test_top*.sh, which set $source and $nodevitals.
if ! command -v tmux >/dev/null; then
    echo "SKIP: needs tmux"
    exit 77
fi
here=$(mktemp -d)
cd "$here"
unset NO_COLOR COLUMNS TMUX http_proxy HTTP_PROXY all_proxy ALL_PROXY
export TZ=UTC LC_ALL=C.UTF-8

agent=
finish() {
    terminal kill-server 2>/dev/null || true
    [ -z "$agent" ] || kill "$agent" 2>/dev/null || true
    [ -z "$agent" ] || wait "$agent" 2>/dev/null || true
    rm -rf "$here"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "FAILED: $*"
    capture || true
    exit 1
}
# until_true COMMAND...: waits until that succeeds.
until_true() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || fail "never: $*"
        sleep 0.1
    done
}

opened=0
terminal() { tmux -S "$here/tmux$opened" -f /dev/null "$@"; }
capture() { terminal capture-pane -p | sed 's/ *$//'; }
press() { terminal send-keys "$@"; }

# open WIDTH HEIGHT ARGUMENTS...: top in a terminal of that size; its status goes into a file.
open() {
    width=$1 height=$2
    shift 2
    rm -f status modes pid
    opened=$((opened + 1)) # a server that ends takes no more sessions
    terminal new-session -d -x "$width" -y "$height" "${prefix:-} sh -c 'echo \$\$ >pid; exec $nodevitals top $*' 2>errors; echo \$? >status; stty -a >modes.new; mv modes.new modes; sleep 100"
}
sees() { capture | grep -q -- "$1"; }
lacks() { ! sees "$1"; }
# await PATTERN: until the screen has it.
await() {
    until_true sees "$1"
}
# given_back: the terminal is as it was: lines, echo, no other screen, no mouse, a cursor.
given_back() {
    for mode in icanon echo isig; do
        tr ' ' '\n' <modes | grep -qx $mode || fail "the terminal has lost its $mode"
    done
    [ "$(terminal display-message -p '#{alternate_on}#{mouse_any_flag}#{keypad_flag}#{cursor_flag}')" = 0001 ] ||
        fail "the terminal is not as it was"
}
# close [KEY [STATUS]]: leaves with q; the terminal is as it was. Status 0 unless another, or `some`, is expected.
close() {
    [ "${1:-q}" = none ] || press "${1:-q}"
    until_true test -s modes
    case ${2:-0} in
    some) [ "$(cat status)" -ne 0 ] || fail "success" ;;
    *) [ "$(cat status)" -eq "${2:-0}" ] || fail "status $(cat status): $(cat errors)" ;;
    esac
    given_back
    rm -f modes
    terminal kill-server
}
# make_store: the node of node.awk, in the folder made.
make_store() {
    awk -f "$source/test/e2e/top/node.awk" >made.om
    "$nodevitals" tsdb import --storage.tsdb.path=made made.om >/dev/null
}
