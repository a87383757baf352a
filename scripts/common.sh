# Shared by the scripts in this folder; sourced, never run.

# The checkout, whatever it is called and wherever the script was started from.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
command_name=$(basename "$0" .sh)

# What was downloaded or made from downloads, kept between checkouts. Safe to delete.
cache=${LLMC_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/llmc}

say() { printf '%s: %s\n' "$command_name" "$*" >&2; }

# die SENTENCE [STATUS]: the one sentence that says what failed.
die() {
  say "$1"
  exit "${2:-1}"
}

# Processes that compile at once: one a core, but at least 1 GiB of memory for each.
parallel_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
  if [ "${memory:-1}" -lt 1 ]; then memory=1; fi
  if [ "$memory" -lt "$cores" ]; then echo "$memory"; else echo "$cores"; fi
}

# configure PRESET: makes build/PRESET ready. A build folder that was moved here from elsewhere is made anew.
configure() {
  local build=$root/build/$1 home
  if [ -f "$build/CMakeCache.txt" ]; then
    home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$build/CMakeCache.txt")
    if [ "$home" != "$root" ]; then
      say "build/$1 was made for '$home'; making it anew"
      rm -rf "$build"
    fi
  fi
  mkdir -p "$build"
  if ! (cd "$root" && cmake --preset "$1") > "$build/configure.log" 2>&1; then
    grep -A 12 -m 1 'CMake Error' "$build/configure.log" >&2 || tail -n 20 "$build/configure.log" >&2
    die "configuring the build failed; the whole output is in build/$1/configure.log"
  fi
}

# build PRESET [TARGET...]
build() {
  local preset=$1
  shift
  cmake --build "$root/build/$preset" --parallel "$(parallel_jobs)" ${1:+--target "$@"} ||
    die "building failed; the first error is above"
}
