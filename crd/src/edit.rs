//! Edits of a user's own text that keep its comments and layout: a value is replaced, an entry is put in or taken out
//! where the tree of the document says, and the result is read again. Where that does not come out as meant, the
//! document is written anew.

mod place;

use std::time::Duration;

use serde::Serialize;

use crate::deployment::{API_VERSION, KIND, Metadata, ModelDeployment, Spec, Template};
use crate::manifest::{Faults, Manifest, parse_one, parse_tree};
use crate::quantity::{Memory, period};
use place::Scalar;

/// Why a text could not be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is no valid manifest.
    #[error("the manifest as it stands is not valid")]
    Invalid(#[source] Faults),
    /// It would be none any longer: too long, or a value that its field may not have.
    #[error("the manifest would not be valid after the change")]
    Unfit(#[source] Faults),
}

/// One change of a manifest. Where a value is none, what stands there is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit<'a> {
    /// `spec.replicas`.
    Replicas(u32),
    /// One of `metadata.labels`.
    Label(&'a str, Option<&'a str>),
    /// One of `metadata.annotations`.
    Annotation(&'a str, Option<&'a str>),
    /// One of `spec.env`.
    Env(&'a str, Option<&'a str>),
    /// `spec.resources.memory`.
    Memory(Memory),
    /// `spec.resources.vcores`.
    Vcores(u32),
    /// `spec.payload.path`.
    PayloadPath(&'a str),
    /// `spec.startup.script`.
    Script(Option<&'a str>),
    /// `spec.restartedAt`.
    RestartedAt(&'a str),
}

impl<'a> Edit<'a> {
    /// The keys that lead to it.
    fn path(self) -> Vec<&'a str> {
        match self {
            Self::Replicas(_) => vec!["spec", "replicas"],
            Self::Label(key, _) => vec!["metadata", "labels", key],
            Self::Annotation(key, _) => vec!["metadata", "annotations", key],
            Self::Env(key, _) => vec!["spec", "env", key],
            Self::Memory(_) => vec!["spec", "resources", "memory"],
            Self::Vcores(_) => vec!["spec", "resources", "vcores"],
            Self::PayloadPath(_) => vec!["spec", "payload", "path"],
            Self::Script(_) => vec!["spec", "startup", "script"],
            Self::RestartedAt(_) => vec!["spec", "restartedAt"],
        }
    }

    /// What stands there afterwards.
    fn value(self) -> Option<Scalar> {
        match self {
            Self::Replicas(number) | Self::Vcores(number) => Some(Scalar::Number(number)),
            Self::Memory(memory) => Some(Scalar::Amount(memory)),
            Self::Label(_, text) | Self::Annotation(_, text) | Self::Env(_, text) | Self::Script(text) => {
                text.map(|text| Scalar::Text(text.to_owned()))
            }
            Self::PayloadPath(text) | Self::RestartedAt(text) => Some(Scalar::Text(text.to_owned())),
        }
    }

    /// The same change of what the text means.
    fn make(self, manifest: &mut Manifest) {
        let put = |map: &mut std::collections::BTreeMap<String, String>, key: &str, value: Option<&str>| match value {
            Some(value) => drop(map.insert(key.to_owned(), value.to_owned())),
            None => drop(map.remove(key)),
        };
        let (metadata, spec) = (&mut manifest.resource.metadata, &mut manifest.resource.spec);
        let template = &mut spec.template;
        match self {
            Self::Replicas(replicas) => {
                spec.replicas = replicas;
                manifest.replicas_given = true;
            }
            Self::Label(key, value) => put(&mut metadata.labels, key, value),
            Self::Annotation(key, value) => put(&mut metadata.annotations, key, value),
            Self::Env(key, value) => put(&mut template.env, key, value),
            Self::Memory(memory) => template.resources.memory = memory,
            Self::Vcores(vcores) => template.resources.vcores = vcores,
            Self::PayloadPath(path) => template.payload.path = path.to_owned(),
            Self::Script(script) => template.startup.script = script.map(str::to_owned),
            Self::RestartedAt(time) => template.restarted_at = Some(time.to_owned()),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: &'a Metadata,
    spec: WrittenSpec<'a>,
}

#[derive(Serialize)]
struct WrittenSpec<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<u32>,
    #[serde(rename = "progressDeadline", with = "period")]
    progress_deadline: Duration,
    #[serde(flatten)]
    template: &'a Template,
}

/// A resource as YAML, every field written out.
#[must_use]
pub fn render(resource: &ModelDeployment) -> String {
    write(resource, true)
}

/// As [`render`], with or without the replicas.
pub(crate) fn write(resource: &ModelDeployment, replicas: bool) -> String {
    let replicas = replicas.then_some(resource.spec.replicas);
    let Spec { progress_deadline, ref template, .. } = resource.spec;
    let spec = WrittenSpec { replicas, progress_deadline, template };
    let written = Written { api_version: API_VERSION, kind: KIND, metadata: &resource.metadata, spec };
    // Only maps with keys other than texts fail, and there are none.
    serde_yaml::to_string(&written).unwrap_or_default()
}

/// The text after these changes, one after another. One that changes nothing leaves every byte.
///
/// # Errors
/// The text is no valid manifest, or would not be one.
pub fn edit(text: &str, edits: &[Edit<'_>]) -> Result<String, EditError> {
    let mut manifest = parse_one(text.as_bytes()).map_err(EditError::Invalid)?;
    for edit in edits {
        manifest = made(manifest, *edit)?;
    }
    Ok(manifest.text)
}

/// The text with another number of replicas.
///
/// # Errors
/// As [`edit`].
pub fn set_replicas(text: &str, replicas: u32) -> Result<String, EditError> {
    edit(text, &[Edit::Replicas(replicas)])
}

/// The text with one annotation set.
///
/// # Errors
/// As [`edit`].
pub fn set_annotation(text: &str, key: &str, value: &str) -> Result<String, EditError> {
    edit(text, &[Edit::Annotation(key, Some(value))])
}

fn made(before: Manifest, edit: Edit<'_>) -> Result<Manifest, EditError> {
    let mut wanted = before.clone();
    edit.make(&mut wanted);
    if wanted == before {
        return Ok(before);
    }
    let in_place = parse_tree(&before.text).0.and_then(|root| match edit.value() {
        Some(value) => place::set(&before.text, &root, &edit.path(), &value),
        None => place::remove(&before.text, &root, &edit.path()),
    });
    let is_as_meant = |m: &Manifest| m.resource == wanted.resource && m.replicas_given == wanted.replicas_given;
    if let Some(edited) = in_place.and_then(|text| parse_one(text.as_bytes()).ok()).filter(is_as_meant) {
        return Ok(edited);
    }
    parse_one(write(&wanted.resource, wanted.replicas_given).as_bytes()).map_err(EditError::Unfit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COMMENTED: &str = "# ours\napiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: dga-1.0 # the first\nspec:\n  model: {name: dga, version: \"1.0\"}\n  replicas: 3   # three\n  payload: {path: /m}\n";

    #[test]
    fn comments_and_layout_stay() {
        let edited = set_replicas(COMMENTED, 12).unwrap();
        assert_eq!(edited, COMMENTED.replace("replicas: 3 ", "replicas: 12 "));
        let noted = set_annotation(&edited, "maas/edits", "a b").unwrap();
        assert_eq!(
            noted,
            edited.replace("  name: dga-1.0", "  annotations:\n    \"maas/edits\": \"a b\"\n  name: dga-1.0")
        );
        let again = set_annotation(&noted, "maas/edits", "c: \"d\"").unwrap();
        assert_eq!(parse_one(again.as_bytes()).unwrap().resource.metadata.annotations["maas/edits"], "c: \"d\"");
    }

    #[test]
    fn an_edit_that_changes_nothing_leaves_every_byte() {
        let noted = COMMENTED.replace("  name:", "  annotations: {k: 'v'} # mine\n  name:");
        assert_eq!(set_annotation(&noted, "k", "v").unwrap(), noted);
        assert_eq!(set_replicas(COMMENTED, 3).unwrap(), COMMENTED);
    }

    #[test]
    fn replicas_that_were_not_there_are_put_in() {
        let text = COMMENTED.replace("  replicas: 3   # three\n", "");
        let edited = set_replicas(&text, 2).unwrap();
        assert!(edited.contains("# ours") && edited.contains("spec:\n  replicas: 2\n  model"), "{edited}");
    }

    #[test]
    fn entries_in_braces_and_without_values_keep_their_layout() {
        let note = |text: &str| set_annotation(text, "k", "v").unwrap();
        let start = "apiVersion: maas/v1\nkind: ModelDeployment\n";
        let end = "spec: {model: {name: a, version: '1'}, payload: {path: /m}} # end\n";
        for (before, after) in [
            ("", "metadata:\n  annotations:\n    k: \"v\"\n"),
            ("metadata:\n", "metadata: {\"annotations\": {\"k\": \"v\"}}\n"),
            ("metadata: # none\n", "metadata: {\"annotations\": {\"k\": \"v\"}} # none\n"),
            ("metadata: {}\n", "metadata: {\"annotations\": {\"k\": \"v\"}}\n"),
            ("metadata: {name: b}\n", "metadata: {\"annotations\": {\"k\": \"v\"}, name: b}\n"),
            ("metadata: { name: b }\n", "metadata: {\"annotations\": {\"k\": \"v\"}, name: b }\n"),
            ("metadata:\n  annotations: ~ # c\n", "metadata:\n  annotations: {\"k\": \"v\"} # c\n"),
            ("metadata:\n  annotations: {'k': w}\n", "metadata:\n  annotations: {'k': v}\n"),
            ("metadata:\r\n  name: b\r\n", "metadata:\r\n  annotations:\r\n    k: \"v\"\r\n  name: b\r\n"),
        ] {
            let edited = note(&format!("{start}{before}{end}"));
            let wanted =
                if before.is_empty() { format!("{after}{start}{end}") } else { format!("{start}{after}{end}") };
            assert_eq!(edited, wanted);
        }
        let scaled = set_replicas(&format!("{start}{end}"), 4).unwrap();
        assert_eq!(scaled, format!("{start}{}", end.replace("{model", "{\"replicas\": 4, model")));
    }

    #[test]
    fn an_edit_that_no_manifest_can_hold_is_refused() {
        let refused = |edit: Result<String, EditError>| match edit {
            Err(EditError::Unfit(faults)) => faults.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(refused(set_replicas(COMMENTED, 1001)).contains("1001 must be a whole number from 0 to 1000"));
        assert!(refused(set_annotation(COMMENTED, "k", &"x".repeat(70_000))).contains("more than 65536"));
        assert!(matches!(set_replicas("a: b", 1), Err(EditError::Invalid(_))));
    }

    #[test]
    fn json_is_edited_too() {
        let json = r#"{"apiVersion": "maas/v1", "kind": "ModelDeployment", "spec": {"model": {"name": "a", "version": "1"}, "payload": {"path": "/m"}}}"#;
        let edited = set_replicas(json, 2).unwrap();
        assert_eq!(parse_one(edited.as_bytes()).unwrap().resource.spec.replicas, 2);
        let noted = set_annotation(json, "k", "v").unwrap();
        assert_eq!(parse_one(noted.as_bytes()).unwrap().resource.metadata.annotations["k"], "v");
        let still: serde_json::Value = serde_json::from_str(&edited).unwrap();
        assert_eq!(still["spec"]["replicas"], 2);
        assert!(serde_json::from_str::<serde_json::Value>(&noted).is_ok(), "{noted}");
    }

    /// Every field that can be edited, in the ways that people write them.
    const FULL: &str = "# ours\napiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: dga-1.0 # the first\n  # who\n  labels:\n    team: soc # them\n    tier: 'gold' # it's\n  annotations: {note: \"x\", 'why': y}\nspec:\n  model: {name: dga, version: \"1.0\"}\n  payload:\n    path: /m/1 # there\n  # what it gets\n  resources: { memory: 512Mi, vcores: 2 }\n  env:\n    # how sure\n    THRESHOLD: \"0.7\"\n  startup: {script: rest.sh}\n  restartedAt: \"2026-01-31T12:00:00Z\" # by me\n";

    #[test]
    fn each_field_is_changed_and_taken_out_where_it_stands() {
        let memory: Memory = "2Gi".parse().unwrap();
        for (changes, from, to) in [
            (vec![Edit::Label("team", Some("noc"))], "team: soc #", "team: noc #"),
            (vec![Edit::Label("team", Some("1"))], "team: soc #", "team: \"1\" #"),
            (vec![Edit::Label("tier", Some("no"))], "tier: 'gold'", "tier: \"no\""),
            (vec![Edit::Label("team", None)], "    team: soc # them\n", ""),
            (vec![Edit::Label("tier", None)], "    tier: 'gold' # it's\n", ""),
            (
                vec![Edit::Label("team", None), Edit::Label("tier", None)],
                "  labels:\n    team: soc # them\n    tier: 'gold' # it's\n",
                "",
            ),
            (vec![Edit::Annotation("note", None)], "{note: \"x\", 'why'", "{'why'"),
            (vec![Edit::Annotation("why", None)], "\"x\", 'why': y}", "\"x\"}"),
            (
                vec![Edit::Annotation("why", None), Edit::Annotation("note", None)],
                "  annotations: {note: \"x\", 'why': y}\n",
                "",
            ),
            (vec![Edit::Env("THRESHOLD", Some("0.8"))], "\"0.7\"", "\"0.8\""),
            (vec![Edit::Env("A", Some(""))], "    THRESHOLD", "    A: \"\"\n    THRESHOLD"),
            (vec![Edit::Env("THRESHOLD", None)], "    THRESHOLD: \"0.7\"\n", ""),
            (vec![Edit::Memory(memory)], "memory: 512Mi", "memory: 2Gi"),
            (vec![Edit::Vcores(4)], "vcores: 2", "vcores: 4"),
            (vec![Edit::PayloadPath("hdfs://nn:8020/m/2")], "path: /m/1 #", "path: hdfs://nn:8020/m/2 #"),
            (vec![Edit::PayloadPath("/m a")], "path: /m/1 #", "path: \"/m a\" #"),
            (vec![Edit::Script(Some("a/b.sh"))], "{script: rest.sh}", "{script: a/b.sh}"),
            (vec![Edit::Script(None)], "  startup: {script: rest.sh}\n", ""),
            (vec![Edit::RestartedAt("2027-01-31T12:00:00Z")], "\"2026-", "\"2027-"),
            (vec![Edit::Label("none", None), Edit::Env("NONE", None), Edit::Vcores(2)], "# ours", "# ours"),
        ] {
            let edited = edit(FULL, &changes).unwrap();
            assert_eq!(edited, FULL.replacen(from, to, 1), "{changes:?}");
            assert_eq!(edit(&edited, &changes).unwrap(), edited, "made twice: {changes:?}");
        }
    }

    #[test]
    fn a_value_that_its_field_may_not_have_is_refused_by_the_field() {
        for (change, path) in [
            (Edit::PayloadPath("m"), "spec.payload.path"),
            (Edit::Script(Some("x.py")), "spec.startup.script"),
            (Edit::Env("MAAS_X", Some("1")), "spec.env.MAAS_X"),
            (Edit::Env("1X", Some("1")), "spec.env.1X"),
            (Edit::Vcores(0), "spec.resources.vcores"),
            (Edit::RestartedAt("now"), "spec.restartedAt"),
        ] {
            match edit(FULL, &[change]) {
                Err(EditError::Unfit(faults)) => assert!(faults.0.iter().any(|f| f.path == path), "{faults}"),
                other => panic!("{change:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_last_line_goes_without_its_newline() {
        let text = FULL.trim_end().replace(" # by me", "").replace("  restartedAt: \"2026-01-31T12:00:00Z\"", "  env2");
        let text = text.replace("  env2", "  probes: ~").replace("  startup: {script: rest.sh}\n", "");
        let text = format!("{text}\n  startup:\n    script: |-\n      rest.sh\n");
        let edited = edit(&text, &[Edit::Script(None)]).unwrap();
        assert_eq!(edited, text[..text.find("  startup").unwrap()]);
    }

    proptest! {
        #[test]
        fn an_annotation_of_any_text_comes_back(value in "\\PC{0,40}") {
            let edited = set_annotation(COMMENTED, "maas/edits", &value).unwrap();
            let resource = parse_one(edited.as_bytes()).unwrap().resource;
            prop_assert_eq!(&resource.metadata.annotations["maas/edits"], &value);
            prop_assert_eq!(resource.spec.replicas, 3);
        }
    }
}
