//! The manual is what the commands say of themselves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use support::maasctl;

#[test]
fn the_page_of_the_commands_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
    let written = maasctl(&["manual", "markdown"]).ok();
    if std::env::var_os("MAAS_BLESS").is_some() {
        std::fs::write(path, &written).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap();
    let differs = kept.lines().zip(written.lines()).find(|(kept, written)| kept != written);
    assert!(kept == written, "docs/cli.md is stale, `make docs` writes it anew; first difference: {differs:#?}");
}

#[test]
fn each_command_has_a_man_page() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("man1");
    maasctl(&["manual", "man", below.to_str().unwrap()]).ok();
    let names = std::fs::read_dir(&below).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages: BTreeSet<String> = names.collect();
    let markdown = maasctl(&["manual", "markdown"]).ok();
    let commands = markdown.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(" maasctl"));
    let expect: BTreeSet<String> = commands.map(|rest| format!("maasctl{}.1", rest.replace(' ', "-"))).collect();
    assert_eq!(pages, expect);
    assert!(pages.contains("maasctl-service-start.1") && pages.contains("maasctl.1"), "{pages:?}");
    let page = std::fs::read_to_string(below.join("maasctl-get.1")).unwrap();
    assert!(page.contains(".TH maasctl-get 1") && page.contains("all\\-namespaces"), "{page}");
}

/// The rows of a Markdown table, without its head, each cell trimmed.
fn rows(page: &str) -> Vec<Vec<String>> {
    let table = page.lines().filter(|line| line.starts_with('|'));
    let cells = |line: &str| {
        let line = line.replace("\\|", "\u{0}");
        line.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
    };
    table.skip(2).map(cells).collect()
}

#[test]
fn each_row_beside_kubectl_is_held_by_a_test_that_is_there_and_each_verb_has_one() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let rows = rows(include_str!("../../docs/kubectl.md"));
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for row in &rows {
        let [_, _, _, _, held] = row.as_slice() else { panic!("not five cells: {row:#?}") };
        let (mut file, mut tests) = (String::new(), 0);
        for word in held.split('`').skip(1).step_by(2) {
            if word.ends_with(".rs") {
                // By its name alone, once the whole path was said.
                let whole = texts.keys().find(|path| path.ends_with(&format!("/{word}"))).cloned();
                file = whole.unwrap_or_else(|| word.to_owned());
                let read =
                    || std::fs::read_to_string(top.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
                texts.entry(file.clone()).or_insert_with(read);
                continue;
            }
            let begins = word.strip_suffix('*').map_or_else(|| format!("fn {word}("), |name| format!("fn {name}"));
            assert!(texts.get(&file).is_some_and(|text| text.contains(&begins)), "{word} is not in {file:?}: {row:#?}");
            tests += 1;
        }
        assert!(tests > 0, "no test holds this: {row:#?}");
    }
    let told: BTreeSet<&str> = rows.iter().flat_map(|row| row[0].split(", ")).collect();
    let markdown = maasctl(&["manual", "markdown"]).ok();
    let headings = markdown.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(" maasctl "));
    let commands: BTreeSet<&str> = headings.collect();
    for command in &commands {
        let above = command.split(' ').next().unwrap();
        let below = || told.iter().any(|verb| verb.starts_with(&format!("{command} ")));
        assert!(told.contains(command) || told.contains(above) || below(), "{command} has no row");
    }
    for verb in told {
        let known = verb == "global options" || commands.contains(verb.split(' ').next().unwrap());
        assert!(known, "{verb} is no verb");
    }
}

#[test]
fn every_flag_of_metrons_scripts_is_told_of() {
    let page = include_str!("../../docs/from-metron.md");
    for usage in [include_str!("../src/legacy/usage_service.txt"), include_str!("../src/legacy/usage_deploy.txt")] {
        for line in usage.lines().filter_map(|line| line.strip_prefix(" -")) {
            let (short, _) = line.split_once(",--").unwrap();
            assert!(page.contains(&format!("`-{short}`")), "-{short} is not in docs/from-metron.md");
        }
    }
}
