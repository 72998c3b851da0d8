//! What others may say of an object that a source declares: its labels and annotations that the source never gave. Pure.

use std::collections::{BTreeMap, BTreeSet};

use maas_crd::{Edit, ModelDeployment};

use crate::annotation::{OURS, SYNCED};

/// The labels and annotations that the source gives, as [`SYNCED`] remembers them; none when it gives none.
pub(crate) fn given(source: &ModelDeployment) -> Option<String> {
    let labels = source.metadata.labels.keys().map(|key| format!("labels/{key}"));
    let annotations = source.metadata.annotations.keys().filter(|key| !OURS.contains(&key.as_str()));
    let keys: Vec<String> = labels.chain(annotations.map(|key| format!("annotations/{key}"))).collect();
    (!keys.is_empty()).then(|| serde_json::json!(keys).to_string())
}

/// The edits with which the source's text keeps what others have said of the object as it stands. What the source gave
/// before and gives no longer goes.
pub(crate) fn kept<'a>(stored: &'a ModelDeployment, source: &ModelDeployment) -> Vec<Edit<'a>> {
    let (stored, source) = (&stored.metadata, &source.metadata);
    let gave: BTreeSet<String> =
        stored.annotations.get(SYNCED).and_then(|keys| serde_json::from_str(keys).ok()).unwrap_or_default();
    let labels = theirs(&stored.labels, &source.labels, &gave, "labels").map(|(k, v)| Edit::Label(k, Some(v)));
    let annotations = theirs(&stored.annotations, &source.annotations, &gave, "annotations")
        .filter(|(key, _)| !OURS.contains(key))
        .map(|(key, value)| Edit::Annotation(key, Some(value)));
    labels.chain(annotations).collect()
}

fn theirs<'a>(
    stored: &'a BTreeMap<String, String>,
    source: &BTreeMap<String, String>,
    gave: &BTreeSet<String>,
    field: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let is_theirs = move |key: &str| !source.contains_key(key) && !gave.contains(&format!("{field}/{key}"));
    stored.iter().filter(move |(key, _)| is_theirs(key)).map(|(key, value)| (key.as_str(), value.as_str()))
}

#[cfg(test)]
mod tests {
    use maas_crd::Manifest;

    use super::super::decide::{Change, Marks, decide};
    use super::*;
    use crate::annotation::{APPLYSET, REVISION};

    const GIT: &str = "# ours\napiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: dga-1.0\n  labels: {team: soc}\n  annotations: {owner: ann}\nspec:\n  model: {name: dga, version: \"1.0\"}\n  payload: {path: /m}\n";

    fn read(text: &str) -> Manifest {
        maas_crd::parse_one(text.as_bytes()).unwrap()
    }

    fn edited(text: &str, edits: &[Edit<'_>]) -> String {
        maas_crd::edit(text, edits).unwrap()
    }

    /// What a sync would write for `source` at `revision`; none when it stands.
    fn written(source: &str, stored: Option<&str>, revision: &str) -> Option<String> {
        let marks =
            Marks { applyset: Some("fleet".to_owned()), revision: Some(revision.to_owned()), keeps_others: true };
        let decision = decide(stored.map(str::as_bytes), &read(source), &marks).unwrap();
        assert_eq!(decision.text.is_none(), decision.change == Change::Unchanged);
        decision.text
    }

    #[test]
    fn what_is_written_bears_its_commit_and_stands_from_then_on() {
        let first = written(GIT, None, "c1").unwrap();
        let annotations = read(&first).resource.metadata.annotations;
        assert_eq!((annotations[APPLYSET].as_str(), annotations[REVISION].as_str()), ("fleet", "c1"));
        assert!(first.starts_with("# ours\n"), "{first}");
        assert_eq!(written(GIT, Some(&first), "c2"), None, "another commit with the same manifest is no change");
    }

    #[test]
    fn what_the_source_does_not_hold_is_kept_and_what_it_holds_is_its_own() {
        let by_hand = [
            Edit::Replicas(5),
            Edit::RestartedAt("2026-01-01T00:00:00Z"),
            Edit::Annotation("note", Some("x")),
            Edit::Annotation("maas/edits", Some("1f")),
            Edit::Label("hand", Some("y")),
        ];
        let live = edited(&written(GIT, None, "c1").unwrap(), &by_hand);
        assert_eq!(written(GIT, Some(&live), "c1"), None);
        let drifted = edited(&live, &[Edit::Label("team", Some("lab")), Edit::Env("X", Some("1"))]);
        let healed = read(&written(GIT, Some(&drifted), "c1").unwrap()).resource;
        assert_eq!(healed, read(&live).resource);
        assert_eq!(healed.spec.replicas, 5);
    }

    #[test]
    fn a_label_that_leaves_the_source_leaves_the_object_and_a_hands_label_stays() {
        let live = edited(&written(GIT, None, "c1").unwrap(), &[Edit::Label("hand", Some("y"))]);
        let later = GIT.replace("  labels: {team: soc}\n  annotations: {owner: ann}\n", "");
        let after = written(&later, Some(&live), "c2").unwrap();
        let metadata = read(&after).resource.metadata;
        assert_eq!(metadata.labels.keys().collect::<Vec<_>>(), ["hand"]);
        assert_eq!(metadata.annotations.keys().collect::<Vec<_>>(), [APPLYSET, REVISION]);
        assert_eq!(written(&later, Some(&after), "c3"), None);
    }

    #[test]
    fn the_number_that_the_source_gives_is_its_own() {
        let git = GIT.replace("spec:\n", "spec:\n  replicas: 2\n");
        let drifted = edited(&written(&git, None, "c1").unwrap(), &[Edit::Replicas(7)]);
        assert_eq!(read(&written(&git, Some(&drifted), "c1").unwrap()).resource.spec.replicas, 2);
    }
}
