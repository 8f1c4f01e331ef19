#!/usr/bin/env bash
# Real requests past the sensor: the HTTP log equals nginx's and wrk's count, the account equals the interface's own
# counter, and what is stored equals what tcpdump saw beside it.
# usage: ingress.sh GATETAPE [WORKERS=1]
# shellcheck source=tests/live/live.sh
source "$(dirname "$0")/live.sh"
workers=${2:-1}
lab_create "$work/lab"
lab_nginx
before=$(lab_mirrored_packets)
start_sensor --ingress "$lab_server_address" --workers "$workers" --rules "$lab_scripts/demo.rules"
start_witness

lab_load 5 10 repeat 5
lab_wait_until 10 "the mirror to fall silent" mirror_is_quiet
offered=$(($(lab_mirrored_packets) - before))
lab_stop "$lab_sensor_pid" INT 60

compare account "$work/summary.json" --offered "$offered"
compare http "$lab_dir/access.log" "$work/eve.json" --answers "$lab_requests"
stored=$(jq .account.stored "$work/summary.json")
stop_witness "$stored"
"$gatetape" extract --store "$work/store" --format pcap -w "$work/extract.pcap"
compare packets "$work/witness.pcap" "$work/extract.pcap" --tolerance 0.1
# The log in the store equals the one in the file.
in_store=$("$gatetape" search --store "$work/store" http --json | wc -l)
[[ $in_store == "$lab_requests" ]] || { echo "the store has $in_store HTTP records, not $lab_requests"; exit 1; }
