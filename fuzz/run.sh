#!/bin/bash
# Fuzzes every target, two at a time, for FUZZ_SECONDS in total (600). FUZZ_SEED makes the choices the same again.
# One line a target and the total; fails on a violated property, an input above 100 ms, or one above 64 MiB.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
seconds=${FUZZ_SECONDS:-600}
export seed=${FUZZ_SEED:-1}
jobs=2
host=$(rustc -vV | sed -n 's/^host: //p')
built=$PWD/target/fuzz
export work=$built/run
rm -rf "$work"
mkdir -p "$work"

# Coverage for libFuzzer, by the stable compiler; --target keeps build scripts free of it.
coverage="--cfg fuzzing -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4
  -C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table
  -C llvm-args=-sanitizer-coverage-trace-compares -C codegen-units=1 -C overflow-checks=on -C debug-assertions=on"
RUSTFLAGS=$(echo $coverage) ${CARGO:-cargo} bench --no-run --locked -p maas-fuzz --benches --target "$host" --target-dir "$built" \
    --message-format=json-render-diagnostics |
    sed -n 's/.*"kind":\["bench"\].*"name":"fuzz_\([a-z]*\)".*"executable":"\([^"]*\)".*/\1 \2/p' >"$work/targets" || exit 1
targets=$(wc -l <"$work/targets")
[ "$targets" -gt 0 ] || exit 1
export each=$((seconds * jobs / targets))

# The corpus in the repository is only read: what is found goes to the first folder.
fuzz() {
    mkdir -p "$work/$1/found"
    # Longer ones stand among the hostile files.
    case $1 in
        paths | quantities | legacy) longest=256 ;;
        *) longest=2048 ;;
    esac
    "$2" "$work/$1/found" "fuzz/corpus/$1" "fuzz/hostile/$1" -max_total_time="$each" -seed="$seed" -max_len=$longest \
        -len_control=20 -print_final_stats=1 -artifact_prefix="$work/$1/" -rss_limit_mb=1024 -timeout=10 \
        >"$work/$1.log" 2>&1
    code=$?
    awk -v target="$1" -v code=$code '
        /^stat::number_of_executed_units/ { runs = $2 }
        /^stat::average_exec_per_sec/ { rate = $2 }
        /^stat::peak_rss_mb/ { rss = $2 }
        /^record:/ { split($2, s, "="); split($3, g, "="); slowest = s[2]; growth = g[2] }
        END { printf "target=%-12s executions=%-10d per_second=%-8d panics=%d slowest_ms=%.1f growth_mib=%.1f peak_mib=%d\n",
                  target, runs, rate, code != 0, slowest / 1000, growth / 1024, rss }' "$work/$1.log" | tee -a "$work/lines"
    [ $code -eq 0 ] || { grep -h -A3 'panicked at\|ERROR: libFuzzer' "$work/$1.log" | cut -c1-400 | head -12
        echo "the input: $(ls "$work/$1"/*-* 2>/dev/null | tail -1), the log: $work/$1.log"; } >&2
    return $code
}
export -f fuzz
failed=0
xargs -P $jobs -L 1 bash -c 'fuzz "$0" "$1"' <"$work/targets" || failed=1
awk -v seconds="$seconds" -v seed="$seed" '
    { for (i = 1; i <= NF; i++) { split($i, pair, "="); v[pair[1]] = pair[2] } runs += v["executions"]; panics += v["panics"]
      if (v["slowest_ms"] > slowest) slowest = v["slowest_ms"]; if (v["growth_mib"] > growth) growth = v["growth_mib"] }
    END { printf "total: targets=%d executions=%d seconds=%d seed=%d panics=%d slowest_ms=%.1f growth_mib=%.1f\n",
              NR, runs, seconds, seed, panics, slowest, growth }' "$work/lines"
exit $failed
