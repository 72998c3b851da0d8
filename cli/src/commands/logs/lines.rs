//! Lines on their way to stdout.

use maas_crd::{Iid, Name};

/// A line is printed once it is whole, so that those of several instances do not mix.
#[derive(Debug)]
pub(super) struct Lines {
    mark: String,
    partial: Vec<u8>,
}

impl Lines {
    pub(super) fn plain() -> Self {
        Self { mark: String::new(), partial: Vec::new() }
    }

    pub(super) fn marked(name: &Name, iid: Iid) -> Self {
        Self { mark: mark(name, iid), partial: Vec::new() }
    }

    /// From now on.
    pub(super) fn be_marked(&mut self, name: &Name, iid: Iid) {
        self.mark = mark(name, iid);
    }

    /// The lines that are whole with these bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.partial.extend_from_slice(bytes);
        let end = self.partial.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.partial.split_off(end);
        let whole = std::mem::replace(&mut self.partial, rest);
        self.put_marks(&whole)
    }

    /// Whether what comes next begins a line.
    pub(super) fn is_at_start(&self) -> bool {
        self.partial.is_empty()
    }

    /// What is left, ended.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let partial = std::mem::take(&mut self.partial);
        if partial.is_empty() {
            return partial;
        }
        [self.put_marks(&partial), b"\n".to_vec()].concat()
    }

    /// All of a text.
    pub(super) fn whole(mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = self.push(bytes);
        text.extend(self.rest());
        text
    }

    fn put_marks(&self, text: &[u8]) -> Vec<u8> {
        if self.mark.is_empty() {
            return text.to_vec();
        }
        text.split_inclusive(|byte| *byte == b'\n').flat_map(|line| [self.mark.as_bytes(), line].concat()).collect()
    }
}

fn mark(name: &Name, iid: Iid) -> String {
    format!("[{name}/{iid}] ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_printed_whole_and_marked() {
        let mut lines = Lines::marked(&"a".parse().unwrap(), Iid::new(3, 17));
        assert_eq!(lines.push(b"one\ntw"), b"[a/3-17] one\n");
        assert_eq!(lines.push(b"o\n\n"), b"[a/3-17] two\n[a/3-17] \n");
        assert_eq!(lines.rest(), b"");
        assert_eq!(Lines::plain().whole(b"a\nb"), b"a\nb\n");
    }
}
