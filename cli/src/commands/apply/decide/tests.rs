use maas_store::Stat;
use proptest::prelude::*;

use super::*;
use crate::annotation::EDITS;

const DGA: &str = "# ours\napiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: dga-1.0\nspec:\n  model: {name: dga, version: \"1.0\"}\n  replicas: 2\n  payload: {path: /m}\n";

fn read(text: &str) -> Manifest {
    maas_crd::parse_one(text.as_bytes()).unwrap()
}

fn note(text: &str, key: &str, value: &str) -> String {
    maas_crd::set_annotation(text, key, value).unwrap()
}

fn set(name: &str) -> Marks {
    Marks { applyset: Some(name.to_owned()), revision: None, keeps_others: false }
}

fn apply(stored: &str, wanted: &str, marks: &Marks) -> (Change, Option<Manifest>) {
    let decision = decide(Some(stored.as_bytes()), &read(wanted), marks).unwrap();
    (decision.change, decision.text.map(|text| read(&text)))
}

fn annotation<'a>(manifest: &'a Option<Manifest>, key: &str) -> Option<&'a str> {
    of(&manifest.as_ref().unwrap().resource, key)
}

#[test]
fn what_is_not_there_is_created_as_written() {
    let decision = decide(None, &read(DGA), &Marks::default()).unwrap();
    assert_eq!(decision, Decision { change: Change::Created, text: Some(DGA.to_owned()) });
}

#[test]
fn what_means_the_same_is_not_written() {
    let other =
        DGA.replace("# ours", "# theirs").replace("  replicas: 2", "  resources: {memory: 512Mi}\n  replicas: 2");
    assert_eq!(apply(DGA, &other, &Marks::default()), (Change::Unchanged, None));
    let marks = Marks { applyset: None, revision: Some("abc".into()), keeps_others: false };
    assert_eq!(apply(DGA, &other, &marks), (Change::Unchanged, None), "a commit alone changes nothing");
}

#[test]
fn what_the_text_leaves_out_is_kept() {
    let live = maas_crd::edit(DGA, &[Edit::Replicas(7), Edit::RestartedAt("2026-01-31T12:00:00Z")]).unwrap();
    let live = note(&note(&note(&live, EDITS, "1,2"), APPLYSET, "soc"), REVISION, "abc");
    let silent = DGA.replace("  replicas: 2\n", "");
    assert_eq!(apply(&live, &silent, &Marks::default()), (Change::Unchanged, None));
    let (change, merged) = apply(&live, &silent.replace("/m", "/new"), &Marks::default());
    assert_eq!(change, Change::Configured);
    let resource = &merged.as_ref().unwrap().resource;
    assert_eq!(resource.spec.replicas, 7);
    assert_eq!(resource.spec.template.restarted_at.as_deref(), Some("2026-01-31T12:00:00Z"));
    let kept = [EDITS, APPLYSET, REVISION].map(|key| annotation(&merged, key));
    assert_eq!(kept, [Some("1,2"), Some("soc"), Some("abc")]);
    assert!(merged.unwrap().text.starts_with("# ours\n"));
}

#[test]
fn ids_of_edits_are_the_stored_ones_whatever_the_text_says() {
    let (live, old) = (note(DGA, EDITS, "1,2"), note(&DGA.replace("/m", "/new"), EDITS, "1"));
    let (_, merged) = apply(&live, &old, &Marks::default());
    assert_eq!(annotation(&merged, EDITS), Some("1,2"));
}

#[test]
fn an_object_becomes_a_member_even_if_nothing_else_changes() {
    let (change, merged) = apply(DGA, DGA, &set("soc"));
    assert_eq!((change, annotation(&merged, APPLYSET)), (Change::Configured, Some("soc")));
    assert_eq!(apply(&note(DGA, APPLYSET, "soc"), DGA, &set("soc")), (Change::Unchanged, None));
}

#[test]
fn a_change_bears_the_commit_that_it_came_from() {
    let marks = Marks { applyset: Some("soc".into()), revision: Some("abc".into()), keeps_others: false };
    let live = note(DGA, REVISION, "old");
    let (change, merged) = apply(&live, DGA, &marks);
    assert_eq!((change, annotation(&merged, REVISION)), (Change::Configured, Some("abc")));
}

#[test]
fn a_member_of_another_set_is_refused_with_both_names_and_a_way_out() {
    let live = note(DGA, APPLYSET, "lab");
    let refused =
        |wanted: &str, marks: &Marks| decide(Some(live.as_bytes()), &read(wanted), marks).unwrap_err().to_string();
    let words = "it belongs to the applyset lab, not to soc: apply it there, or hand it over with `maasctl annotate md dga-1.0 -n default maas/applyset-` and apply again";
    assert_eq!(refused(DGA, &set("soc")), words);
    assert_eq!(refused(&note(DGA, APPLYSET, "soc"), &Marks::default()), words);
    assert_eq!(apply(&live, DGA, &Marks::default()), (Change::Unchanged, None), "by hand, it stays a member");
}

#[test]
fn a_stored_text_that_is_no_manifest_is_mended() {
    let (change, merged) = apply("kind: [", DGA, &set("soc"));
    assert_eq!((change, annotation(&merged, APPLYSET)), (Change::Configured, Some("soc")));
}

#[test]
fn a_manifest_without_room_for_what_is_kept_is_refused() {
    let large = note(DGA, "k", &"x".repeat(65_000));
    let live = note(DGA, EDITS, &"0123456789abcdef,".repeat(60));
    let refused = decide(Some(live.as_bytes()), &read(&large), &Marks::default()).unwrap_err();
    assert!(matches!(refused, Refusal::Edit(EditError::Unfit(_))), "{refused:?}");
}

fn spec(name: &str, text: &str) -> SpecRead {
    SpecRead { namespace: Namespace::default(), name: name.parse().unwrap(), text: text.into(), stat: Stat::default() }
}

#[test]
fn a_prune_takes_undeclared_members_and_nothing_else() {
    let mine = note(DGA, APPLYSET, "soc");
    let all = vec![
        spec("gone", &mine),
        spec("declared", &mine),
        spec("kept", &note(&mine, PRUNE, PRUNE_DISABLED)),
        spec("marked-otherwise", &note(&mine, PRUNE, "enabled")),
        spec("other", &note(DGA, APPLYSET, "lab")),
        spec("nobodys", DGA),
        spec("broken", "kind: ["),
    ];
    let found = members(all, "soc", &[(Namespace::default(), "declared".parse().unwrap())].into());
    let names = |of: &[SpecRead]| of.iter().map(|read| read.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&found.surplus), ["gone", "marked-otherwise"]);
    assert_eq!((names(&found.opted_out), names(&found.unreadable)), (vec!["kept".into()], vec!["broken".into()]));
}

fn manifests() -> impl Strategy<Value = String> {
    let annotations = prop::collection::btree_map(
        prop::sample::select(vec![EDITS, APPLYSET, REVISION, PRUNE, "mine"]),
        "[a-z0-9,]{0,6}",
        0..4,
    );
    (prop::option::of(0u32..5), annotations, "/[a-c]").prop_map(|(replicas, annotations, path)| {
        let replicas = replicas.map(|replicas| format!("  replicas: {replicas}\n")).unwrap_or_default();
        let text = DGA.replace("  replicas: 2\n", &replicas).replace("/m", &path);
        annotations.iter().fold(text, |text, (key, value)| note(&text, key, value))
    })
}

proptest! {
    #[test]
    fn applied_again_nothing_is_written_and_nothing_of_the_text_is_lost(
        stored in prop::option::of(manifests()),
        wanted in manifests(),
        applyset in prop::option::of("[a-z]{1,3}"),
        revision in prop::option::of("[0-9a-f]{6}"),
    ) {
        let (marks, wanted) = (Marks { applyset, revision, keeps_others: false }, read(&wanted));
        let Ok(decision) = decide(stored.as_ref().map(String::as_bytes), &wanted, &marks) else { return Ok(()) };
        let stands = decision.text.or(stored).unwrap();
        if marks.applyset.is_some() {
            let stored = read(&stands).resource;
            prop_assert_eq!(of(&stored, APPLYSET), marks.applyset.as_deref());
        }
        let again = decide(Some(stands.as_bytes()), &wanted, &marks).unwrap();
        prop_assert_eq!(again, Decision { change: Change::Unchanged, text: None });
        let (stands, wanted) = (without_ours(&read(&stands).resource), without_ours(&wanted.resource));
        prop_assert_eq!(&stands.metadata, &wanted.metadata);
        prop_assert_eq!(&stands.spec.template, &wanted.spec.template);
    }
}
