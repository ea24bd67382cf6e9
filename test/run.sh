#!/bin/sh
# run.sh - everything that has to pass, in about twenty minutes on two cores.
#
#   1  packages that the tests need, by apt where they are missing; no service of theirs is started
#   2  preset dev (gcc, address and undefined-behaviour sanitizers): all tests, through ctest; with the page where npm can
#      install what it takes, else its tests are skipped
#   3  release builds with gcc and clang, where a warning is an error; the unit tests once more in gcc's, for there
#      allocations are counted and memory is bounded, which a sanitizer hides
#   4  preset tsan (clang): the unit tests
#   5  preset fuzz: each target for NV_FUZZ_SECONDS, two at once
#   6  valgrind: a pass, and the agent from start to stop
#
# Needs neither a terminal nor root, if sudo works. Builds below build/, or where NV_BUILD_ROOT says. The last line has the
# totals: each test, each build, each fuzz target and each valgrind run counts.
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)
root=${NV_BUILD_ROOT:-$tree/build}
seconds=${NV_FUZZ_SECONDS:-8}
jobs=${NV_JOBS:-$(nproc)}
. "$tree/deploy/packages.sh"

PACKAGES="check clang libclang-rt-14-dev llvm valgrind python3 openssl curl git iproute2 procps
    btrfs-progs prometheus prometheus-alertmanager prometheus-node-exporter systemd-container debootstrap
    dpkg-dev lintian mandoc podman runc
    golang-go golang-github-masterminds-sprig-dev golang-github-ghodss-yaml-dev chromium zstd tmux"
# Any kubectl will do; two packages have it at one place.
command -v kubectl >/dev/null 2>&1 || PACKAGES="$PACKAGES kubernetes-client"

passed=0 failed=0 skipped=0 failures=
export LC_ALL=C.UTF-8

heading() {
    printf '\n== %s (%s s)\n' "$1" "$(($(date +%s) - begun))"
}

# count NAME COMMAND...: one more passed, or failed with its output shown.
count() {
    name=$1 log=$root/log
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok: $name"
    else
        failed=$((failed + 1)) failures="$failures
    $name"
        tail -n 60 "$log"
        echo "FAILED: $name"
    fi
}

# build NAME ARGUMENTS...: configures and builds root/NAME.
build() {
    where=$root/$1
    shift
    cmake -S "$tree" -B "$where" -G Ninja "$@" && cmake --build "$where" -j "$jobs"
}

# tests NAME ARGUMENTS...: runs ctest in root/NAME and adds up what its report counts.
tests() {
    where=$root/$1 report=$root/$1/report.xml
    shift
    [ -e "$where/CTestTestfile.cmake" ] || return 0
    rm -f "$report"
    ctest --test-dir "$where" -j "$jobs" --output-on-failure --output-junit "$report" "$@" || true
    number() { sed -n "s/.*[^a-z]$1=\"\([0-9]*\)\".*/\1/p" "$report" | head -n 1; }
    if [ ! -s "$report" ]; then
        failed=$((failed + 1)) failures="$failures
    ctest in $where gave no report"
        return 0
    fi
    all=$(number tests) bad=$(number failures) off=$(($(number skipped) + $(number disabled)))
    passed=$((passed + all - bad - off)) failed=$((failed + bad)) skipped=$((skipped + off))
    [ "$bad" -eq 0 ] || failures="$failures
    $bad of ctest in $where"
}

# New inputs and crashes go below root; the seeds stay as they are.
fuzz_one() {
    what=${1##*/fuzz_}
    found=$root/found/$what
    mkdir -p "$found"
    set -- "$1" "$found"
    for seeds in "$tree/test/fuzz/corpus/$what" "$root/fuzz/corpus/$what"; do # the second is made by the build
        [ ! -d "$seeds" ] || set -- "$@" "$seeds"
    done
    fuzzer=$1
    shift
    "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$found/crash-" "$@"
}

# One target starts while the one before it still runs, and waits for that one's end before the next.
fuzz_all() {
    running=
    for target in "$root"/fuzz/fuzz/fuzz_*; do
        [ -x "$target" ] || continue
        (
            status=0
            fuzz_one "$target" >"$root/found-${target##*/}.log" 2>&1 || status=$?
            echo "$status" >"$root/found-${target##*/}.status"
        ) &
        if [ -n "$running" ]; then
            wait "$running"
        fi
        running=$!
    done
    wait
    for status in "$root"/found-fuzz_*.status; do
        [ -e "$status" ] || continue
        name=${status##*/found-}
        count "fuzz ${name%.status}" sh -c '[ "$(cat "$1")" -eq 0 ] || { cat "$2"; exit 1; }' sh \
            "$status" "${status%.status}.log"
    done
}

VALGRIND="valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect
    --errors-for-leak-kinds=definite,indirect"

# The agent answers, stops on SIGTERM with status 0, and valgrind has nothing to say.
# shellcheck disable=SC2086 # a list of words
valgrind_agent() {
    socket=$root/valgrind.sock
    rm -f "$socket"
    timeout 120 $VALGRIND "$root/release/nodevitals" --web.listen-address="unix:$socket" &
    agent=$!
    for _ in $(seq 100); do
        curl -sf --unix-socket "$socket" http://localhost/-/ready && break
        sleep 0.3
    done
    result=0
    for _ in 1 2 3; do
        curl -sf --compressed --unix-socket "$socket" http://localhost/metrics |
            grep -q '^node_exporter_build_info' || result=1
    done
    kill -TERM "$agent"
    wait "$agent" || result=$?
    return "$result"
}

begun=$(date +%s)
mkdir -p "$root"
rm -rf "$root"/found "$root"/found-*
heading "packages"
# shellcheck disable=SC2086 # lists of words
nv_install $NV_BUILD_PACKAGES $PACKAGES

heading "dev: gcc with ASan and UBSan"
count "build dev" build dev -DCMAKE_BUILD_TYPE=Debug -DNV_TESTS=ON -DNV_WERROR=ON \
    -DNV_SANITIZE=address,undefined
tests dev

heading "release: gcc and clang without a warning"
count "build release (gcc)" build release -DCMAKE_BUILD_TYPE=Release -DNV_TESTS=ON -DNV_WERROR=ON
tests release -L unit
tests release -R '^e2e/image$' # a sanitizer's size is not the image's
count "build release (clang)" build release-clang -DCMAKE_BUILD_TYPE=Release -DNV_PAGE=OFF -DNV_WERROR=ON \
    -DCMAKE_C_COMPILER=clang

heading "tsan: clang"
count "build tsan" build tsan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DNV_PAGE=OFF -DNV_TESTS=ON -DNV_WERROR=ON \
    -DNV_SANITIZE=thread -DCMAKE_C_COMPILER=clang
tests tsan -L unit

heading "fuzz: ${seconds} s a target"
count "build fuzz" build fuzz -DCMAKE_BUILD_TYPE=RelWithDebInfo -DNV_PAGE=OFF -DNV_FUZZ=ON -DNV_WERROR=ON \
    -DNV_SANITIZE=address,undefined -DCMAKE_C_COMPILER=clang
fuzz_all

heading "valgrind"
# shellcheck disable=SC2086 # a list of words
count "valgrind: a pass" $VALGRIND "$root/release/nodevitals" collect
count "valgrind: the agent" valgrind_agent

heading "done"
[ -z "$failures" ] || echo "failed:$failures"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
