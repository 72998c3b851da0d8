//! What a container's model wrote, and when. Pure.

/// One file and the times beside it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) bytes: Vec<u8>,
    /// None where the runner kept no times.
    pub(super) times: Option<Vec<Time>>,
}

/// From `offset` on, these bytes were written at `ms` or up to a second later. Source: `runner/src/logs.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    /// The model's run, from 1 on.
    run: u32,
    ms: i64,
    offset: usize,
}

/// A second: how much later than its time something may have been written.
const GRAIN: i64 = 1000;

/// The files that are left of an output, the oldest first.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) parts: Vec<Part>,
    /// The newest file's length when it was read.
    pub(super) length: u64,
}

/// Reads a file of times; a line that is none, such as one cut by a full disk, is passed over.
pub(super) fn times(text: &[u8]) -> Vec<Time> {
    let text = String::from_utf8_lossy(text);
    let time = |line: &str| {
        let mut words = line.split(' ');
        let time = Time {
            run: words.next()?.parse().ok()?,
            ms: words.next()?.parse().ok()?,
            offset: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(time)
    };
    text.lines().filter_map(time).collect()
}

impl Written {
    /// All of it.
    pub(super) fn whole(&self) -> Vec<u8> {
        self.parts.iter().flat_map(|part| part.bytes.iter().copied()).collect()
    }

    /// What was written at a time or later, whole lines, and perhaps up to a second more. None without times.
    pub(super) fn since(&self, ms: i64) -> Option<Vec<u8>> {
        self.starting_at(|time| time.ms > ms.saturating_sub(GRAIN))
    }

    /// What the last run wrote. None without times.
    pub(super) fn last_run(&self) -> Option<Vec<u8>> {
        let last = self.times()?.map(|(_, time)| time.run).max()?;
        self.starting_at(|time| time.run == last)
    }

    /// What the run before the last one wrote; none when there was none, or no times.
    pub(super) fn run_before(&self) -> Option<Vec<u8>> {
        let last = self.times()?.map(|(_, time)| time.run).max()?;
        let before = self.times()?.map(|(_, time)| time.run).filter(|run| *run < last).max()?;
        let from = self.starting_at(|time| time.run == before)?;
        let later = self.starting_at(|time| time.run > before)?;
        from.get(..from.len().checked_sub(later.len())?).map(<[u8]>::to_vec)
    }

    fn times(&self) -> Option<impl Iterator<Item = (usize, Time)> + '_> {
        // The oldest file may be of a time when none were kept, and still every later one has its own.
        self.parts.iter().all(|part| part.times.is_some() || part.bytes.is_empty()).then(|| {
            let of = |(at, part): (usize, &'_ Part)| {
                part.times.clone().unwrap_or_default().into_iter().map(move |time| (at, time))
            };
            self.parts.iter().enumerate().flat_map(of)
        })
    }

    /// From the start of the line in which the first time stands that is as wanted; nothing when there is none.
    fn starting_at(&self, wanted: impl Fn(&Time) -> bool) -> Option<Vec<u8>> {
        let Some((at, time)) = self.times()?.find(|(_, time)| wanted(time)) else { return Some(Vec::new()) };
        let before: usize = self.parts.iter().take(at).map(|part| part.bytes.len()).sum();
        let whole = self.whole();
        let from = before.saturating_add(time.offset).min(whole.len());
        let head = whole.get(..from)?;
        let start = head.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        whole.get(start..).map(<[u8]>::to_vec)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written() -> Written {
        let part = |bytes: &[u8], of: &[u8]| Part { bytes: bytes.to_vec(), times: Some(times(of)) };
        // The second file begins within a line; the third run within the second file.
        Written {
            parts: vec![
                part(b"one\ntwo\nth", b"1 1000 0\n2 5000 4\n"),
                part(b"ree\nfour\nfive\n", b"2 7000 0\n3 9000 4\n3 11000 9\n"),
            ],
            length: 14,
        }
    }

    #[test]
    fn what_is_newer_is_taken_from_a_lines_start() {
        let text = |ms: i64| String::from_utf8(written().since(ms).unwrap()).unwrap();
        assert_eq!(text(0), "one\ntwo\nthree\nfour\nfive\n");
        assert_eq!(text(7500), "three\nfour\nfive\n", "its second is not over");
        assert_eq!((text(11_500).as_str(), text(12_001).as_str()), ("five\n", ""));
    }

    #[test]
    fn runs_are_told_apart() {
        let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(text(written().last_run()).unwrap(), "four\nfive\n");
        assert_eq!(text(written().run_before()).unwrap(), "two\nthree\n");
        let only = Written { parts: vec![Part { bytes: b"a\n".to_vec(), times: Some(times(b"1 5 0\n")) }], length: 2 };
        assert_eq!((text(only.run_before()), text(only.last_run()).unwrap().as_str()), (None, "a\n"));
    }

    #[test]
    fn without_times_nothing_is_made_up() {
        let none = Written { parts: vec![Part { bytes: b"a\n".to_vec(), times: None }], length: 2 };
        assert_eq!((none.since(0), none.run_before(), none.last_run()), (None, None, None));
        assert_eq!(none.whole(), b"a\n");
        assert_eq!(times(b"1 2\nx y z\n1 2 3 4\n1 2 3\n").len(), 1);
    }

    proptest! {
        #[test]
        fn no_times_make_it_panic(bytes: Vec<u8>, more: Vec<u8>, lines in "([0-9]{1,3} [0-9]{1,3} [0-9]{1,3}\n){0,8}", ms: i64) {
            let part = |bytes: Vec<u8>| Part { bytes, times: Some(times(lines.as_bytes())) };
            let written = Written { parts: vec![part(bytes), part(more)], length: 0 };
            let _ = (written.since(ms), written.run_before(), written.last_run());
        }
    }
}
