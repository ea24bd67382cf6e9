#!/bin/sh
# prepare.sh BUILD PROGRAM - installs what the page's tests need into BUILD/page-test and bundles src/PROGRAM.ts there, as
# PROGRAM.mjs. BUILD is where the agent was built.
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
program=$2

here=$build/page-test
mkdir -p "$here"
lock=$(sha256sum "$source/test/page/package-lock.json")
if [ "$(cat "$here/installed" 2>/dev/null)" != "$lock" ]; then
    cp "$source/test/page/package.json" "$source/test/page/package-lock.json" "$here/"
    (cd "$here" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    echo "$lock" >"$here/installed"
fi
ln -sfn "$source/test/page" "$here/test"
cd "$here"
node_modules/.bin/esbuild "test/src/$program.ts" --bundle --platform=node --format=esm --preserve-symlinks \
    --log-level=warning --external:playwright-core --outfile="$program.mjs"
