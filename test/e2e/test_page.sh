#!/bin/sh
# test_page.sh - the page in a browser: see test/page/src/main.ts. Screenshots go to NV_BUILD/screenshots, and with
# NV_PICTURES=1 the one that README.md shows to deploy/pictures.
set -eu
source=${NV_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${NV_BUILD:-$source/build}
skip() {
    echo "SKIP: $*"
    exit 77
}
command -v node >/dev/null && command -v npm >/dev/null || skip "needs node and npm"
chromium=$(command -v chromium) || skip "needs chromium"
[ -s "$build/page/assets.c" ] || skip "the agent was built without its page"

sh "$source/test/page/prepare.sh" "$build" main
here=$build/page-test
cd "$here"
echo "types of the page and of this test"
node_modules/.bin/tsc -p test/tsconfig.json --rootDir . --typeRoots node_modules/@types
(cd "$build/page" && "$here/node_modules/.bin/tsc" -p page/tsconfig.json --rootDir .)

NV_SHARED=$source/../shared NV_SOURCE=$source CHROMIUM=$chromium SCREENSHOTS=$build/screenshots \
    NODEVITALS=${NODEVITALS:-$build/nodevitals} node main.mjs "$@"
[ -z "${NV_PICTURES:-}" ] || cp "$build/screenshots/recorded-overview.png" "$source/deploy/pictures/overview.png"
