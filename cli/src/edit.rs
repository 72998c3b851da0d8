//! Changing a stored manifest in place: only what the edit is about changes, the user's other words stay.
//!
//! Each edit bears a random id, and the last ids stand in an annotation. If the answer to a write is lost, reading
//! tells whether it was applied, so that no edit is applied twice.

use serde_yaml::{Mapping, Value};

const ANNOTATION: &str = "maas/edits";
const REMEMBERED: usize = 16;

/// The identity of one edit, kept over its retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EditId(String);

impl EditId {
    /// A fresh one.
    pub(crate) fn random() -> Self {
        Self(format!("{:016x}", rand::random::<u64>()))
    }
}

/// Why a stored manifest cannot be edited.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    /// It is no YAML.
    #[error("the stored manifest is not YAML: replace it with `maasctl apply -f FILE` or delete it")]
    Parse(#[source] serde_yaml::Error),
    /// It is YAML of another shape.
    #[error("the stored manifest has no {0} mapping: replace it with `maasctl apply -f FILE` or delete it")]
    Shape(&'static str),
    /// It cannot be written back.
    #[error("the edited manifest cannot be written as YAML")]
    Write(#[source] serde_yaml::Error),
}

/// A manifest being edited.
#[derive(Debug, Clone)]
pub(crate) struct Manifest(Value);

impl Manifest {
    /// Reads what is stored.
    pub(crate) fn parse(text: &str) -> Result<Self, EditError> {
        let value: Value = serde_yaml::from_str(text).map_err(EditError::Parse)?;
        if value.is_mapping() { Ok(Self(value)) } else { Err(EditError::Shape("top-level")) }
    }

    /// Its text, as YAML.
    pub(crate) fn text(&self) -> Result<String, EditError> {
        serde_yaml::to_string(&self.0).map_err(EditError::Write)
    }

    /// Whether the manifest itself says how many instances there should be.
    pub(crate) fn names_replicas(&self) -> bool {
        self.0.get("spec").and_then(|spec| spec.get("replicas")).is_some_and(|replicas| !replicas.is_null())
    }

    /// Sets `spec.replicas`.
    pub(crate) fn set_replicas(&mut self, replicas: u32) -> Result<(), EditError> {
        self.mapping("spec")?.insert("replicas".into(), replicas.into());
        Ok(())
    }

    /// Whether this edit has been applied.
    pub(crate) fn knows(&self, id: &EditId) -> bool {
        self.edits().iter().any(|known| *known == id.0)
    }

    /// Notes that this edit has been applied, forgetting the oldest.
    pub(crate) fn remember(&mut self, id: &EditId) -> Result<(), EditError> {
        let mut edits: Vec<String> = self.edits().into_iter().map(str::to_owned).collect();
        edits.push(id.0.clone());
        let excess = edits.len().saturating_sub(REMEMBERED);
        let text = edits.split_off(excess).join(",");
        let metadata = self.mapping("metadata")?;
        let annotations = metadata.entry("annotations".into()).or_insert_with(|| Value::Mapping(Mapping::new()));
        if annotations.is_null() {
            *annotations = Value::Mapping(Mapping::new());
        }
        annotations
            .as_mapping_mut()
            .ok_or(EditError::Shape("metadata.annotations"))?
            .insert(ANNOTATION.into(), text.into());
        Ok(())
    }

    /// Takes over the ids that `stored` remembers, so that replacing a manifest does not make an edit look new.
    pub(crate) fn keep_edits_of(&mut self, stored: &Self) -> Result<(), EditError> {
        for id in stored.edits() {
            self.remember(&EditId(id.to_owned()))?;
        }
        Ok(())
    }

    fn edits(&self) -> Vec<&str> {
        let annotation = self
            .0
            .get("metadata")
            .and_then(|metadata| metadata.get("annotations"))
            .and_then(|annotations| annotations.get(ANNOTATION));
        annotation.and_then(Value::as_str).unwrap_or_default().split(',').filter(|id| !id.is_empty()).collect()
    }

    fn mapping(&mut self, field: &'static str) -> Result<&mut Mapping, EditError> {
        let top = self.0.as_mapping_mut().ok_or(EditError::Shape("top-level"))?;
        let value = top.entry(field.into()).or_insert_with(|| Value::Mapping(Mapping::new()));
        value.as_mapping_mut().ok_or(EditError::Shape(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = "kind: ModelDeployment\nmetadata:\n  name: dga-1.0\nspec:\n  replicas: 1\n  odd: field\n";

    #[test]
    fn an_edit_changes_only_what_it_is_about() {
        let mut manifest = Manifest::parse(STORED).unwrap();
        manifest.set_replicas(3).unwrap();
        assert_eq!(manifest.text().unwrap(), STORED.replace("replicas: 1", "replicas: 3"));
    }

    #[test]
    fn an_applied_edit_is_known_until_sixteen_more_came() {
        let mut manifest = Manifest::parse(STORED).unwrap();
        let first = EditId::random();
        manifest.remember(&first).unwrap();
        for _ in 0..15 {
            manifest.remember(&EditId::random()).unwrap();
            assert!(manifest.knows(&first));
        }
        let manifest_again = Manifest::parse(&manifest.text().unwrap()).unwrap();
        assert!(manifest_again.knows(&first));
        manifest.remember(&EditId::random()).unwrap();
        assert!(!manifest.knows(&first));
        assert_eq!(manifest.edits().len(), REMEMBERED);
    }

    #[test]
    fn another_shape_is_refused_not_overwritten() {
        assert!(Manifest::parse("[1]").is_err());
        assert!(Manifest::parse("a: [").is_err());
        assert!(Manifest::parse("spec: 5").unwrap().set_replicas(1).is_err());
        assert!(Manifest::parse("metadata: {annotations: 5}").unwrap().remember(&EditId::random()).is_err());
    }
}
