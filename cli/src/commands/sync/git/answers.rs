//! What git answers, read.

/// Whether a text is the id of an object.
pub(super) fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What stands at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File { size: u64 },
    Link,
    Submodule,
}

/// One path of a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) kind: Kind,
    pub(super) id: &'a str,
    pub(super) name: String,
}

/// What `ls-tree -r -z -l` lists: `MODE TYPE ID SIZE\tPATH\0` each.
pub(super) fn entries(list: &[u8]) -> Option<Vec<Entry<'_>>> {
    let mut found = Vec::new();
    for line in list.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let name = String::from_utf8_lossy(line.get(tab + 1..)?).replace(char::is_control, "?");
        let mut fields = std::str::from_utf8(line.get(..tab)?).ok()?.split_ascii_whitespace();
        let (mode, _, id, size) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let kind = match mode {
            "160000" => Kind::Submodule,
            "120000" => Kind::Link,
            _ => Kind::File { size: size.parse().ok()? },
        };
        found.push(Entry { kind, id: Some(id).filter(|id| is_id(id))?, name });
    }
    Some(found)
}

/// The first object that `cat-file --batch` answers with, which must be `id`, and what follows it.
pub(super) fn object<'a>(answer: &'a [u8], id: &str) -> Option<(&'a [u8], &'a [u8])> {
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    let mut fields = std::str::from_utf8(answer.get(..end)?).ok()?.split(' ');
    let (own, kind, size) = (fields.next()?, fields.next()?, fields.next()?.parse::<usize>().ok()?);
    let start = end + 1;
    let stop = start.checked_add(size)?;
    (own == id && kind == "blob" && answer.get(stop) == Some(&b'\n')).then_some(())?;
    Some((answer.get(start..stop)?, answer.get(stop + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn lists_and_objects_are_read() {
        let list = format!(
            "100644 blob {ID}      12\ta b.yaml\x00120000 blob {ID} 3\tlink.yaml\x00160000 commit {ID}       -\tsub\x00"
        );
        let found = entries(list.as_bytes()).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!((&found[0].kind, found[0].name.as_str()), (&Kind::File { size: 12 }, "a b.yaml"));
        assert_eq!((&found[1].kind, &found[2].kind), (&Kind::Link, &Kind::Submodule));
        let answer = format!("{ID} blob 3\na\nb\n{ID} blob 0\n\n");
        let (first, rest) = object(answer.as_bytes(), ID).unwrap();
        assert_eq!(first, b"a\nb");
        assert_eq!(object(rest, ID).unwrap(), (&b""[..], &b""[..]));
        assert_eq!(object(format!("{ID} missing\n").as_bytes(), ID), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(answer in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = entries(&answer);
            let _ = object(&answer, ID);
            let mut headed = format!("{ID} blob 18446744073709551615\n").into_bytes();
            headed.extend(&answer);
            prop_assert_eq!(object(&headed, ID), None);
        }
    }
}
