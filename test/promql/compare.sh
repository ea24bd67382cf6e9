#!/bin/sh
# Compares evaluators for as long as you like: test/promql/compare.sh BUILD [SECONDS]. Stops at the first difference.
set -eu
build=$1
end=$(($(date +%s) + ${2:-600}))
seed=$(date +%s)000000
while [ "$(date +%s)" -lt "$end" ]; do
    NV_SEED=$seed NV_ROUNDS=20000 "$build/tests/test_promql_compare" >"$build/compare.log" || {
        cat "$build/compare.log"
        exit 1
    }
    seed=$((seed + 20000))
done
echo "no difference up to seed $seed"
