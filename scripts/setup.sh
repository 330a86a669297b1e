# Sourced by scripts/run and scripts/test: finds Swift, installs the Debian packages that are missing.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PATH="$PATH:/usr/sbin:/sbin"

. "$repository/scripts/packages.sh"

find_swift() {
  command -v swift > /dev/null && return
  local place
  for place in /opt/swift/usr/bin /usr/share/swift/usr/bin "$HOME/.local/share/swiftly/bin" /usr/libexec/swift/bin; do
    if [ -x "$place/swift" ]; then
      PATH="$place:$PATH"
      return
    fi
  done
  say "no swift on PATH: install a Swift 6.2 or later toolchain"
  exit 2
}

# build ARGUMENT...: quiet unless it fails.
build() {
  local log
  log=$(mktemp)
  # What a target imports it must have declared; a warning on a user's other toolchain, an error in CI.
  local check=${PAWSLAB_STRICT:+--explicit-target-dependency-import-check=error}
  if ! swift build --package-path "$repository" ${check:+"$check"} "$@" > "$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    exit 3
  fi
  rm -f "$log"
}

# build_release: both programs, with Swift's runtime in them, so that the worker can be a guest's first process.
build_release() {
  local product
  for product in pawslab pawslab-worker; do
    build -c release --static-swift-stdlib -Xlinker -s --product "$product"
  done
  release=$(swift build --package-path "$repository" -c release --static-swift-stdlib -Xlinker -s --show-bin-path)
}

find_swift
install_packages libnl-3-dev libnl-route-3-dev libnl-genl-3-dev pkg-config iptables nftables iproute2
recommend qemu-system-x86 xz-utils zstd lz4
