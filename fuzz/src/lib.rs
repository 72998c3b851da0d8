//! What must hold of every parser for any bytes at all.
//!
//! A [`Target`] is one parser with its properties. libFuzzer drives it (`make fuzz`), and so do the tests, over the
//! corpus and over hostile files whose verdicts are known.

mod measure;
pub mod targets;
mod verdict;

pub use measure::{LIMIT_KIB, LIMIT_TIME, peak_kib, run};
pub use verdict::{accepted, line, refused};

/// One parser, or a family of them that one kind of input goes to.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of its folders, and of its process.
    pub name: &'static str,
    /// Panics where a property is violated, and only there.
    pub check: fn(&[u8]),
    /// What becomes of an input, in one line: `accepted: …` or `refused: …`.
    pub verdict: fn(&[u8]) -> String,
}

/// Every target.
pub const TARGETS: [Target; 12] = [
    targets::manifest::TARGET,
    targets::edits::TARGET,
    targets::records::TARGET,
    targets::announcement::TARGET,
    targets::rpc::TARGET,
    targets::yarn::TARGET,
    targets::tokens::TARGET,
    targets::conf::TARGET,
    targets::legacy::TARGET,
    targets::paths::TARGET,
    targets::launch::TARGET,
    targets::quantities::TARGET,
];

/// The entry point of one target's process: libFuzzer's, or without it one that checks the files that it is given.
#[macro_export]
macro_rules! entry {
    ($target:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::run(&$crate::targets::$target::TARGET, bytes));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            for path in std::env::args().skip(1).filter(|word| !word.starts_with("--")) {
                $crate::run(&$crate::targets::$target::TARGET, &std::fs::read(path)?);
            }
            Ok(())
        }
    };
}
