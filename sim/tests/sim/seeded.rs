//! Every seeded bug is noticed by some test. This one runs the others, each time with another bug, cheapest first.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use maas_operator::seeded::Bug;

/// The tests in the order in which they are tried.
const STAGES: [&str; 5] = ["scenarios::", "outages::", "queue::", "_well", "random_schedules"];
/// A bug may also keep a run from ending at all.
const PATIENCE: Duration = Duration::from_secs(120);

/// The test that fails with the bug in, if any of a stage does.
fn caught_by(stage: &str, bug: Bug) -> Option<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([stage, "--skip", "seeded::", "--test-threads", "2"])
        .env("MAAS_SEEDED_BUG", format!("{bug:?}"))
        .env("MAAS_SCHEDULES", "60")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut out, &mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
    });
    let end = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = reader.join().unwrap().unwrap();
    match status {
        None => Some(format!("{stage} (it never ended)")),
        Some(status) if status.success() => None,
        Some(_) => {
            let failed = text.lines().find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
            Some(failed.unwrap_or(stage).to_owned())
        }
    }
}

#[test]
#[ignore = "minutes; make seeded-bugs runs it"]
fn every_seeded_bug_is_noticed() {
    let (mut missed, mut took) = (Vec::new(), Vec::new());
    for &bug in Bug::ALL {
        let began = Instant::now();
        let caught = STAGES.iter().find_map(|stage| caught_by(stage, bug));
        let seconds = began.elapsed().as_secs_f64();
        let name = format!("{bug:?}");
        match &caught {
            Some(test) => println!("bug={name:<28} seconds={seconds:>5.1} caught={test} ({})", bug.words()),
            None => println!("bug={name:<28} seconds={seconds:>5.1} MISSED ({})", bug.words()),
        }
        if caught.is_none() {
            missed.push(bug);
        }
        took.push(seconds);
    }
    took.sort_by(f64::total_cmp);
    println!("caught {} of {}, median {:.1} s", took.len() - missed.len(), took.len(), took[took.len() / 2]);
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
