//! A script that fails, made shorter: what can be left out is left out.

use std::time::{Duration, Instant};

/// Leaves out parts of a script, large ones first, for as long as what remains still fails and time is left.
pub async fn shrink<T: Clone>(script: &[T], time: Duration, fails: impl AsyncFn(&[T]) -> bool) -> Vec<T> {
    let until = Instant::now() + time;
    let mut script = script.to_vec();
    let mut part = script.len() / 2;
    while part > 0 {
        let mut from = 0;
        while from < script.len() && Instant::now() < until {
            let to = (from + part).min(script.len());
            let rest = [&script[..from], &script[to..]].concat();
            if fails(&rest).await {
                script = rest;
            } else {
                from = to;
            }
        }
        part /= 2;
    }
    script
}

/// A script as one reads it.
pub fn story<T: std::fmt::Debug>(script: &[T]) -> String {
    script.iter().enumerate().map(|(n, step)| format!("{n:>4}  {step:?}\n")).collect()
}

#[tokio::test]
async fn a_failing_script_is_cut_to_what_fails() {
    let script: Vec<u32> = (0..100).collect();
    let fails = async |script: &[u32]| script.contains(&17) && script.contains(&63);
    assert_eq!(shrink(&script, Duration::from_secs(5), fails).await, [17, 63]);
}
