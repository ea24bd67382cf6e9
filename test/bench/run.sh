#!/bin/sh
# Builds a release and measures it beside Debian's prometheus-node-exporter.
#   test/bench/run.sh [scrape] [links] [growth] [soak]
set -eu
cd "$(dirname "$0")/../.."
build=${NV_BUILD:-build/bench}
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$build" -j "$(nproc)" >/dev/null
${CC:-cc} -O2 -std=gnu17 -D_GNU_SOURCE -o "$build/preads" test/bench/preads.c
NODEVITALS="$build/nodevitals" NV_PREADS="$build/preads" exec python3 test/bench/bench.py "$@"
