//! Samples, and the line that is made of them.

/// Repetitions of every figure.
pub(crate) const TIMES: usize = 12;

/// What is held against the bound.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// The median.
    Median,
    /// The worst sample: of a dozen, that is the 99th percentile too.
    Worst,
}

/// Samples of one figure.
#[derive(Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn add(&mut self, sample: f64) {
        self.0.push(sample);
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let half = sorted.len() / 2;
        if sorted.len().is_multiple_of(2) { (at(half.saturating_sub(1)) + at(half)) / 2.0 } else { at(half) }
    }

    pub(crate) fn worst(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }

    /// Prints a figure that has a bound.
    pub(crate) fn print(&self, name: &str, judged: Judged, reference: f64, must: f64) {
        let (median, worst) = (self.median(), self.worst());
        let held = if judged == Judged::Median { median } else { worst };
        let ok = if held <= must { "yes" } else { "no" };
        println!(
            "bench={name} median={median:.1} worst={worst:.1} reference={reference:.1} ratio={:.2} must={must:.1} ok={ok}",
            median / reference
        );
        self.detail(name);
    }

    /// Prints a figure that explains others.
    pub(crate) fn part(&self, name: &str) {
        println!("part={name} median={:.1} worst={:.1}", self.median(), self.worst());
        self.detail(name);
    }

    fn detail(&self, name: &str) {
        if std::env::var_os("MAAS_BENCH_ALL").is_some() {
            let all: Vec<String> = self.0.iter().map(|sample| format!("{sample:.0}")).collect();
            println!("  {name}: {}", all.join(" "));
        }
    }
}

/// Milliseconds since a moment.
pub(crate) fn ms_since(moment: std::time::Instant) -> f64 {
    moment.elapsed().as_secs_f64() * 1e3
}
