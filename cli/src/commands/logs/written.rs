//! What a container's model wrote, and when. Pure.

use std::ops::Range;

use crate::output::object::timestamp;

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
    pub(super) fn whole(&self) -> Range<usize> {
        0..self.parts.iter().map(|part| part.bytes.len()).sum()
    }

    /// These bytes.
    pub(super) fn text(&self, range: Range<usize>) -> Vec<u8> {
        let all: Vec<u8> = self.parts.iter().flat_map(|part| part.bytes.iter().copied()).collect();
        all.get(range).map(<[u8]>::to_vec).unwrap_or_default()
    }

    /// These bytes, each line behind the time of its start. None without times.
    pub(super) fn stamped(&self, range: Range<usize>) -> Option<Vec<u8>> {
        let times: Vec<Time> = self.times()?.collect();
        Some(stamp(&self.text(range.clone()), range.start, true, &times))
    }

    /// What was written at a time or later, whole lines, and perhaps up to a second more. None without times.
    pub(super) fn since(&self, ms: i64) -> Option<Range<usize>> {
        self.starting_at(|time| time.ms > ms.saturating_sub(GRAIN))
    }

    /// What the last run wrote. None without times.
    pub(super) fn last_run(&self) -> Option<Range<usize>> {
        let last = self.times()?.map(|time| time.run).max()?;
        self.starting_at(|time| time.run == last)
    }

    /// What the run before the last one wrote; none when there was none, or no times.
    pub(super) fn run_before(&self) -> Option<Range<usize>> {
        let last = self.times()?.map(|time| time.run).max()?;
        let before = self.times()?.map(|time| time.run).filter(|run| *run < last).max()?;
        let from = self.starting_at(|time| time.run == before)?;
        let later = self.starting_at(|time| time.run > before)?;
        (from.start <= later.start).then_some(from.start..later.start)
    }

    /// The times of all parts, their offsets into the whole.
    fn times(&self) -> Option<impl Iterator<Item = Time> + '_> {
        // The oldest file may be of a time when none were kept, and still every later one has its own.
        self.parts.iter().all(|part| part.times.is_some() || part.bytes.is_empty()).then(|| {
            let starts = self.parts.iter().scan(0, |end: &mut usize, part| {
                let start = *end;
                *end += part.bytes.len();
                Some((start, part))
            });
            starts.flat_map(|(start, part)| {
                let of = part.times.clone().unwrap_or_default().into_iter();
                of.map(move |time| Time { offset: start.saturating_add(time.offset), ..time })
            })
        })
    }

    /// From the start of the line in which the first time stands that is as wanted; nothing when there is none.
    fn starting_at(&self, wanted: impl Fn(&Time) -> bool) -> Option<Range<usize>> {
        let end = self.whole().end;
        let Some(time) = self.times()?.find(wanted) else { return Some(end..end) };
        let from = time.offset.min(end);
        let head = self.text(0..from);
        Some(head.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)..end)
    }
}

/// Puts before each line that begins in `text` when that was written. `at` is where the text begins in the file that the
/// times are of, whose first of all stands for what is before it.
pub(super) fn stamp(text: &[u8], at: usize, at_line_start: bool, times: &[Time]) -> Vec<u8> {
    let mut stamped = Vec::with_capacity(text.len().saturating_mul(2));
    let (mut offset, mut begins) = (at, at_line_start);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let next = times.partition_point(|time| time.offset <= offset);
        if let Some(time) = times.get(next.saturating_sub(1)).filter(|_| begins) {
            stamped.extend(timestamp(time.ms).bytes());
            stamped.push(b' ');
        }
        stamped.extend_from_slice(line);
        (offset, begins) = (offset.saturating_add(line.len()), true);
    }
    stamped
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
        let text = |ms: i64| String::from_utf8(written().text(written().since(ms).unwrap())).unwrap();
        assert_eq!(text(0), "one\ntwo\nthree\nfour\nfive\n");
        assert_eq!(text(7500), "three\nfour\nfive\n", "its second is not over");
        assert_eq!((text(11_500).as_str(), text(12_001).as_str()), ("five\n", ""));
    }

    #[test]
    fn runs_are_told_apart() {
        let text =
            |of: &Written, range: Option<Range<usize>>| range.map(|range| String::from_utf8(of.text(range)).unwrap());
        assert_eq!(text(&written(), written().last_run()).unwrap(), "four\nfive\n");
        assert_eq!(text(&written(), written().run_before()).unwrap(), "two\nthree\n");
        let only = Written { parts: vec![Part { bytes: b"a\n".to_vec(), times: Some(times(b"1 5 0\n")) }], length: 2 };
        assert_eq!((text(&only, only.run_before()), text(&only, only.last_run()).unwrap().as_str()), (None, "a\n"));
    }

    #[test]
    fn each_line_is_stamped_with_the_time_of_its_start() {
        let written = written();
        let text = |range| String::from_utf8(written.stamped(range).unwrap()).unwrap();
        let z = |second: u32, line: &str| format!("1970-01-01T00:00:{second:02}Z {line}\n");
        let all = [z(1, "one"), z(5, "two"), z(5, "three"), z(9, "four"), z(11, "five")].concat();
        assert_eq!(text(written.whole()), all, "a line that goes on in the next file began in this one");
        assert_eq!(text(written.since(11_500).unwrap()), z(11, "five"));
        // Followed: what comes in pieces is stamped at the starts of lines alone.
        let times = times(b"1 1000 0\n1 5000 4\n");
        assert_eq!(stamp(b"ne\ntw", 1, false, &times), b"ne\n1970-01-01T00:00:05Z tw");
        assert_eq!(stamp(b"x\n", 9, true, &[]), b"x\n");
    }

    #[test]
    fn without_times_nothing_is_made_up() {
        let none = Written { parts: vec![Part { bytes: b"a\n".to_vec(), times: None }], length: 2 };
        assert_eq!((none.since(0), none.run_before(), none.last_run()), (None, None, None));
        assert_eq!((none.text(none.whole()), none.stamped(none.whole())), (b"a\n".to_vec(), None));
        assert_eq!(times(b"1 2\nx y z\n1 2 3 4\n1 2 3\n").len(), 1);
    }

    proptest! {
        #[test]
        fn no_times_make_it_panic(bytes: Vec<u8>, more: Vec<u8>, lines in "([0-9]{1,3} [0-9]{1,3} [0-9]{1,3}\n){0,8}", ms: i64) {
            let part = |bytes: Vec<u8>| Part { bytes, times: Some(times(lines.as_bytes())) };
            let written = Written { parts: vec![part(bytes), part(more)], length: 0 };
            let _ = (written.since(ms), written.run_before(), written.last_run(), written.stamped(written.whole()));
        }
    }
}
