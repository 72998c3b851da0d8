//! Faults of manifests as people read them: the line, carets below what is wrong, and what to do.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::{Source, Wrong};

/// Every fault with an excerpt of its source.
pub(crate) fn render(wrong: &[Wrong], sources: &[Source], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut all = Vec::new();
    for of_one in wrong.chunk_by(|one, next| one.source == next.source) {
        let name = of_one.first().map(|wrong| &wrong.source);
        let content = sources.iter().find(|source| Some(&source.name) == name).map(|source| source.content.as_deref());
        let text = String::from_utf8_lossy(content.and_then(Result::ok).unwrap_or_default()).replace("\r\n", "\n");
        let lines: Vec<&str> = text.trim_start_matches('\u{feff}').split(['\n', '\r']).collect();
        all.extend(of_one.iter().map(|wrong| excerpt(&renderer, wrong, &lines)));
    }
    all.join("\n\n")
}

fn excerpt(renderer: &Renderer, Wrong { source, fault }: &Wrong, lines: &[&str]) -> String {
    let title =
        if fault.path.is_empty() { fault.message.clone() } else { format!("{}: {}", fault.path, fault.message) };
    let line = (fault.line as usize).checked_sub(1).and_then(|index| lines.get(index)).unwrap_or(&"");
    let (shown, span) = pointed(line, fault.column as usize, fault.width as usize);
    let group = Level::ERROR.primary_title(title.as_str());
    let mut group = if shown.trim().is_empty() {
        let origin = Origin::path(source.as_str());
        let place = fault.line > 0;
        group.element(if place { origin.line(fault.line as usize).char_column(fault.column as usize) } else { origin })
    } else {
        let annotation = AnnotationKind::Primary.span(span);
        group.element(
            Snippet::source(shown).path(source.as_str()).line_start(fault.line as usize).annotation(annotation),
        )
    };
    if let Some(help) = &fault.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// A line without what a terminal obeys, and the bytes of it that the fault speaks of.
fn pointed(line: &str, column: usize, width: usize) -> (String, Range<usize>) {
    let plain = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() || is_unseen(c) => '\u{fffd}',
        c => c,
    };
    let shown: Vec<char> = line.chars().map(plain).collect();
    let bytes = |count: usize| shown.iter().take(count).map(|c| c.len_utf8()).sum::<usize>();
    let at = column.saturating_sub(1);
    (shown.iter().collect(), bytes(at)..bytes(at + width.max(1)))
}

/// Characters that are not seen, or that turn the direction of what follows.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use maas_crd::Fault;
    use proptest::prelude::*;

    use super::*;

    fn told(text: &[u8]) -> String {
        let source = Source { name: "a.yaml".to_owned(), content: Ok(text.to_vec()) };
        let wrong: Vec<Wrong> = maas_crd::parse(text)
            .unwrap_err()
            .0
            .into_iter()
            .map(|fault| Wrong { source: "a.yaml".to_owned(), fault })
            .collect();
        render(&wrong, &[source], false)
    }

    #[test]
    fn a_fault_is_shown_in_its_line_with_what_to_do() {
        let text = "apiVersion: maas/v1\nkind: ModelDeployment\nspec:\n  model: {name: dga, version: 1.0}\n  paylod: {path: /m}\n";
        let expected = "\
error: spec.payload: is required
 --> a.yaml:4:3
  |
4 |   model: {name: dga, version: 1.0}
  |   ^
  |
  = help: for example {path: /user/me/models/dga/1.0}

error: spec.model.version: 1.0 is not a text
 --> a.yaml:4:31
  |
4 |   model: {name: dga, version: 1.0}
  |                               ^^^
  |
  = help: write \"1.0\" in quotes

error: spec.paylod: unknown field
 --> a.yaml:5:3
  |
5 |   paylod: {path: /m}
  |   ^^^^^^
  |
  = help: did you mean payload?";
        assert_eq!(told(text.as_bytes()), expected);
    }

    #[test]
    fn a_long_line_is_shown_around_its_fault() {
        let start =
            "{\"apiVersion\": \"maas/v1\", \"kind\": \"ModelDeployment\", \"metadata\": {\"annotations\": {\"a\": \"";
        let told = told(format!("{start}{}\"}}}}, \"spec\": 5}}", "x".repeat(60_000)).as_bytes());
        assert!(
            told.contains(" --> a.yaml:1:") && told.contains("...xxx") && told.contains("xxx\"}}, \"spec\": 5}\n"),
            "{told}"
        );
        assert!(told.lines().all(|line| line.len() < 200), "{told}");
    }

    #[test]
    fn what_a_terminal_obeys_is_not_shown() {
        let told = told("apiVersion: maas/v1\nkind: \"a\u{1b}[31m\u{202e}\tb\"\n".as_bytes());
        assert!(told.contains("2 | kind: \"a\u{fffd}[31m\u{fffd} b\"\n  |       ^^^^^^^^^^^\n"), "{told}");
    }

    #[test]
    fn a_fault_of_no_line_names_its_file() {
        let wrong = Wrong { source: "a.yaml".to_owned(), fault: Fault::at((0, 0), "cannot be read") };
        assert_eq!(render(&[wrong], &[], false), "error: cannot be read\n--> a.yaml");
    }

    #[test]
    fn lines_are_counted_as_the_reader_of_yaml_does() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["\u{feff}apiVersion: maas/v1", "kind: ModelDeployment", "spec: 5", ""].join(end);
            let told = told(text.as_bytes());
            assert!(told.contains(" --> a.yaml:3:7\n  |\n3 | spec: 5\n  |       ^\n"), "{end:?}: {told}");
        }
    }

    proptest! {
        #[test]
        fn any_fault_of_any_text_is_shown(text in "\\PC{0,30}(\n\\PC{0,300}){0,3}", line in 0u32..6, column in 0u32..400, width in 0u32..400) {
            let source = Source { name: "a".to_owned(), content: Ok(text.into_bytes()) };
            let wrong = Wrong { source: "a".to_owned(), fault: Fault { width, ..Fault::at((line, column), "bad") } };
            prop_assert!(render(&[wrong], &[source], true).contains("bad"));
        }
    }
}
