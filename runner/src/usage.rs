//! What the container's processes use, for `maasctl top`.
//!
//! The file `runner.usage` of the log directory holds the last two samples, the older first, a line
//! `MILLISECONDS MEMORY-BYTES CPU-MILLISECONDS` each. The NodeManager serves it with the logs; its own metrics of a
//! running container are off by default (`yarn.nodemanager.container-metrics.period-ms` is -1). Memory is the sum of
//! the resident sets, which is what YARN holds against the container's limit (`ProcfsBasedProcessTree`).

use std::path::Path;
use std::time::Duration;

use rustix::process::getpid;
use tokio::time::sleep;

use crate::process;
use crate::report::now_ms;

/// The file's name in the log directory.
const FILE: &str = "runner.usage";
/// Before the first sample, since a model's start has better use for the time, and between it and the second.
const FIRST: Duration = Duration::from_secs(1);
/// Between any later two.
const EVERY: Duration = Duration::from_secs(10);

/// Of CPU time in /proc on every kernel that Rust runs on (USER_HZ), in a second.
const TICKS: u64 = 100;

/// Samples until it is dropped. What can't be read or written is left out.
pub async fn keep(directory: &Path) {
    let (file, next) = (directory.join(FILE), directory.join(format!("{FILE}.next")));
    let mut before = String::new();
    let mut wait = FIRST;
    sleep(FIRST).await;
    loop {
        let (mut memory, mut used) = (0_u64, 0_u64);
        for pid in std::iter::once(getpid()).chain(process::descendants_in_short()) {
            let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", pid.as_raw_nonzero()));
            memory = memory.saturating_add(read("status").ok().and_then(|text| resident(&text)).unwrap_or(0));
            used = used.saturating_add(read("stat").ok().and_then(|line| ticks(&line)).unwrap_or(0));
        }
        let line = format!("{} {} {}\n", now_ms(), memory, used.saturating_mul(1000 / TICKS));
        // Readers see the old file or the new one.
        let _ = std::fs::write(&next, format!("{before}{line}")).and_then(|()| std::fs::rename(&next, &file));
        before = line;
        sleep(wait).await;
        wait = EVERY;
    }
}

/// CPU time in ticks, that of reaped children included. proc(5): behind the name stand the fields from `state` (3) on;
/// utime, stime, cutime and cstime are 14 to 17.
fn ticks(line: &str) -> Option<u64> {
    let (_, after) = line.rsplit_once(')')?;
    let mut columns = after.split_ascii_whitespace().skip(14 - 3);
    (0..4).try_fold(0_u64, |sum, _| Some(sum.saturating_add(u64::try_from(columns.next()?.parse::<i64>().ok()?).ok()?)))
}

/// The resident set in bytes; proc(5), `/proc/pid/status`.
fn resident(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_from_behind_the_name() {
        let line = "7 (a ) b) S 1 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 5 0 99 1000000 250 18446744073709551615";
        assert_eq!(ticks(line), Some(100));
        for broken in ["", "7 (x", "7 (x) S 1 2"] {
            assert_eq!(ticks(broken), None);
        }
        assert_eq!(resident("Name:\tx\nVmRSS:\t    12 kB\n"), Some(12 * 1024));
        assert_eq!(resident("Name:\tkthreadd\n"), None);
    }

    #[tokio::test]
    async fn the_file_holds_two_samples_of_this_process() {
        let dir = tempfile::tempdir().unwrap();
        let kept = tokio::spawn({
            let path = dir.path().to_owned();
            async move { keep(&path).await }
        });
        let text = tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap_or_default();
                if text.lines().count() == 2 {
                    return text;
                }
                sleep(Duration::from_millis(20)).await;
            }
        });
        let text = text.await.unwrap();
        kept.abort();
        let samples: Vec<Vec<u64>> =
            text.lines().map(|line| line.split(' ').map(|word| word.parse().unwrap()).collect()).collect();
        assert!(samples[0][0] < samples[1][0] && samples[0][1] > 100_000, "{text}");
    }
}
