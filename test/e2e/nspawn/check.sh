# check.sh - read by the scripts that run inside the booted Debian: a sentence per check, and what they ask again and again.
failures=0 passed=0
cd /tmp || exit 1

# check SENTENCE COMMAND...: the command succeeds.
check() {
    sentence=$1
    shift
    if "$@" >/tmp/check.out 2>&1; then
        passed=$((passed + 1))
        echo "ok      $sentence"
    else
        failures=$((failures + 1))
        echo "FAILED  $sentence"
        head -n 20 /tmp/check.out | sed 's/^/        /'
    fi
}

# until_true SECONDS COMMAND...: waits for it.
until_true() {
    tries=$(($1 * 10))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

metrics() { curl -sS --max-time 10 "http://127.0.0.1:${1:-9100}/metrics"; }
show() { systemctl show --value -p "$2" "$1"; }

# The last line, and the status.
passed_all() {
    echo "$passed passed, $failures failed"
    [ "$failures" -eq 0 ]
}
