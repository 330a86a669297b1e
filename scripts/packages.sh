# Sourced: says things, and installs Debian's packages.

say() { printf 'pawslab: %s\n' "$*" >&2; }

# missing PACKAGE...: those that dpkg does not know as installed, one a line.
missing() {
  local package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'ok installed' || printf '%s\n' "$package"
  done
}

# install_packages PACKAGE...: only what dpkg does not know as installed.
install_packages() {
  local missing
  mapfile -t missing < <(missing "$@")
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" -ne 0 ]; then
    say "missing packages: as root, apt-get install ${missing[*]}"
    exit 2
  fi
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}

# recommend PACKAGE...: what guests, or some tests, need; without it they are skipped, which is not for us to forbid.
recommend() {
  if [ "$(id -u)" -eq 0 ]; then
    install_packages "$@"
    return
  fi
  local missing
  mapfile -t missing < <(missing "$@")
  [ ${#missing[@]} -eq 0 ] || say "something is skipped without ${missing[*]}: as root, apt-get install ${missing[*]}"
}
