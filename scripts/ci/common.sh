# Sourced by the scripts here: where the program is, and what else they need.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
export PATH="$PATH:/usr/sbin:/sbin"

say() { printf 'pawslab: %s\n' "$*" >&2; }

# need PACKAGE...: Debian's, installed where that is possible.
need() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" -ne 0 ]; then
    say "missing packages: as root, apt-get install ${missing[*]}"
    exit 2
  fi
  say "installing ${missing[*]}"
  apt-get update -qq
  # Their services are not to start (invoke-rc.d(8)).
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}

# The program: PAWSLAB, else the release build, else what is on PATH.
pawslab=${PAWSLAB:-$repository/.build/release/pawslab}
[ -x "$pawslab" ] || pawslab=$(command -v pawslab) || { say "no pawslab: scripts/run builds it, or set PAWSLAB"; exit 2; }
export PAWSLAB_LAB=${PAWSLAB_LAB:-$repository/lab}
