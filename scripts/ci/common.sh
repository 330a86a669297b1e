# Sourced by the scripts here: where the program is, and what else they need.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
export PATH="$PATH:/usr/sbin:/sbin"

# shellcheck source=../packages.sh
. "$repository/scripts/packages.sh"

# The program: PAWSLAB, else the release build, else what is on PATH.
pawslab=${PAWSLAB:-$repository/.build/release/pawslab}
[ -x "$pawslab" ] || pawslab=$(command -v pawslab) || { say "no pawslab: scripts/run builds it, or set PAWSLAB"; exit 2; }
export PAWSLAB_LAB=${PAWSLAB_LAB:-$repository/lab}
