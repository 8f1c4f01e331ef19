# shellcheck shell=bash
# Functions that the live tests share; to be sourced with the path of gatetape in $1. Each test is a script that makes a
# lab of its own (scripts/lab/lab.sh). Where it cannot run, it prints a reason and ends with 77.
set -euo pipefail
gatetape=$1
live_tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lab/lab.sh
source "$live_tests/../../scripts/lab/lab.sh"
if ! reason=$(lab_possible); then echo "skipped: $reason"; exit 77; fi
for tool in "$gatetape" tcpdump; do
  command -v "$tool" >/dev/null || { echo "skipped: needs $tool"; exit 77; }
done

work=$(mktemp -d "${TMPDIR:-/tmp}/gatetape-live.XXXXXX")
finish() {
  local code=$?
  trap - EXIT
  lab_destroy
  if ((code == 0)); then
    rm -r "$work"
  else
    echo "failed, files are in $work; the sensor said:"
    cat "$work"/*/sensor.err || true
  fi
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

# start_sensor ARGUMENT...: starts gatetape capture on the mirror and waits until it records.
start_sensor() {
  lab_start_sensor "$gatetape" capture --source if:gt-mirror --store "$work/store" --summary "$work/summary.json" \
    --eve "$work/eve.json" "$@"
}

# start_witness ARGUMENT...: starts tcpdump beside the sensor, on the same interface.
start_witness() {
  lab_start witness "$lab_sensor" tcpdump -i gt-mirror -U --immediate-mode -s 0 -B 65536 -Z root -w "$work/witness.pcap" "$@"
  witness_pid=$lab_started
  lab_wait_until 10 "tcpdump to listen" grep -q 'listening on' "$lab_dir/witness.err"
}
witness_has() { (("$(tcpdump -nr "$work/witness.pcap" 2>/dev/null | wc -l)" >= $1)); }
# stop_witness PACKETS: stops the witness once it has written that many packets.
stop_witness() {
  lab_wait_until 20 "tcpdump to write $1 packets" witness_has "$1"
  lab_stop "$witness_pid" INT
  grep -q '^0 packets dropped by kernel' "$lab_dir/witness.err" || { echo "tcpdump itself lost packets"; exit 1; }
}

# Succeeds when nothing has been sent into the mirror for a while, so that the last connections are closed.
mirror_is_quiet() {
  local before
  before=$(lab_mirrored_packets)
  sleep 0.3
  [[ $(lab_mirrored_packets) == "$before" ]]
}

compare() { python3 "$live_tests/../support/compare.py" "$@"; }
