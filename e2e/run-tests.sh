#!/bin/bash
# Runs every test and counts them. Tests with daemons run one after another: they would only slow each other.
set -uo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
cargo test --locked --workspace --exclude maas-e2e --exclude maas-sim --all-features --no-fail-fast 2>&1 | tee "$log" || failed=1
# Thousands of simulated runs: ten times as fast when optimised.
cargo test --locked --release -p maas-sim --no-fail-fast 2>&1 | tee -a "$log" || failed=1
cargo test --locked -p maas-e2e --no-fail-fast -- --test-threads=1 --nocapture 2>&1 | tee -a "$log" || failed=1
# The bounds are for a machine that does nothing else; here they only say that there is an end.
CHAOS_SLACK=4 cargo test --locked -p maas-e2e --test chaos -- --quick 2>&1 | tee -a "$log" || failed=1
awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
     /^faults run=/ { split($2, run, "="); split($4, bad, "="); passed += run[2] - bad[2]; failed += bad[2] }
     END { printf "tests run: %d, passed: %d, failed: %d, ignored: %d\n", passed + failed, passed, failed, ignored }' "$log"
exit $failed
