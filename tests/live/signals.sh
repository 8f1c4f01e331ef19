#!/usr/bin/env bash
# SIGINT and SIGTERM drain: what the interface had handed over when the signal came is stored, and the account says so,
# at the end of traffic and in the middle of it. SIGHUP ends nothing. A sensor that became another user still does all
# of that, with no rights left on any of its threads.
# usage: signals.sh GATETAPE
# shellcheck source=tests/live/live.sh
source "$(dirname "$0")/live.sh"
lab_create "$work/lab"
lab_nginx

# At the end of traffic, at once: the last packets still wait in the kernel's buffer.
for signal in INT TERM; do
  before=$(lab_mirrored_packets)
  start_sensor
  lab_load 2 10 repeat 5
  least=$(($(lab_mirrored_packets) - before))
  lab_stop "$lab_sensor_pid" "$signal" 60
  lab_wait_until 10 "the mirror to fall silent" mirror_is_quiet
  compare account "$work/summary.json" --offered "$least" --offered-max "$(($(lab_mirrored_packets) - before))"
  "$gatetape" extract --store "$work/store" --format pcap -w "$work/extract.pcap"
  extracted=$(tcpdump -nr "$work/extract.pcap" 2>/dev/null | wc -l)
  [[ $extracted == "$(jq .account.stored "$work/summary.json")" ]] || { echo "only $extracted packets extract"; exit 1; }
  rm -r "$work/store" "$work/eve.json" "$work/summary.json"
done

# In the middle: what the signal cuts off is nobody's, but what was taken must be kept.
for signal in INT TERM; do
  before=$(lab_mirrored_packets)
  start_sensor
  (lab_load 4 10 repeat 5) &
  load=$!
  has_traffic() { (($(lab_mirrored_packets) > before + 2000)); }
  lab_wait_until 10 "traffic" has_traffic
  lab_stop "$lab_sensor_pid" "$signal" 60
  wait "$load"
  compare account "$work/summary.json" --offered 1 --offered-max "$(($(lab_mirrored_packets) - before))"
  rm -r "$work/store" "$work/eve.json" "$work/summary.json"
done

# SIGHUP in the middle, and no rights.
chmod 755 "$work" "$work"/*/
before=$(lab_mirrored_packets)
start_sensor --user nobody
(lab_load 4 10 repeat 5) &
load=$!
lab_wait_until 10 "traffic" has_traffic
for status in /proc/"$lab_sensor_pid"/task/*/status; do
  if grep -Eq '^Uid:.*\b0\b|^Cap(Inh|Prm|Eff|Amb):.*[1-9a-f]|^NoNewPrivs:.*0' "$status"; then
    echo "a thread has rights left:"; cat "$status"; exit 1
  fi
done
mv "$work/eve.json" "$work/eve.json.1"
kill -HUP "$lab_sensor_pid"
wait "$load"
lab_wait_until 10 "the mirror to fall silent" mirror_is_quiet
least=$(($(lab_mirrored_packets) - before))
lab_stop "$lab_sensor_pid" TERM 60
compare account "$work/summary.json" --offered "$least" --offered-max "$(($(lab_mirrored_packets) - before))"
jq -se 'map(select(.event_type == "http")) | length > 0' "$work/eve.json.1" >/dev/null || { echo "EVE ended"; exit 1; }
