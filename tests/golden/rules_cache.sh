#!/usr/bin/env bash
# Loading the same rules twice, as a user does: the second time nothing is compiled, and nothing else is different.
# usage: rules_cache.sh GATETAPE
set -euo pipefail
gatetape=$1
rules=$(cd "$(dirname "$0")/../.." && pwd)/scripts/lab/demo.rules
command -v jq >/dev/null || { echo "skipped: needs jq"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/gatetape-rules-cache.XXXXXX")
trap 'rm -r "$work"' EXIT

wrong=0
expect() {  # expect WHAT ACTUAL EXPECTED
  if [[ $2 == "$3" ]]; then echo "$1: $2"; else echo "WRONG: $1: $2, expected $3"; wrong=1; fi
}
check() { "$gatetape" rules check --json "$@" "$rules"; }
not_compiled() { jq '.databases == .databases_cached and .databases > 0' "$1"; }

check --rules-cache "$work/cache" >"$work/first"
check --rules-cache "$work/cache" >"$work/second"
expect "first: nothing compiled" "$(not_compiled "$work/first")" false
expect "second: nothing compiled" "$(not_compiled "$work/second")" true
other='del(.load_seconds, .databases_cached)'
expect "otherwise the same" "$(jq -c "$other" "$work/second")" "$(jq -c "$other" "$work/first")"

XDG_CACHE_HOME=$work/xdg check >/dev/null
expect "its own place" "$(find "$work/xdg/gatetape" -name '*.hsdb' | wc -l)" "$(find "$work/cache" -name '*.hsdb' | wc -l)"
XDG_CACHE_HOME=$work/none check --rules-cache off >"$work/off"
expect "off: cached" "$(jq .databases_cached "$work/off")" 0
expect "off: no directory" "$(test -e "$work/none" && echo there || echo none)" none

chmod 0777 "$work/cache"
check --rules-cache "$work/cache" >"$work/shared" 2>"$work/messages"
expect "a cache that others can write: cached" "$(jq .databases_cached "$work/shared")" 0
expect "a cache that others can write: said" "$(grep -c "$work/cache: belongs to another user or" "$work/messages")" 1
exit $wrong
