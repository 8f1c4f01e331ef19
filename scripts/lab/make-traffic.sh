#!/usr/bin/env bash
# Makes a capture of real ingress traffic for the benchmarks: nginx and wrk in network namespaces, tcpdump at the mirror.
# usage: make-traffic.sh OUT [SECONDS=20] [CONNECTIONS=40 (3 for unique)] [repeat|proxy|unique|tls]
# Leaves OUT/traffic.pcap and OUT/access.log (nginx): each line of the log is one request in the capture.
set -euo pipefail
out=$1 seconds=${2:-20} mode=${4:-repeat}
connections=${3:-$([[ $mode == unique ]] && echo 3 || echo 40)}
# shellcheck source=scripts/lab/lab.sh
source "$(dirname "$0")/lab.sh"
if ! reason=$(lab_possible); then echo "make-traffic.sh: $reason" >&2; exit 1; fi
trap lab_destroy EXIT
trap 'exit 130' INT TERM
lab_create "$out"
lab_nginx "$mode"
lab_start tcpdump "$lab_sensor" tcpdump -i gt-mirror -s 0 -B 262144 -Z root -w "$lab_dir/traffic.pcap"
tcpdump=$lab_started
lab_wait_until 10 "tcpdump to listen" lab_packet_sockets 1
lab_load "$seconds" "$connections" "$mode"
sleep 1  # the kernel hands tcpdump what came last when its block timer, a second, runs out
lab_stop "$tcpdump" INT
cat "$lab_dir/wrk.log" "$lab_dir/tcpdump.err"
lab_stop "$lab_nginx_pid" QUIT
echo "$(wc -l <"$lab_dir/access.log") requests in $lab_dir/traffic.pcap, $(stat -c %s "$lab_dir/traffic.pcap") bytes"
