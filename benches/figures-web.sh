#!/usr/bin/env bash
# Measures afresh what the pages promise; one line a figure. About eight minutes on two quiet cores.
set -eu
cd "$(dirname "$0")/.."
web/build.sh
cargo test --release --locked --quiet --no-run
[ -e models/weights ] || models/fetch.sh
target/release/gijiroku model import --quiet base
cd web
lines=$(mktemp) report=$(mktemp)
trap 'rm -f "$lines" "$report"' EXIT
FIGURES="$lines" npx vitest run --config vitest.browser.config.ts >/dev/null 2>&1 || true
cat "$lines"
npx vitest run --config vitest.browser.config.ts --reporter=json --outputFile="$report" >/dev/null 2>&1 || true
node -e '
const text = require("node:fs").readFileSync(process.argv[1], "utf8")
if (!text) console.log("figure web.stories_passed none - all short (the stories could not be run)")
else {
  const { numPassedTests: passed, numTotalTests: all } = JSON.parse(text)
  console.log(`figure web.stories_passed ${passed} of_${all} all ${passed === all && all > 0 ? "ok" : "short"}`)
}' "$report"
