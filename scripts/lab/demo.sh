#!/usr/bin/env bash
# The demo behind 'scripts/run.sh' without arguments. Needs root.
# usage: demo.sh GATETAPE      environment: DEMO_SECONDS=8 of load
set -euo pipefail
gatetape=$1 seconds=${DEMO_SECONDS:-8}
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lab/lab.sh
source "$here/lab.sh"

heading() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[[ -t 1 ]] || heading() { printf '\n== %s\n' "$*"; }
explain() { printf '%s\n' "$*" | fold -s -w 110; }
# Prints a command as a user would type it, then runs it.
show() { typed "$@"; "$@"; }
typed() {
  local word line='$'
  for word in "${@/#$gatetape/gatetape}"; do
    if [[ $word == *[[:space:]\|]* ]]; then line+=" '$word'"; else line+=" $word"; fi
  done
  printf '%s\n' "$line"
}
# Prints the first lines of its input and reads the rest, so that the writer is not cut off.
first() { awk -v lines="$1" 'NR <= lines; END { if (NR > lines) printf "  ... and %d more\n", NR - lines }'; }

if ! reason=$(lab_possible); then
  echo "The demo cannot run here: it $reason." >&2
  exit 1
fi
results=$(mktemp -d "${TMPDIR:-/tmp}/gatetape-demo.XXXXXX")
finish() {
  local code=$?
  trap - EXIT
  lab_destroy
  if ((code != 0)); then
    echo "The demo ended early (exit code $code). The sensor printed:" >&2
    cat "$results/lab/sensor.err" >&2 || true
    echo "Its files are in $results" >&2
  fi
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

heading "1. An ingress with a mirror port"
lab_create "$results/lab"
lab_nginx repeat
explain "nginx serves $lab_server_address in a network namespace, clients come from $lab_client_address in another. A" \
  "cable of its own carries a copy of every packet that nginx receives and sends, as a switch's SPAN port would:" \
  "its far end is the interface gt-mirror, in a third namespace, where the sensor listens."

heading "2. The sensor records the mirror through DPDK"
store=$results/store
sensor=("$gatetape" capture --source if:gt-mirror --ingress "$lab_server_address" --store "$store"
  --rules "$here/demo.rules" --eve "$results/eve.json" --summary "$results/summary.json")
typed "${sensor[@]}"
lab_start_sensor "${sensor[@]}"
cat "$lab_dir/sensor.err"

heading "3. Traffic: $seconds seconds of load, and ten requests that somebody should know about"
ip netns exec "$lab_client" "$here/attacks.sh" "$lab_server_address" &
attacks=$!
# These connections to a neighbour of the ingress are on the mirror but must not be recorded.
ip -n "$lab_server" addr add 10.9.0.200/16 dev gt-server
for _ in 1 2 3; do
  ip netns exec "$lab_client" curl --silent --max-time 2 --output /dev/null http://10.9.0.200/ || true  # refused
done
lab_load "$seconds" 20 repeat 5
wait "$attacks"
explain "wrk got $lab_requests answers; nginx logged $(wc -l <"$lab_dir/access.log") requests, the ten included." \
  "$(lab_mirrored_packets) packets were sent into the mirror, some of them of connections to 10.9.0.200, which is not the" \
  "ingress."
lab_stop "$lab_sensor_pid" INT 60

heading "4. The account: where every packet went"
explain "Ctrl-C (SIGINT) ended the sensor; it then prints:"
sed '1,/^gatetape: recording/d' "$lab_dir/sensor.err"
explain "The same for programs, with every cause (summary.json has more):"
show jq --compact-output '.account | .ports, {received, stored, filtered, dropped, in_flight, balances}' "$results/summary.json"

heading "5. Alerts"
explain "Signatures that fired, most frequent first:"
jq -r 'select(.event_type == "alert") | "\(.alert.signature_id)  \(.alert.signature)"' "$results/eve.json" |
  sort | uniq -c | sort -rn
show "$gatetape" search --store "$store" alerts | first 12

heading "6. The HTTP log"
show "$gatetape" search --store "$store" http | first 12
explain "Most requested:"
jq -r 'select(.event_type == "http") | "\(.http.status) \(.http.http_method) \(.http.hostname)\(.http.url | sub("[?].*"; ""))"' \
  "$results/eve.json" | sort | uniq -c | sort -rn | first 5

heading "7. The connection behind one alert"
# Addresses and ports of the first Log4Shell alert, as an expression for extract.
read -r client client_port server server_port < <(jq -r 'select(.event_type == "alert" and .alert.signature_id == 9000004) |
  "\(.src_ip) \(.src_port) \(.dest_ip) \(.dest_port)"' "$results/eve.json" | first 1)
show "$gatetape" extract --store "$store" "host $client and port $client_port and host $server and port $server_port" \
  -w "$results/alert.pcapng"
explain "tshark reads it:"
tshark -r "$results/alert.pcapng" 2>/dev/null
tshark -r "$results/alert.pcapng" -q -z follow,http,ascii,0 2>/dev/null | first 30

heading "Left in $results"
explain "store/ (the recording; try: gatetape stats --store $store), eve.json, summary.json, alert.pcapng, and lab/ (the output of" \
  "nginx, wrk and the sensor). The namespaces are removed."
