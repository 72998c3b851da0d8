//! What is printed: a line a fault, and the totals.

use std::fmt;

use crate::faults::Fault;

/// What came of one fault.
pub(crate) struct Line {
    number: &'static str,
    name: &'static str,
    bound: f64,
    allowed: u64,
    pub(crate) skipped: Option<&'static str>,
    /// None when the end never came.
    pub(crate) took: Option<f64>,
    pub(crate) failed: u64,
    pub(crate) violations: Vec<String>,
    /// What went wrong, in words.
    pub(crate) words: Vec<String>,
    /// The fault itself could not be played to its end, and the cluster is well again.
    pub(crate) recovered: bool,
}

/// A machine that does other things besides is given more time by `CHAOS_SLACK`, a factor.
fn slack() -> f64 {
    std::env::var("CHAOS_SLACK").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0)
}

impl Line {
    pub(crate) fn new(fault: &Fault) -> Self {
        Self::blank(fault.number, fault.name, fault.bound * slack(), fault.allowed)
    }

    /// Prints and returns the line of a fault that can't be tried.
    pub(crate) fn skipped(fault: &Fault, reason: &'static str) -> Self {
        let line = Self { skipped: Some(reason), ..Self::new(fault) };
        line.print();
        line
    }

    /// The line of a soak: requests may fail where faults overlap.
    pub(crate) fn soak() -> Self {
        Self::blank("soak", "overlapping", 60.0, u64::MAX)
    }

    fn blank(number: &'static str, name: &'static str, bound: f64, allowed: u64) -> Self {
        Self {
            number,
            name,
            bound,
            allowed,
            skipped: None,
            took: None,
            failed: 0,
            violations: Vec::new(),
            words: Vec::new(),
            recovered: false,
        }
    }

    fn is_good(&self) -> bool {
        let in_time = self.took.is_some_and(|took| took <= self.bound);
        self.skipped.is_some() || (in_time && self.failed <= self.allowed && self.violations.is_empty())
    }

    /// The line on standard output; what went wrong goes to standard error, a line each.
    pub(crate) fn print(&self) {
        let Self { number, name, bound, failed, .. } = self;
        if let Some(reason) = self.skipped {
            println!("fault={number} name={name} skipped={reason}");
            return;
        }
        let took = self.took.map_or("never".to_owned(), |took| format!("{took:.1}"));
        let violations = self.violations.len();
        println!("fault={number} name={name} bound={bound:.1} took={took} failed={failed} violations={violations}");
        for words in self.violations.iter().chain(&self.words) {
            eprintln!("  {number} {name}: {words}");
        }
    }
}

/// Counts of faults.
#[derive(Default)]
pub(crate) struct Totals {
    run: u32,
    skipped: u32,
    failed: u32,
    hopeless: bool,
}

impl Totals {
    pub(crate) fn add(&mut self, line: &Line) {
        self.run += u32::from(line.skipped.is_none());
        self.skipped += u32::from(line.skipped.is_some());
        self.failed += u32::from(!line.is_good());
        self.hopeless = line.skipped.is_none() && line.took.is_none() && !line.recovered;
    }

    pub(crate) fn is_good(&self) -> bool {
        self.failed == 0
    }

    /// The next fault would find no cluster to harm.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.hopeless
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faults run={} skipped={} failed={}", self.run, self.skipped, self.failed)
    }
}

pub(crate) fn load() -> String {
    let all = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    all.split_whitespace().next().unwrap_or_default().to_owned()
}
