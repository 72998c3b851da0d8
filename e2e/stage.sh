# What both demos stand on; sourced, with the demo's name, which is that of its make target.
set -euo pipefail
demo=$1
bin=${MAAS_BIN:?run it with: make $demo}
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/maas-$demo.XXXXXX")
began=$SECONDS
bold=$(tput bold 2>/dev/null || true) dim=$(tput dim 2>/dev/null || true) plain=$(tput sgr0 2>/dev/null || true)

say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
show() { printf '%s$ %s%s\n' "$dim" "$*" "$plain"; }
run() { show "$@"; "$@"; }
fail() { printf '%s failed: %s (what happened: %s)\n' "$demo" "$1" "$work" >&2; exit 1; }
# Waits until a command succeeds, at most so many seconds.
until_true() { local end=$((SECONDS + $1)); shift; until "$@" >/dev/null 2>&1; do ((SECONDS < end)) || return 1; sleep 0.1; done; }

cleanup() {
  status=$?
  trap - EXIT
  for pid in ${caller:-} ${watcher:-} ${pipeline:-} ${cluster:-}; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  if [ $status -eq 0 ]; then rm -rf "$work"; else echo "$demo: logs are in $work" >&2; tail -n 15 "$work"/*.log >&2 || true; fi
  exit $status
}
trap cleanup EXIT

# Starts a cluster with these options, within so many seconds, and waits until it is ready.
start_cluster() {
  local patience=$1
  shift
  mkfifo "$work/ready"
  "$bin/cluster" up "$@" --dir "$work/cluster" >"$work/ready" 2> >(tee "$work/cluster.log" >&2) < <(exec tail -f /dev/null) &
  cluster=$!
  read -r -t "$patience" ready <"$work/ready" || fail "the cluster did not start"
  HADOOP_CONF_DIR=$(field conf_dir) HADOOP_USER_NAME=root
  export HADOOP_CONF_DIR HADOOP_USER_NAME
}

# What the cluster said of itself when it was ready.
field() { python3 -c 'import json,sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$ready" "$1"; }

# Ends the cluster, sees that nothing is left of it, and says what was done.
end_cluster() {
  kill "$cluster"; wait "$cluster" 2>/dev/null || true; cluster=
  local left
  left=$(for p in /proc/[0-9]*; do
    { tr '\0' ' ' <"$p/cmdline"; readlink "$p/cwd"; } 2>/dev/null | grep -q "$work/cluster/" && echo "${p#/proc/}"
  done || true)
  [ -z "$left" ] || fail "processes are left: $left"
  printf '\n%sdone in %d s: %s; nothing is left.%s\n' "$bold" $((SECONDS - began)) "$1" "$plain"
}
