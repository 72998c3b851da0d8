//! The corpus and the hostile files, one after another: what each comes to is known.
//!
//! `fuzz/hostile/<target>.verdicts` holds a line for each file, `name<TAB>verdict`. `MAAS_BLESS=1` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use maas_fuzz::{LIMIT_KIB, LIMIT_TIME, TARGETS, Target, peak_kib};

fn folder(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(kind)
}

fn files(kind: &str, target: &Target) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder(kind).join(target.name)).unwrap();
    let read = |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap());
    entries.map(|entry| read(entry.unwrap().path())).collect()
}

/// This thread's time on a processor: others may have it in between.
fn on_processor() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
}

/// Debug builds are many times slower than what `make fuzz` holds to the limit.
fn is_quick(target: &Target, name: &str, bytes: &[u8]) {
    let limit = if cfg!(debug_assertions) { LIMIT_TIME * 20 } else { LIMIT_TIME };
    let (before, since) = (peak_kib(), on_processor());
    (target.check)(bytes);
    let took = on_processor() - since;
    assert!(took <= limit, "{}/{name} took {took:?}", target.name);
    let growth = peak_kib().saturating_sub(before);
    assert!(growth <= LIMIT_KIB, "{}/{name} took {growth} KiB", target.name);
}

#[test]
fn every_hostile_file_comes_to_what_its_table_says() {
    let bless = std::env::var_os("MAAS_BLESS").is_some();
    let (mut count, mut wrong) = (0, Vec::new());
    for target in &TARGETS {
        let table = folder("hostile").join(format!("{}.verdicts", target.name));
        let files = files("hostile", target);
        let mut now = String::new();
        for (name, bytes) in &files {
            is_quick(target, name, bytes);
            let verdict = (target.verdict)(bytes);
            assert!(verdict.starts_with("accepted: ") || verdict.starts_with("refused: "), "{verdict}");
            now.push_str(&format!("{name}\t{verdict}\n"));
        }
        count += files.len();
        if bless {
            std::fs::write(&table, &now).unwrap();
        }
        let known = std::fs::read_to_string(&table).unwrap_or_default();
        let known: BTreeSet<&str> = known.lines().collect();
        let now: BTreeSet<&str> = now.lines().collect();
        wrong.extend(now.difference(&known).map(|line| format!("{}: now   {line}", target.name)));
        wrong.extend(known.difference(&now).map(|line| format!("{}: known {line}", target.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 300, "{count} hostile files");
}

#[test]
fn no_two_hostile_files_are_the_same() {
    for target in &TARGETS {
        let mut seen = BTreeMap::new();
        for (name, bytes) in files("hostile", target) {
            if let Some(other) = seen.insert(bytes, name.clone()) {
                panic!("{}: {name} is {other}", target.name);
            }
        }
    }
}

#[test]
fn every_property_holds_of_the_corpus_and_of_what_is_left_of_it_at_every_byte() {
    for target in &TARGETS {
        let files = files("corpus", target);
        assert!(!files.is_empty(), "{}", target.name);
        for (name, bytes) in &files {
            is_quick(target, name, bytes);
            // What fuzzing found bears its digest as name, and is mutated enough.
            if name.len() == 40 {
                continue;
            }
            // Short ones at every byte, longer ones at some three hundred.
            for end in (0..bytes.len()).step_by(bytes.len() / 300 + 1) {
                (target.check)(&bytes[..end]);
                let mut flipped = bytes.clone();
                flipped[end] ^= 1 << (end % 8);
                (target.check)(&flipped);
            }
        }
    }
}

#[test]
fn the_corpus_stays_small() {
    let size = |kind: &str| -> u64 {
        let targets = TARGETS.iter();
        targets.flat_map(|target| files(kind, target).into_values()).map(|bytes| bytes.len() as u64).sum()
    };
    let all = size("corpus") + size("hostile");
    assert!(all < 5 << 20, "{all} bytes");
}
