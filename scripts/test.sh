#!/usr/bin/env bash
# Builds Gatetape and runs all its tests. Tests that cannot run here (no root for network namespaces, no shared test data)
# are skipped and listed with the reason at the end. The first run takes some minutes, most of them to compile the tests.
# usage: test.sh [OPTION or TEST of 'meson test'...]
#   test.sh                  everything
#   test.sh rules storage    these alone
#   test.sh --no-suite live  without those that make network namespaces
# Test data that is not part of the source is taken from $GATETAPE_SHARED (default: ../shared).
set -euo pipefail
if [[ ${1:-} == -h || ${1:-} == --help ]]; then sed -n '2,8s/^# //p' "$0"; exit 0; fi
cd "$(dirname "$0")/.."
build=${BUILD_DIR:-build}
scripts/setup.sh
scripts/build.sh
code=0
meson test -C "$build" --no-rebuild --print-errorlogs "$@" || code=$?
python3 scripts/test_summary.py "$build/meson-logs/testlog.json"
exit "$code"
