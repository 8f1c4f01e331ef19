#!/usr/bin/env bash
# Searches for inputs that break a parser: each tests/fuzz/NAME_fuzz.cc for some seconds, from its corpus.
# With clang and libFuzzer (scripts/setup.sh --all) guided by coverage; else random changes of the corpus, with g++.
# Both under the address and undefined-behaviour sanitizers. A finding is left in build-fuzz*/NAME/.
# usage: fuzz.sh [--seconds N=60] [NAME...]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=60 names=()
while (($#)); do
  case $1 in
    --seconds) seconds=$2; shift 2 ;;
    -h | --help) sed -n '2,5s/^# //p' "$0"; exit 0 ;;
    -*) echo "fuzz.sh: unknown option $1" >&2; exit 2 ;;
    *) names+=("$1"); shift ;;
  esac
done

sanitize="-Db_sanitize=address,undefined --buildtype=debugoptimized"
guided=false
if command -v clang++ >/dev/null; then
  probe=$(mktemp -d)
  echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' >"$probe/probe.cc"
  if clang++ -fsanitize=fuzzer,address "$probe/probe.cc" -o "$probe/probe" 2>/dev/null; then guided=true; fi
  rm -r "$probe"
fi
if $guided; then
  build="build-fuzz-clang"
  export CXX=clang++
  options="$sanitize -Db_lundef=false -Dlibfuzzer=true -Dcpp_args=-fsanitize=fuzzer-no-link"
else
  echo "fuzz.sh: no libFuzzer here (scripts/setup.sh --all installs it): random changes instead"
  build="build-fuzz"
  options=$sanitize
fi
targets=()
for name in "${names[@]}"; do targets+=("tests/fuzz/${name}_fuzz"); done
if ((${#targets[@]} == 0)); then targets=(fuzzers); fi
BUILD_DIR=$build MESON_OPTIONS=$options scripts/build.sh "${targets[@]}"
if ((${#names[@]} == 0)); then
  for program in "$build"/tests/fuzz/*_fuzz; do names+=("$(basename "$program" _fuzz)"); done
fi

# Whatever a forger writes into a store must not cost more than 256 MB; the sanitizers' own memory comes on top.
memory_mb() {
  case $1 in
    store_* | ledger | records) echo 448 ;;
    *) echo 4096 ;;
  esac
}
export ASAN_OPTIONS=quarantine_size_mb=16
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
failed=()
for name in "${names[@]}"; do
  echo "=== $name, $seconds s"
  found=$build/$name
  mkdir -p "$found"
  if $guided; then
    # New inputs go to the first directory; the corpus that is kept by hand is only read.
    "$build/tests/fuzz/${name}_fuzz" -max_total_time="$seconds" -timeout=10 -malloc_limit_mb=256 -rss_limit_mb="$(memory_mb "$name")" -print_final_stats=1 \
      -artifact_prefix="$found/" "$found" "tests/fuzz/corpus/$name" >"$found/log" 2>&1 || failed+=("$name")
  else
    "$build/tests/fuzz/${name}_fuzz" --seconds "$seconds" "tests/fuzz/corpus/$name" >"$found/log" 2>&1 || failed+=("$name")
  fi
  tail -n 3 "$found/log"
done
for name in "${failed[@]}"; do echo "fuzz.sh: $name failed, see $build/$name/log"; done
((${#failed[@]} == 0))
