#!/usr/bin/env bash
# Asks systemd whether the units are right, and how much they may do: exposure below 2.0. And logrotate, sysusers and
# tmpfiles whether they understand their files.
# usage: check_units.sh GATETAPE UNIT...
set -euo pipefail
gatetape=$(realpath "$1")
shift
here=$(cd "$(dirname "$0")" && pwd)
command -v systemd-analyze >/dev/null || { echo "skipped: needs systemd-analyze (package systemd)"; exit 77; }
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
mkdir -p "$work/usr/bin" "$work/etc" "$work/units"
for unit in "$@"; do
  name=$(basename "$unit")
  # The program is where it was built; nothing is installed.
  sed -e "s|^ExecStart=[^ ]*|ExecStart=$gatetape|" "$unit" >"$work/units/$name"
  [[ $name != *@.service ]] || cp "$work/units/$name" "$work/units/${name/@/@eth1}"
done
for unit in "$work"/units/*; do
  [[ $unit != *@.service ]] || continue
  complaints=$(systemd-analyze verify --man=no "$unit" 2>&1 | grep -F "$(basename "$unit")" || true)
  [[ -z $complaints ]] || { echo "$complaints"; exit 1; }
  exposure=$(systemd-analyze security --offline=true "$unit" | sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p')
  echo "$(basename "$unit"): exposure $exposure"
  awk -v exposure="$exposure" 'BEGIN { exit !(exposure != "" && exposure < 2.0) }' || { echo "it is not below 2.0"; exit 1; }
done
if command -v systemd-sysusers >/dev/null; then
  touch "$work/etc/passwd" "$work/etc/group"
  systemd-sysusers --root="$work" --dry-run "$here/gatetape.sysusers" >/dev/null
fi
if command -v logrotate >/dev/null; then
  sed -e '/^ *su /d' "$here/gatetape.logrotate" >"$work/logrotate"
  chmod 644 "$work/logrotate"
  logrotate --debug --state "$work/state" "$work/logrotate" 2>&1 | grep -i '^error' && exit 1
fi
exit 0
