#!/usr/bin/env bash
# Kills the sensor with -9 in the middle of a capture. Afterwards the store opens, everything that was on the wire two
# seconds before the kill extracts, and the account is there. A new sensor continues in the same store.
# usage: kill.sh GATETAPE
# shellcheck source=tests/live/live.sh
source "$(dirname "$0")/live.sh"
lab_create "$work/lab"
lab_nginx
start_sensor
start_witness
(lab_load 7 10 repeat 5) &
load=$!
sleep 5  # of traffic: the time that a crash may cost, and some before it
killed_at=$(date +%s.%N)
kill -KILL "$lab_sensor_pid"
lab_stop "$lab_sensor_pid" KILL && { echo "the sensor was not killed"; exit 1; }
wait "$load"
lab_wait_until 10 "the mirror to fall silent" mirror_is_quiet
stop_witness "$(lab_mirrored_packets)"

"$gatetape" extract --store "$work/store" --format pcap -w "$work/extract.pcap"
compare packets "$work/witness.pcap" "$work/extract.pcap" --tolerance 0.1 --until "$(python3 -c "print($killed_at - 2)")"
"$gatetape" stats --store "$work/store" --json >"$work/stats.json"
jq -e '.. | objects | select(has("received")) | .received > 0' "$work/stats.json" >/dev/null ||
  { echo "no account in the store of a killed sensor"; cat "$work/stats.json"; exit 1; }

left=$(tcpdump -nr "$work/extract.pcap" 2>/dev/null | wc -l)
start_sensor
lab_load 2 4 repeat 20
lab_stop "$lab_sensor_pid" INT 60
"$gatetape" extract --store "$work/store" --format pcap -w "$work/extract.pcap"
now=$(tcpdump -nr "$work/extract.pcap" 2>/dev/null | wc -l)
added=$(jq .account.stored "$work/summary.json")
((now == left + added && added > 0)) || { echo "$left packets before, $added added, but $now in the store"; exit 1; }
