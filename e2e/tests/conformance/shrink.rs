//! A script that fails, made shorter: what can be left out is left out. What remains fails for the same reason.

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

/// What a disagreement is about: its words up to what either side says, and of a refusal that too; without numbers,
/// which depend on the run.
pub fn gist(what: &str) -> String {
    let sides = [": really", ": the server"].iter().filter_map(|said| what.find(said)).min();
    let end = sides.filter(|_| !what.starts_with("refusal")).unwrap_or(what.len());
    what.get(..end).unwrap_or(what).chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// A script as one reads it.
pub fn story<T: std::fmt::Debug>(script: &[T]) -> String {
    script.iter().enumerate().map(|(n, step)| format!("{n:>4}  {step:?}\n")).collect()
}

#[test]
fn a_disagreement_is_told_from_another() {
    let refused =
        |real: &str| gist(&format!("refusal: the server says (Some(0), {real:?}), the twin (Some(0), \"Other\")"));
    assert_ne!(refused("NoNode"), refused("NodeExists"));
    let mirror = |n: u32| gist(&format!("mirror {n} of /run{n}/p: the server says {n:?}, the twin None"));
    assert_eq!(mirror(1), mirror(20));
    assert_eq!(gist("Release(3): granted: really {}, simulated {1}"), "Release(): granted");
}

#[tokio::test]
async fn a_failing_script_is_cut_to_what_fails() {
    let script: Vec<u32> = (0..100).collect();
    let fails = async |script: &[u32]| script.contains(&17) && script.contains(&63);
    assert_eq!(shrink(&script, Duration::from_secs(5), fails).await, [17, 63]);
}
