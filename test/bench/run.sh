#!/bin/sh
# Builds a release and measures it beside its peers, Debian's packages prometheus-node-exporter, prometheus and
# victoria-metrics.
#   test/bench/run.sh [scrape] [links] [growth] [sample] [soak]      the exporter: see bench.py
#   test/bench/run.sh rules [SECONDS]                                the rule engine: see rules.py
#   test/bench/run.sh cgroups [v1] [v2]                             containers: see cgroups.py
#   test/bench/run.sh query [FOLDER]                                 queries at the API: see query.py
#   test/bench/run.sh store [size] [ingest] [read] [endurance] [FILE]   the store: see store.py
#   test/bench/run.sh intake [SCRAPES]                               an answer of cAdvisor: see intake.py
#   test/bench/run.sh pods                                           the kubelet's /pods: see pods.py
#   test/bench/run.sh churn [SPEED [MINUTES]]                        pods that come and go: see churn.py
#   test/bench/run.sh tab [MINUTES]                                  the page, left open: see tab.sh
#   test/bench/run.sh memory [PODS ...]                              resident memory against its limit: see memory.py
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
build=${NV_BUILD:-$tree/build/bench}
cmake -S "$tree" -B "$build" -DCMAKE_BUILD_TYPE=Release -DNV_TESTS=ON >/dev/null
cmake --build "$build" -j "$(nproc)" --target nodevitals preads store_bench endurance rules_bench \
    query_bench pods_bench cgroup_bench >/dev/null
export NODEVITALS="$build/nodevitals" NV_PREADS="$build/preads" NV_STORE_BENCH="$build/store_bench" \
    NV_ENDURANCE="$build/endurance" NV_RULES_BENCH="$build/rules_bench" NV_QUERY_BENCH="$build/query_bench" \
    NV_PODS_BENCH="$build/pods_bench" NV_CGROUP_BENCH="$build/cgroup_bench"
if [ "${1:-}" = rules ]; then
    shift
    exec python3 "$here/rules.py" "$@"
fi
if [ "${1:-}" = cgroups ]; then
    shift
    exec python3 "$here/cgroups.py" "$@"
fi
if [ "${1:-}" = query ]; then
    shift
    exec python3 "$here/query.py" "$@"
fi
if [ "${1:-}" = store ]; then
    shift
    exec python3 "$here/store.py" "$@"
fi
if [ "${1:-}" = intake ]; then
    shift
    exec python3 "$here/intake.py" "$@"
fi
if [ "${1:-}" = pods ]; then
    shift
    exec python3 "$here/pods.py" "$@"
fi
if [ "${1:-}" = churn ]; then
    shift
    exec python3 "$here/churn.py" "$@"
fi
if [ "${1:-}" = tab ]; then
    shift
    NV_BUILD=$build exec sh "$here/tab.sh" "$@"
fi
if [ "${1:-}" = memory ]; then
    shift
    exec python3 "$here/memory.py" "$@"
fi
exec python3 "$here/bench.py" "$@"
