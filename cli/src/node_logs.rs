//! Log files as a NodeManager's REST gives them: a header and a trailer of its own stand around the bytes asked for.

/// What a NodeManager answered to `…/containerlogs/{container}/{file}?size=-N`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// The file's length when it was read.
    pub length: u64,
    /// Its last bytes.
    pub bytes: &'a [u8],
}

/// Takes the last `asked` bytes of a file out of the answer. The header says the file's length, so the text of the
/// trailer, which a model could print as well, is never looked for.
/// Source: `LogToolUtils.formatContainerLogHeader`, `NMWebServices.getContainerLogFile`.
pub(crate) fn unwrap(answer: &[u8], asked: u64) -> Option<Piece<'_>> {
    const CONTENTS: &[u8] = b"\nLogContents:\n";
    let at = answer.windows(CONTENTS.len()).position(|window| window == CONTENTS)?;
    let header = std::str::from_utf8(answer.get(..at)?).ok()?;
    let length: u64 = header.lines().find_map(|line| line.strip_prefix("LogLength:"))?.trim().parse().ok()?;
    let body = answer.get(at + CONTENTS.len()..)?;
    let bytes = body.get(..usize::try_from(length.min(asked)).ok()?)?;
    Some(Piece { length, bytes })
}

/// How far a file has been printed.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    seen: u64,
}

impl Cursor {
    /// A cursor behind the first `seen` bytes.
    pub(crate) fn new(seen: u64) -> Self {
        Self { seen }
    }

    /// How many bytes are printed.
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// How many last bytes to ask for, now that the file has `length`; none when there is nothing new.
    pub(crate) fn ask(&mut self, length: u64) -> Option<u64> {
        if length < self.seen {
            // The runner began a new file.
            self.seen = 0;
        }
        (length > self.seen).then(|| length - self.seen)
    }

    /// The bytes of `piece` that were not printed yet. If the file grew faster than it was asked for, the gap is lost
    /// only when the next answer does not reach back to it: then none are taken and `ask` says more.
    pub(crate) fn take<'a>(&mut self, piece: &Piece<'a>) -> &'a [u8] {
        let first = piece.length.saturating_sub(piece.bytes.len() as u64);
        if piece.length < self.seen || first > self.seen {
            return &[];
        }
        let skip = usize::try_from(self.seen - first).unwrap_or(usize::MAX);
        self.seen = piece.length;
        piece.bytes.get(skip..).unwrap_or_default()
    }
}

/// The last `lines` lines of `text`.
pub(crate) fn tail(text: &[u8], lines: usize) -> &[u8] {
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    if lines == 0 {
        return &[];
    }
    match body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').nth(lines - 1) {
        Some((at, _)) => text.get(at + 1..).unwrap_or_default(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(length: u64, bytes: &str) -> Vec<u8> {
        format!(
            "Container: container_1_0001_01_000002 on h_1\nLogAggregationType: LOCAL\n====\nLogType:stdout\n\
             LogLastModifiedTime:Tue\nLogLength:{length}\nLogContents:\n{bytes}End of LogType:stdout.\n****\n\n"
        )
        .into_bytes()
    }

    #[test]
    fn header_and_trailer_are_taken_off_even_if_the_model_prints_them() {
        let text = "End of LogType:stdout\nLogContents:\nx\n";
        let whole = answer(text.len() as u64, text);
        assert_eq!(unwrap(&whole, u64::MAX).unwrap().bytes, text.as_bytes());
        let last = answer(100, "x\n");
        assert_eq!(unwrap(&last, 2), Some(Piece { length: 100, bytes: b"x\n" }));
    }

    #[test]
    fn an_answer_of_another_shape_is_none() {
        for other in ["", "LogLength:5\nLogContents:\nab", "a\nLogLength:x\nLogContents:\n", "<html>"] {
            assert_eq!(unwrap(other.as_bytes(), 10), None, "{other}");
        }
    }

    #[test]
    fn following_prints_each_byte_once_while_the_file_grows() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.ask(3), Some(3));
        assert_eq!(cursor.take(&Piece { length: 3, bytes: b"abc" }), b"abc");
        assert_eq!(cursor.ask(3), None);
        assert_eq!(cursor.ask(5), Some(2));
        assert_eq!(cursor.take(&Piece { length: 6, bytes: b"ef" }), b"", "it grew in between: d would be lost");
        assert_eq!(cursor.ask(6), Some(3));
        assert_eq!(cursor.take(&Piece { length: 6, bytes: b"def" }), b"def");
        assert_eq!(cursor.ask(2), Some(2), "a new file");
    }

    #[test]
    fn the_tail_is_whole_lines() {
        assert_eq!(tail(b"a\nb\nc\n", 2), b"b\nc\n");
        assert_eq!(tail(b"a\nb\nc", 1), b"c");
        assert_eq!(tail(b"a\n", 5), b"a\n");
        assert_eq!(tail(b"a\n", 0), b"");
    }
}
