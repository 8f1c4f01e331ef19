#!/usr/bin/env bash
# Builds Gatetape, or the named ninja targets, in build/. First installs the Debian packages that it needs.
# usage: build.sh [TARGET...]      environment: BUILD_DIR=build, MESON_OPTIONS for a build directory not yet set up
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD_DIR:-build}
scripts/setup.sh --build-only
if [[ ! -e $build/build.ninja ]]; then
  if [[ -z ${CXX:-} ]] && command -v ccache >/dev/null; then export CXX="ccache g++"; fi
  # shellcheck disable=SC2086
  meson setup "$build" ${MESON_OPTIONS:-}
fi
CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$PWD ninja -C "$build" "$@"
