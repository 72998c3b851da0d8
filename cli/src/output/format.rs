//! `-o`: in which form resources are printed.

use std::path::Path as File;

use crate::jsonpath::{Path, Template};

/// An output format.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Format {
    /// A table with more columns.
    Wide,
    /// Names alone.
    Name,
    /// The whole, as YAML.
    Yaml,
    /// The whole, as JSON.
    Json,
    /// What a template makes of the whole.
    JsonPath(Template),
    /// What a template's paths find, as a JSON array.
    JsonPathAsJson(Template),
    /// A table with these columns.
    Columns(Vec<Column>),
}

/// A column of one's own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) header: String,
    pub(crate) path: Path,
}

/// The forms, as messages name them.
const FORMS: &str = "wide, name, yaml, json, jsonpath=TEMPLATE, jsonpath-file=FILE, jsonpath-as-json=TEMPLATE, custom-columns=HEADER:PATH,..., custom-columns-file=FILE";
/// Longest file of a template.
const FILE_LIMIT: u64 = 64 * 1024;

impl Format {
    /// Reads what stands after `-o`. A file that it names is read.
    ///
    /// # Errors
    /// No such format, or a template that cannot be read; in words for the user.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (form, rest) = text.split_once('=').map_or((text, None), |(form, rest)| (form, Some(rest)));
        let needed =
            || rest.filter(|rest| !rest.is_empty()).ok_or_else(|| format!("{form} needs a value: one of {FORMS}"));
        let template = |text: &str| Template::parse(text).map_err(|error| error.to_string());
        match (form, rest) {
            ("wide", None) => Ok(Self::Wide),
            ("name", None) => Ok(Self::Name),
            ("yaml", None) => Ok(Self::Yaml),
            ("json", None) => Ok(Self::Json),
            ("jsonpath", _) => Ok(Self::JsonPath(template(needed()?)?)),
            ("jsonpath-file", _) => Ok(Self::JsonPath(template(&read(needed()?)?)?)),
            ("jsonpath-as-json", _) => Ok(Self::JsonPathAsJson(template(needed()?)?)),
            ("custom-columns", _) => Ok(Self::Columns(columns(needed()?)?)),
            ("custom-columns-file", _) => Ok(Self::Columns(columns_of_file(&read(needed()?)?)?)),
            ("go-template" | "go-template-file" | "template" | "templatefile", _) => {
                Err("Go templates are not supported: use jsonpath=TEMPLATE or custom-columns=HEADER:PATH,..."
                    .to_owned())
            }
            _ => Err(format!("unable to match a printer suitable for the output format, allowed formats are: {FORMS}")),
        }
    }
}

fn read(file: &str) -> Result<String, String> {
    let cannot = |why: String| format!("cannot read {file}: {why}");
    let size = std::fs::metadata(File::new(file)).map_err(|error| cannot(error.to_string()))?.len();
    if size > FILE_LIMIT {
        return Err(cannot(format!("it has {size} bytes, more than {FILE_LIMIT}")));
    }
    std::fs::read_to_string(file).map_err(|error| cannot(error.to_string()))
}

/// `HEADER:PATH,HEADER:PATH`; a comma within brackets or quotes belongs to the path.
fn columns(text: &str) -> Result<Vec<Column>, String> {
    let mut parts = vec![String::new()];
    let (mut depth, mut quote) = (0_usize, None);
    for c in text.chars() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('[' | '{' | '(', None) => depth += 1,
            (']' | '}' | ')', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.iter().map(|part| column(part)).collect()
}

fn column(part: &str) -> Result<Column, String> {
    let shown: String = part.chars().take(60).collect();
    match part.split_once(':') {
        Some((header, path)) if !header.trim().is_empty() => {
            let path = Path::parse(path).map_err(|error| format!("column {shown:?}: {error}"))?;
            Ok(Column { header: header.trim().to_owned(), path })
        }
        _ => Err(format!("unexpected custom-columns spec: {shown:?}, expected <header>:<json-path-expr>")),
    }
}

/// Two lines: headers, and a path below each.
fn columns_of_file(text: &str) -> Result<Vec<Column>, String> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let (headers, paths) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let (headers, paths): (Vec<&str>, Vec<&str>) =
        (headers.split_whitespace().collect(), paths.split_whitespace().collect());
    if headers.is_empty() || headers.len() != paths.len() || lines.next().is_some() {
        return Err(format!(
            "a file of columns has a line of headers and a line with a path for each; this one has {} headers and {} paths",
            headers.len(),
            paths.len()
        ));
    }
    headers.iter().zip(paths).map(|(header, path)| column(&format!("{header}:{path}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(text: &str) -> Result<Vec<String>, String> {
        match Format::parse(text)? {
            Format::Columns(columns) => Ok(columns.into_iter().map(|column| column.header).collect()),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn every_format_is_read_and_others_are_refused_by_name() {
        assert_eq!(Format::parse("wide"), Ok(Format::Wide));
        assert!(matches!(Format::parse("jsonpath={.a}"), Ok(Format::JsonPath(_))));
        for (text, expect) in [
            ("xml", "allowed formats are: wide, name"),
            ("wide=1", "allowed formats are"),
            ("jsonpath", "jsonpath needs a value"),
            ("jsonpath={.a", "} is expected"),
            ("jsonpath-file=/nowhere/at/all", "cannot read /nowhere/at/all"),
            ("go-template={{.}}", "Go templates are not supported"),
            ("custom-columns=NAME", "expected <header>:<json-path-expr>"),
            ("custom-columns=:.a", "expected <header>:<json-path-expr>"),
            ("custom-columns=A:.a,", "expected <header>:<json-path-expr>"),
            ("custom-columns=A:", "a path such as"),
        ] {
            let message = Format::parse(text).unwrap_err();
            assert!(message.contains(expect), "{text}: {message}");
        }
    }

    #[test]
    fn columns_are_split_where_no_bracket_is_open() {
        assert_eq!(headers("custom-columns=A:.a,B:b.c").unwrap(), ["A", "B"]);
        assert_eq!(headers("custom-columns=A:.a[0,1],B:.x['k,l'],C:.c[?(@.t=='x')].s").unwrap(), ["A", "B", "C"]);
    }

    #[test]
    fn a_file_names_headers_and_paths() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "NAME   READY\n.metadata.name   .status.readyReplicas\n").unwrap();
        let text = format!("custom-columns-file={}", file.path().display());
        assert_eq!(headers(&text).unwrap(), ["NAME", "READY"]);
        std::fs::write(file.path(), "NAME READY\n.metadata.name\n").unwrap();
        assert!(headers(&text).unwrap_err().contains("2 headers and 1 paths"));
    }

    #[test]
    fn depth_is_bounded() {
        for deep in ["[", "(", "A:.a[?(@", ":", "A:.a,", "'", "{"] {
            assert!(Format::parse(&format!("custom-columns={}", deep.repeat(10_000))).is_err(), "{deep}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(form in "(custom-columns|jsonpath|jsonpath-as-json|name|[a-z]{0,5})=?", text in "[A.a:,\\[\\](){}'\"@?=0*]{0,24}|.{0,24}") {
            let _ = Format::parse(&format!("{form}{text}"));
        }
    }
}
