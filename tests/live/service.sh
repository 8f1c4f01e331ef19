#!/usr/bin/env bash
# The recorder as its unit starts it: a user of its own with CAP_NET_RAW and nothing else. It is ready when it records, answers
# the watchdog, takes hostile networks anew in the middle of traffic, and accounts for every packet that was sent.
# usage: service.sh GATETAPE
# shellcheck source=tests/live/live.sh
source "$(dirname "$0")/live.sh"
command -v setpriv >/dev/null || { echo "skipped: needs setpriv"; exit 77; }
lab_create "$work/lab"
lab_nginx
chmod 755 "$work" "$work"/*/
mkdir "$work/state"
chown nobody "$work/state"
echo "0.0.0.0/0" >"$work/hostile.txt"

python3 "$live_tests/../support/listen_notify.py" "$work/notify" "$work/said" &
listener=$!
lab_pids+=("$listener")
said() { grep -q "$1" "$work/said" 2>/dev/null; }
lab_wait_until 10 "the listener" test -S "$work/notify"

as_service() {
  setpriv --reuid nobody --regid nogroup --clear-groups --bounding-set=-all,+net_raw --inh-caps=-all,+net_raw \
    --ambient-caps=-all,+net_raw --no-new-privs env NOTIFY_SOCKET="$work/notify" WATCHDOG_USEC=30000000 \
    XDG_RUNTIME_DIR="$work/state" XDG_CACHE_HOME="$work/state" XDG_CONFIG_HOME="$work/state" "$@"
}
before=$(lab_mirrored_packets)
lab_start sensor "$lab_sensor" bash -c "$(declare -f as_service); work=$work; as_service \"\$@\"" - "$gatetape" capture \
  --source if:gt-mirror --hostile "$work/hostile.txt" --store "$work/state/store" --summary "$work/state/summary.json"
sensor=$lab_started
lab_wait_until 60 "readiness" said '^READY=1'
[[ $(head -1 "$work/said") == READY=1 ]] || { echo "the first word is not READY=1"; exit 1; }
program=$(pgrep -P "$sensor" -x gatetape || echo "$sensor")
grep -q '^CapEff:.*0000000000002000$' "/proc/$program/status" || { echo "it has other capabilities"; exit 1; }

(lab_load 4 10 repeat 5) &
load=$!
has_traffic() { (($(lab_mirrored_packets) > before + 2000)); }
lab_wait_until 10 "traffic" has_traffic
echo "192.0.2.0/24" >"$work/hostile.txt"
kill -USR2 "$program"
lab_wait_until 10 "the reload" said '^RELOADING=1'
lab_wait_until 10 "the watchdog" said '^WATCHDOG=1'
wait "$load"
lab_wait_until 10 "the mirror to fall silent" mirror_is_quiet
offered=$(($(lab_mirrored_packets) - before))
kill -TERM "$program"
lab_stop "$sensor" CONT 60
said '^STOPPING=1' || { echo "it did not say that it stops"; exit 1; }
compare account "$work/state/summary.json" --offered "$offered" --offered-max "$offered"
jq -e '.account.stored > 1000 and .account.filtered.not_hostile > 1000' "$work/state/summary.json" >/dev/null ||
  { echo "the reload had no effect"; jq -c .account "$work/state/summary.json" | cut -c1-400; exit 1; }
lab_stop "$listener" TERM || true

# Without the capability it says what is missing, and how it is given.
lab_start sensor "$lab_sensor" setpriv --reuid nobody --regid nogroup --clear-groups "$gatetape" capture --source if:gt-mirror
if wait "$lab_started"; then echo "it recorded without rights"; exit 1; fi
grep -q 'needs root or CAP_NET_RAW: .*setcap cap_net_raw' "$lab_dir/sensor.err" || { cat "$lab_dir/sensor.err"; exit 1; }
