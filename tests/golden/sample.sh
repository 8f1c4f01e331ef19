#!/usr/bin/env bash
# The spine on a real capture of 130,000 packets: everything is stored and comes back as it was, in its order; the HTTP
# log equals tshark's; an expression selects what tcpdump selects.
# usage: sample.sh GATETAPE      needs samples/ingress-lab.pcap.zst in $GATETAPE_SHARED (default: ../shared)
set -euo pipefail
gatetape=$1
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
sample=${GATETAPE_SHARED:-$project/../shared}/samples/ingress-lab.pcap.zst
[[ -e $sample ]] || { echo "skipped: no $sample"; exit 77; }
for tool in zstd tshark tcpdump jq python3; do
  command -v "$tool" >/dev/null || { echo "skipped: needs $tool"; exit 77; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/gatetape-sample.XXXXXX")
trap 'rm -r "$work"' EXIT

wrong=0
expect() {  # expect WHAT ACTUAL EXPECTED
  if [[ $2 == "$3" ]]; then echo "$1: $2"; else echo "WRONG: $1: $2, expected $3"; wrong=1; fi
}

zstd -q -d "$sample" -o "$work/sample.pcap"
"$gatetape" capture --source "pcap:$work/sample.pcap" --ingress 10.9.0.100 --rules "$project/scripts/lab/demo.rules" \
  --eve "$work/eve.json" --store "$work/store" --summary "$work/summary.json"
expect "packets received" "$(jq .account.received "$work/summary.json")" 130000
expect "packets stored" "$(jq .account.stored "$work/summary.json")" 130000
expect "HTTP requests" "$(jq .http "$work/summary.json")" 16694
expect "account balances" "$(jq .account.balances_with_ports "$work/summary.json")" true

tshark -r "$work/sample.pcap" -Y http.request -T fields -e frame.number -e tcp.srcport -e http.request.method \
  -e http.host -e http.request.uri 2>/dev/null >"$work/requests"
tshark -r "$work/sample.pcap" -Y http.response -T fields -e http.request_in -e http.response.code 2>/dev/null \
  >"$work/responses"
python3 "$here/compare_http.py" "$work/requests" "$work/responses" "$work/eve.json" || wrong=1

"$gatetape" extract --store "$work/store" --format pcap -w "$work/all.pcap"
python3 "$project/tests/support/compare.py" packets "$work/sample.pcap" "$work/all.pcap" || wrong=1

# The busiest connection, as an alert or a record would name it.
read -r address port < <(jq -rs 'map(select(.event_type == "flow" and .proto == "TCP")) |
  max_by(.flow.pkts_toserver) | "\(.src_ip) \(.src_port)"' "$work/eve.json")
for expression in "host $address and port $port" "tcp[tcpflags] & tcp-syn != 0" "src host 10.9.0.100 and greater 1000"; do
  tcpdump -r "$work/sample.pcap" -w "$work/theirs.pcap" "$expression" 2>/dev/null
  "$gatetape" extract --store "$work/store" --format pcap -w "$work/ours.pcap" "$expression"
  echo "expression: $expression"
  python3 "$project/tests/support/compare.py" packets "$work/theirs.pcap" "$work/ours.pcap" || wrong=1
done

# A part of the file, with its part of the account: the first whole second in it.
begin=$(tshark -r "$work/sample.pcap" -c 1 -T fields -e frame.time_epoch 2>/dev/null)
begin=$((${begin%.*} + 1))
tshark -r "$work/sample.pcap" -w "$work/theirs.pcap" -F pcap \
  -Y "frame.time_epoch >= $begin && frame.time_epoch < $((begin + 1))" 2>/dev/null
"$gatetape" extract --store "$work/store" --format pcap -w "$work/ours.pcap" --statement "$work/statement.json" \
  --since "$(date -u -d "@$begin" +%FT%TZ)" --until "$(date -u -d "@$((begin + 1))" +%FT%TZ)"
python3 "$project/tests/support/compare.py" packets "$work/theirs.pcap" "$work/ours.pcap" || wrong=1
expect "a second of it is" "$(jq -r .completeness "$work/statement.json")" complete
in_second=$(jq .packets "$work/statement.json")
expect "its account covers it" "$(jq ".account.received >= $in_second and .account.received < 130000" "$work/statement.json")" true
expect "and balances" "$(jq '.account.received == .account.stored' "$work/statement.json")" true
exit "$wrong"
