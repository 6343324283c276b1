#!/usr/bin/env bash
# Builds the pages into web/dist if a source is newer than what was built; says nothing when nothing is to be done.
set -eu
cd "$(dirname "$0")"
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --silent
fi
if [ -e dist/index.html ] && [ -z "$(find src public scripts index.html vite.config.ts package-lock.json -newer dist/index.html -print -quit)" ]; then
    exit 0
fi
npm run --silent build -- --logLevel warn
# The program embeds the folder when this file is compiled; cargo does not see that the folder has changed.
touch ../src/http/web.rs
