//! One instance's output, as it comes in.

use std::collections::VecDeque;

use maas_crd::Iid;

use super::model::Place;
use crate::output::printable;

/// Lines that are kept; older ones are forgotten.
const KEPT: usize = 5_000;
/// A line without an end is cut at this many bytes.
const LONGEST: usize = 16 * 1024;

/// The page of an instance's output.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) of: Place,
    pub(crate) iid: Iid,
    /// Its standard error instead.
    pub(crate) stderr: bool,
    lines: VecDeque<String>,
    partial: Vec<u8>,
    /// Why nothing comes, as long as that is so.
    pub(crate) trouble: Option<String>,
    /// Something was read already, even if it was nothing.
    pub(crate) begun: bool,
}

impl Log {
    pub(crate) fn new(of: Place, iid: Iid, stderr: bool) -> Self {
        let (lines, partial) = (VecDeque::new(), Vec::new());
        Self { of, iid, stderr, lines, partial, trouble: None, begun: false }
    }

    /// The file's name in the container's log directory.
    pub(crate) fn file(&self) -> &'static str {
        if self.stderr { "model.err" } else { "model.out" }
    }

    /// Takes in what was read next.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        (self.begun, self.trouble) = (true, None);
        for byte in bytes {
            if *byte == b'\n' || self.partial.len() >= LONGEST {
                let line = readable(&std::mem::take(&mut self.partial));
                self.lines.push_back(line);
                if self.lines.len() > KEPT {
                    self.lines.pop_front();
                }
            }
            if *byte != b'\n' {
                self.partial.push(*byte);
            }
        }
    }

    /// Every line, the one that has no end yet too.
    pub(crate) fn lines(&self) -> Vec<String> {
        let last = (!self.partial.is_empty()).then(|| readable(&self.partial));
        self.lines.iter().cloned().chain(last).collect()
    }
}

/// Bytes of a model's as text: colours are left out, tabs are spaces, and nothing reaches the terminal as a command.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let plain = anstream::adapter::strip_str(&text).to_string();
    printable(plain.trim_end_matches('\r').replace('\t', "    ").as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Log {
        Log::new(Place { namespace: "default".parse().unwrap(), name: "a".parse().unwrap() }, Iid::new(1, 1), false)
    }

    #[test]
    fn lines_come_in_pieces() {
        let mut log = log();
        log.push(b"one\ntw");
        assert_eq!(log.lines(), ["one", "tw"]);
        log.push("o\r\n\n\tü\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}\u{1b}c\x00\n".as_bytes());
        assert_eq!(log.lines()[..3], ["one", "two", ""]);
        assert!(log.lines()[3].starts_with("    üred") && !log.lines()[3].contains(char::is_control));
        log.push(b"\xff\xfe");
        assert_eq!(log.lines()[4], "\u{fffd}\u{fffd}");
    }

    #[test]
    fn neither_many_lines_nor_one_without_end_grow_without_bound() {
        let mut log = log();
        log.push(&b"x\n".repeat(KEPT * 2));
        assert_eq!(log.lines().len(), KEPT);
        log.push(&vec![b'y'; LONGEST * 3 + 5]);
        let lines = log.lines();
        assert_eq!((lines.len(), lines[KEPT].len()), (KEPT + 1, 5));
        assert_eq!(lines[KEPT - 1].len(), LONGEST);
    }
}
