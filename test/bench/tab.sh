#!/bin/sh
# tab.sh [MINUTES] - the page's overview, left open: see test/page/src/tab.ts. Run by run.sh, which builds the agent.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
build=${NV_BUILD:-$tree/build/bench}
chromium=$(command -v chromium) || {
    echo "tab: needs chromium" >&2
    exit 1
}
sh "$tree/test/page/prepare.sh" "$build" tab
NODEVITALS=${NODEVITALS:-$build/nodevitals} CHROMIUM=$chromium exec node "$build/page-test/tab.mjs" "$@"
