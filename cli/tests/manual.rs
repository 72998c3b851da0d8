//! The manual is what the commands say of themselves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;

use std::collections::BTreeSet;

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
