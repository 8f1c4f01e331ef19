#!/usr/bin/env bash
# Builds Gatetape and measures it against the figures that DESIGN.md aims for: 'bench.sh --help' explains.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
if [[ " $* " != *" --gatetape "* && " $* " != *" --help "* && " $* " != *" -h "* ]]; then
  "$here/scripts/setup.sh"
  "$here/scripts/build.sh" gatetape >&2
  set -- --gatetape "$here/${BUILD_DIR:-build}/gatetape" "$@"
fi
exec python3 "$here/scripts/bench/bench.py" "$@"
