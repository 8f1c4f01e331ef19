#!/usr/bin/env bash
# Gatetape, from a fresh clone on Debian 12.
#
#   scripts/run.sh
#       The demo: makes a small ingress on this machine (nginx and clients in network namespaces, with a mirror port),
#       records it through DPDK, and shows the account, alerts, the HTTP log and one connection as pcapng.
#       Needs root for the namespaces, and asks sudo for it. Environment: DEMO_SECONDS=8 of load.
#
#   scripts/run.sh --source if:eth1 --ingress 203.0.113.10 --store /var/lib/gatetape
#       The sensor itself: builds, then runs 'gatetape capture' with these arguments.
set -euo pipefail
if [[ ${1:-} == -h || ${1:-} == --help ]]; then sed -n '2,10s/^#\( \|$\)//p' "$0"; exit 0; fi
here=$(cd "$(dirname "$0")/.." && pwd)

# gatetape is built as the calling user; only commands that need root get it.
as_root=()
if ((EUID != 0)); then as_root=(sudo); fi

if (($# == 0)); then "$here/scripts/setup.sh"; fi
"$here/scripts/build.sh" gatetape >&2
gatetape=$here/${BUILD_DIR:-build}/gatetape

if (($# == 0)); then
  exec "${as_root[@]}" env DEMO_SECONDS="${DEMO_SECONDS:-8}" "$here/scripts/lab/demo.sh" "$gatetape"
fi
# Interfaces belong to root; files do not.
if [[ " $* " =~ [\ =](if|dpdk): ]]; then exec "${as_root[@]}" "$gatetape" capture "$@"; fi
exec "$gatetape" capture "$@"
