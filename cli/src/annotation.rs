//! The annotations that maas itself writes into manifests, and those that it obeys.

use maas_crd::{Edit, ModelDeployment};

/// The ids of the last edits.
pub(crate) const EDITS: &str = "maas/edits";
/// The set that an object is a member of.
pub(crate) const APPLYSET: &str = "maas/applyset";
/// The commit that the last change came from.
pub(crate) const REVISION: &str = "maas/source-revision";
/// The labels and annotations that its source gave at the last change: a sync leaves all others to others.
pub(crate) const SYNCED: &str = "maas/synced-keys";
/// Whether a prune may take it.
pub(crate) const PRUNE: &str = "maas/prune";
/// The value of [`PRUNE`] with which no prune takes it.
pub(crate) const PRUNE_DISABLED: &str = "disabled";

/// What maas writes by itself. A user's text needs none of it, and no difference in it is one.
pub(crate) const OURS: [&str; 4] = [EDITS, APPLYSET, REVISION, SYNCED];

/// The value of an annotation; an empty one is none.
pub(crate) fn of<'a>(resource: &'a ModelDeployment, key: &str) -> Option<&'a str> {
    resource.metadata.annotations.get(key).map(String::as_str).filter(|value| !value.is_empty())
}

/// The edits with which a new text keeps what maas wrote into the stored one.
///
/// The ids of edits are kept even over those of the text: replacing a manifest must not make an old edit look new.
pub(crate) fn kept<'a>(stored: &'a ModelDeployment, new: &ModelDeployment) -> Vec<Edit<'a>> {
    let is_kept = |key: &&str| *key == EDITS || !new.metadata.annotations.contains_key(*key);
    let value = |key| of(stored, key).filter(|value| of(new, key) != Some(*value));
    OURS.into_iter().filter(is_kept).filter_map(|key| Some(Edit::Annotation(key, Some(value(key)?)))).collect()
}

/// The resource as its users know it, without what maas wrote.
pub(crate) fn without_ours(resource: &ModelDeployment) -> ModelDeployment {
    let mut bare = resource.clone();
    bare.metadata.annotations.retain(|key, _| !OURS.contains(&key.as_str()));
    bare
}
