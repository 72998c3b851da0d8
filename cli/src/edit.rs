//! Edits that are never applied twice. Each bears a random id, and the last ids stand in an annotation of the
//! manifest: if the answer to a write is lost, reading tells whether it was applied.

use maas_crd::{EditError, ModelDeployment};

use crate::annotation::EDITS;

pub(crate) const REMEMBERED: usize = 64;

/// The identity of one edit, kept over its retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EditId(String);

impl EditId {
    /// A fresh one.
    pub(crate) fn random() -> Self {
        Self(format!("{:016x}", rand::random::<u64>()))
    }

    /// Whether `resource` has this edit in it.
    pub(crate) fn is_in(&self, resource: &ModelDeployment) -> bool {
        remembered(resource).split(',').any(|known| known == self.0)
    }

    /// Notes in `text`, the manifest of `resource`, that this edit is in it; the oldest id is forgotten.
    pub(crate) fn note(&self, text: &str, resource: &ModelDeployment) -> Result<String, EditError> {
        let mut ids: Vec<&str> = remembered(resource).split(',').filter(|id| !id.is_empty()).collect();
        ids.push(&self.0);
        let kept = ids.split_off(ids.len().saturating_sub(REMEMBERED));
        maas_crd::set_annotation(text, EDITS, &kept.join(","))
    }
}

/// The ids in `resource`, as they are written.
fn remembered(resource: &ModelDeployment) -> &str {
    resource.metadata.annotations.get(EDITS).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "apiVersion: maas/v1\nkind: ModelDeployment\nspec:\n  model: {name: dga, version: \"1.0\"} # ours\n  payload: {path: /m}\n";

    fn read(text: &str) -> ModelDeployment {
        maas_crd::parse_one(text.as_bytes()).unwrap().resource
    }

    #[test]
    fn an_applied_edit_is_known_until_as_many_more_came_as_are_remembered() {
        let first = EditId::random();
        let mut text = first.note(TEXT, &read(TEXT)).unwrap();
        for _ in 1..REMEMBERED {
            text = EditId::random().note(&text, &read(&text)).unwrap();
            assert!(first.is_in(&read(&text)));
        }
        text = EditId::random().note(&text, &read(&text)).unwrap();
        assert!(!first.is_in(&read(&text)));
        assert_eq!(remembered(&read(&text)).split(',').count(), REMEMBERED);
        assert!(text.contains("# ours"));
    }
}
