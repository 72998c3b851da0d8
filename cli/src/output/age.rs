//! Ages as kubectl prints them: `59s`, `5m30s`, `3h12m`, `2d4h`.

/// The time from `since_ms` to `now_ms`, in kubectl's `HumanDuration` form. A time up to two seconds ahead counts as now.
pub(crate) fn age(since_ms: i64, now_ms: i64) -> String {
    let seconds = now_ms.saturating_sub(since_ms).div_euclid(1000);
    if seconds < -2 { "<invalid>".to_owned() } else { human(seconds.max(0).unsigned_abs()) }
}

/// A span in whole seconds, to two units at most.
pub(crate) fn human(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit}{small}{small_unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_kubectl_prints_them() {
        for (seconds, expect) in [
            (0, "0s"),
            (59, "59s"),
            (119, "119s"),
            (120, "2m"),
            (330, "5m30s"),
            (600, "10m"),
            (10_799, "179m"),
            (11_520, "3h12m"),
            (28_800, "8h"),
            (172_800, "2d"),
            (187_200, "2d4h"),
            (691_200, "8d"),
            (63_072_000, "2y"),
            (63_158_400, "2y1d"),
            (u64::MAX, "584942417355y"),
        ] {
            assert_eq!(human(seconds), expect);
        }
    }

    #[test]
    fn a_clock_slightly_ahead_counts_as_now() {
        assert_eq!(age(1_500, 0), "0s");
        assert_eq!(age(10_000, 0), "<invalid>");
        assert_eq!(age(0, 61_000), "61s");
    }
}
