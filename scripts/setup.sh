#!/usr/bin/env bash
# Installs the Debian 12 packages that building, testing and showing Gatetape needs. Asks for root (sudo) only when
# something is missing; a second run changes nothing.
# usage: setup.sh [--build-only | --all]
#   --build-only   only the packages for compiling
#   --all          also packages for developers: ccache, clang and libFuzzer, perf
set -euo pipefail

build_packages=(build-essential meson ninja-build pkgconf
  libdpdk-dev libpcap-dev libhyperscan-dev libzstd-dev liblz4-dev catch2 libpcre2-dev zlib1g-dev
  libssl-dev libseccomp-dev libfmt-dev libsimdjson-dev libexpected-dev libxxhash-dev)
# The demo and the live tests make and watch an ingress with these, and compare results with these tools.
demo_packages=(nginx-light wrk curl tcpdump tshark ethtool iproute2 openssl zstd jq python3)
check_packages=(git clang-format shellcheck)
developer_packages=(ccache clang libclang-rt-14-dev linux-perf)

case "${1:-}" in
  "") packages=("${build_packages[@]}" "${demo_packages[@]}" "${check_packages[@]}") ;;
  --build-only) packages=("${build_packages[@]}") ;;
  --all) packages=("${build_packages[@]}" "${demo_packages[@]}" "${check_packages[@]}" "${developer_packages[@]}") ;;
  -h | --help) sed -n '2,6s/^# //p' "$0"; exit 0 ;;
  *) echo "setup.sh: unknown option $1 (see --help)" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup.sh: this is not Debian; Gatetape is built on Debian 12 with these packages: ${packages[*]}" >&2
  exit 1
fi

# dpkg-query fails for names that it never heard of, and still answers for the others.
installed=" $(dpkg-query -W -f '${Package}=${db:Status-Status} ' "${packages[@]}" nginx 2>/dev/null || true)"
missing=()
for package in "${packages[@]}"; do
  [[ $installed == *" $package=installed "* ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

echo "setup.sh: installing ${missing[*]}"
as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || { echo "setup.sh: run as root, or install: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300)

# Debian starts a web server as soon as it is installed. The lab runs one of its own, in a network namespace, so the
# system's must neither start now nor at the next boot; one that was here before is left as it is.
policy=/usr/sbin/policy-rc.d
restore_policy() {
  "${as_root[@]}" rm -f "$policy"
  if [[ -e $policy.before-gatetape ]]; then "${as_root[@]}" mv "$policy.before-gatetape" "$policy"; fi
}
nginx_is_new=false
if [[ " ${missing[*]} " == *" nginx-light "* && $installed != *" nginx=installed "* ]]; then
  nginx_is_new=true
  if [[ -e $policy && ! -e $policy.before-gatetape ]]; then "${as_root[@]}" mv "$policy" "$policy.before-gatetape"; fi
  trap restore_policy EXIT
  printf '#!/bin/sh\n# Set by Gatetape'\''s setup.sh while it installs nginx: start no service.\nexit 101\n' |
    "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
fi

"${apt[@]}" update
"${apt[@]}" install --no-install-recommends "${missing[@]}"

if $nginx_is_new; then
  if command -v systemctl >/dev/null; then
    "${as_root[@]}" systemctl --quiet disable nginx.service
  elif command -v update-rc.d >/dev/null; then
    "${as_root[@]}" update-rc.d nginx disable
  fi
fi
