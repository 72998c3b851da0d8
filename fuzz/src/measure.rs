//! What one input costs: time, and memory at its peak.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::Target;

/// Longest that any input may take.
pub const LIMIT_TIME: Duration = Duration::from_millis(100);
/// Most that any input may add to the process's peak of memory, in KiB.
pub const LIMIT_KIB: u64 = 64 * 1024;
/// Inputs between two looks at the peak. It never falls, so that none is missed between them.
const LOOK: u64 = 512;
/// How often a slow input is tried again: another process may have had the processor.
const TRIES: usize = 5;

/// The most that inputs took.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    /// Time of the slowest.
    slowest: Duration,
    /// Growth of the peak of memory, KiB.
    growth_kib: u64,
}

#[derive(Default)]
struct State {
    inputs: u64,
    told: Cost,
    last_kib: Option<u64>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// The process's peak of resident memory, in KiB (`VmHWM`); 0 where the kernel does not say.
#[must_use]
pub fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Checks one input. The time is that of the fastest of several tries when the first was slow.
fn cost(check: impl Fn(&[u8]), bytes: &[u8]) -> Duration {
    let mut fastest = Duration::MAX;
    for _ in 0..TRIES {
        let since = Instant::now();
        check(bytes);
        fastest = fastest.min(since.elapsed());
        if fastest < LIMIT_TIME / 4 {
            break;
        }
    }
    fastest
}

/// Checks one input of a long run in this process, holds it against the limits, and tells new records on stderr as
/// `record: slowest_us=… growth_kib=…`.
///
/// # Panics
/// A property is violated, the input is too slow, or the last few hundred inputs took too much memory.
pub fn run(target: &Target, bytes: &[u8]) {
    let took = cost(target.check, bytes);
    assert!(took <= LIMIT_TIME, "{}: an input took {took:?}", target.name);
    STATE.with_borrow_mut(|state| {
        state.inputs += 1;
        let mut now = Cost { slowest: took.max(state.told.slowest), ..state.told };
        if state.inputs % LOOK == 1 {
            let peak = peak_kib();
            let growth = peak.saturating_sub(state.last_kib.replace(peak).unwrap_or(peak));
            assert!(growth <= LIMIT_KIB, "{}: inputs took {growth} KiB more than any before them", target.name);
            now.growth_kib = now.growth_kib.max(growth);
        }
        if now.slowest > state.told.slowest * 5 / 4 || now.growth_kib > state.told.growth_kib {
            eprintln!("record: slowest_us={} growth_kib={}", now.slowest.as_micros(), now.growth_kib);
            state.told = now;
        }
    });
}
