# shellcheck shell=bash disable=SC2034
# A small real ingress on this machine, for the demo, the live tests and the benchmarks; to be sourced. Needs root.
#
#   client namespace          server namespace                          sensor namespace
#   gt-client 10.9.0.1  ====  gt-server 10.9.0.100 (nginx)
#                                   | tc copies everything in and out
#                             gt-span  ===============================  gt-mirror   <- the sensor listens
#
# gt-span/gt-mirror is a SPAN port: a cable of its own, on which nothing but copies travels. Names of namespaces end in
# the pid of the script that made them, so that two runs never meet and what a killed run left can be told apart.
#
# lab_dir (where logs and configuration go) is set by lab_create; every process is started by lab_start and ended by
# its pid. Callers `trap lab_destroy EXIT`.

lab_client=gt-c-$$ lab_server=gt-s-$$ lab_sensor=gt-t-$$
lab_client_address=10.9.0.1 lab_server_address=10.9.0.100
lab_dir="" lab_started=0 lab_sensor_pid=0 lab_pids=()
lab_scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Succeeds when this machine can hold the lab. Otherwise prints the reason in one line.
lab_possible() {
  local tool
  if ((EUID != 0)); then echo "needs root (network namespaces)"; return 1; fi
  for tool in ip tc ethtool nginx wrk curl tcpdump python3 jq; do
    command -v "$tool" >/dev/null || { echo "needs $tool (scripts/setup.sh installs it)"; return 1; }
  done
  lab_remove_leftovers
  if ! ip netns add "$lab_sensor" 2>/dev/null; then echo "needs network namespaces, which this machine refuses"; return 1; fi
  local reason=""
  ip link add gt-span netns "$lab_sensor" type veth peer name gt-mirror netns "$lab_sensor" 2>/dev/null &&
    ip netns exec "$lab_sensor" tc qdisc add dev gt-span clsact 2>/dev/null ||
    reason="needs veth interfaces and tc's clsact, which this kernel lacks"
  ip netns del "$lab_sensor"
  [[ -z $reason ]] || { echo "$reason"; return 1; }
}

# Removes the namespaces of runs whose script is gone, with the processes still in them.
lab_remove_leftovers() {
  local name pid
  for name in $(ip netns list 2>/dev/null | grep -oE '^gt-[cst]-[0-9]+'); do
    [[ -d /proc/${name##*-} ]] && continue
    for pid in $(ip netns pids "$name"); do kill -KILL "$pid" 2>/dev/null || true; done
    ip netns del "$name"
  done
}

# lab_wait_until SECONDS WHAT COMMAND...: waits until the command succeeds.
lab_wait_until() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    if ((SECONDS >= deadline)); then echo "lab: gave up waiting for $what" >&2; return 1; fi
    sleep 0.05
  done
}

# lab_start NAME NAMESPACE COMMAND...: runs it in the background; output in lab_dir/NAME.log and NAME.err, pid in lab_started.
lab_start() {
  local name=$1 namespace=$2
  shift 2
  : >"$lab_dir/$name.err"  # now: whoever waits for a message must not find the last run's
  ip netns exec "$namespace" "$@" >"$lab_dir/$name.log" 2>"$lab_dir/$name.err" &
  lab_started=$!
  lab_pids+=("$lab_started")
}

lab_ended() { ! kill -0 "$1" 2>/dev/null; }

# lab_stop PID [SIGNAL=TERM] [SECONDS=30]: ends a process of lab_start and returns its exit code.
lab_stop() {
  local pid=$1 code=0
  kill -"${2:-TERM}" "$pid" 2>/dev/null || true
  lab_wait_until "${3:-30}" "process $pid to end" lab_ended "$pid" || kill -KILL "$pid"
  wait "$pid" || code=$?
  local rest=() other
  for other in "${lab_pids[@]}"; do [[ $other == "$pid" ]] || rest+=("$other"); done
  lab_pids=("${rest[@]}")
  return "$code"
}

# A merged super-frame is not what travelled on the wire: nothing may merge or split on any leg.
lab_offloads_off() {
  ip netns exec "$1" ethtool -K "$2" tso off gso off gro off tx off rx off >/dev/null 2>&1
}

# lab_link NAMESPACE INTERFACE NAMESPACE INTERFACE: a cable between two namespaces, both ends up.
lab_link() {
  ip link add "$2" netns "$1" type veth peer name "$4" netns "$3"
  lab_offloads_off "$1" "$2"
  lab_offloads_off "$3" "$4"
  ip -n "$1" link set "$2" up
  ip -n "$3" link set "$4" up
}

# lab_create DIR: namespaces, the cable between client and server, and the mirror.
lab_create() {
  local namespace direction
  lab_remove_leftovers
  lab_dir=$(realpath -m "$1")
  mkdir -p "$lab_dir"
  chmod 755 "$lab_dir"  # nginx's workers are not root
  for namespace in "$lab_client" "$lab_server" "$lab_sensor"; do
    ip netns add "$namespace"
    ip -n "$namespace" link set lo up
    # The kernel's own IPv6 neighbour traffic would stand on the mirror beside the copies.
    if [[ -d /proc/sys/net/ipv6 ]]; then
      ip netns exec "$namespace" tee /proc/sys/net/ipv6/conf/{all,default}/disable_ipv6 <<<1 >/dev/null
    fi
  done
  lab_link "$lab_client" gt-client "$lab_server" gt-server
  ip -n "$lab_client" addr add "$lab_client_address/16" dev gt-client
  ip -n "$lab_server" addr add "$lab_server_address/16" dev gt-server
  lab_link "$lab_server" gt-span "$lab_sensor" gt-mirror
  # A cable has one order. Packets that two CPUs delivered at once would have another order for each listener.
  ip netns exec "$lab_sensor" tee /sys/class/net/gt-mirror/queues/rx-0/rps_cpus <<<1 >/dev/null
  ip netns exec "$lab_server" tc qdisc add dev gt-server clsact
  for direction in ingress egress; do
    ip netns exec "$lab_server" tc filter add dev gt-server "$direction" protocol all u32 match u32 0 0 \
      action mirred egress mirror dev gt-span
  done
}

lab_destroy() {
  local pid namespace
  for pid in "${lab_pids[@]}"; do lab_stop "$pid" TERM 10 || true; done
  for namespace in "$lab_client" "$lab_server" "$lab_sensor"; do
    [[ -e /run/netns/$namespace ]] && ip netns del "$namespace"
  done
  return 0
}

# Prints how many packets left through the sending end of the mirror and were offered to the sensor.
lab_mirrored_packets() { ip -n "$lab_server" -s -j link show dev gt-span | jq '.[0].stats64.tx.packets'; }

# Prints how many packets went in and out at the server itself.
lab_server_packets() {
  ip -n "$lab_server" -s -j link show dev gt-server | jq '.[0].stats64 | .tx.packets + .rx.packets'
}

lab_listening() { ip netns exec "$lab_server" ss -Hltn "sport = :$1" | grep -q .; }

# lab_nginx [MODE=repeat]: a web server behind the mirror, see nginx-conf.sh for the modes. One line in lab_dir/access.log
# per request on the wire.
lab_nginx() {
  local mode=${1:-repeat} port=80
  [[ $mode == tls ]] && port=443
  "$lab_scripts/nginx-conf.sh" "$lab_dir" "$mode" "$lab_server_address" >"$lab_dir/nginx.conf"
  lab_start nginx "$lab_server" nginx -e "$lab_dir/nginx-error.log" -c "$lab_dir/nginx.conf" -g 'daemon off;'
  lab_nginx_pid=$lab_started
  lab_wait_until 20 "nginx to listen" lab_listening "$port"
}

# lab_load SECONDS [CONNECTIONS=20] [MODE=repeat] [PAUSE_MS=0]: real requests with wrk; sets lab_requests to the number
# that it saw answered. It stops asking a second before the end, so that none is cut off half way.
lab_load() {
  local seconds=$1 connections=${2:-20} mode=${3:-repeat} pause_ms=${4:-0} scheme=http
  [[ $mode == tls ]] && scheme=https
  GT_MODE=$mode GT_DIR=$lab_dir GT_SECONDS=$seconds GT_PAUSE_MS=$pause_ms ip netns exec "$lab_client" \
    wrk -t1 -c"$connections" -d"$((seconds + 1))s" -s "$lab_scripts/load.lua" "$scheme://$lab_server_address/" \
    >"$lab_dir/wrk.log"
  lab_requests=$(sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' "$lab_dir/wrk.log")
}

# lab_packet_sockets N: succeeds when at least N programs listen on the mirror.
lab_packet_sockets() {
  local index
  index=$(ip -n "$lab_sensor" -j link show dev gt-mirror | jq '.[0].ifindex')
  # shellcheck disable=SC2016
  ip netns exec "$lab_sensor" awk -v wanted="$index" -v least="$1" \
    'NR > 1 && $5 == wanted && $6 == 1 { found++ } END { exit found < least }' /proc/net/packet
}

# lab_start_sensor COMMAND...: starts the sensor and waits until it records; its pid is in lab_sensor_pid.
lab_start_sensor() {
  lab_start sensor "$lab_sensor" "$@"
  lab_sensor_pid=$lab_started
  lab_wait_until 60 "the sensor to record" lab_sensor_records_or_ended
  lab_sensor_records
}
lab_sensor_records() { grep -q 'gatetape: recording' "$lab_dir/sensor.err"; }
lab_sensor_records_or_ended() { lab_sensor_records || lab_ended "$lab_sensor_pid"; }
