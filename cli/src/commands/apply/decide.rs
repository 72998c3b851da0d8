//! What an apply does to one object, and what a prune to the members of a set. Pure.

use std::collections::BTreeSet;
use std::fmt;

use maas_crd::{Edit, EditError, Manifest, ModelDeployment, Name, Namespace};
use maas_store::SpecRead;

use super::others;
use crate::annotation::{APPLYSET, PRUNE, PRUNE_DISABLED, REVISION, SYNCED, kept, of, without_ours};

/// What an apply writes beside the manifests' own text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The set whose members the objects become.
    pub(crate) applyset: Option<String>,
    /// Where a change came from: the id of a commit. An object that is not changed otherwise keeps the one it has.
    pub(crate) revision: Option<String>,
    /// Whether labels and annotations that the manifest's source never gave are kept.
    pub(crate) keeps_others: bool,
}

/// What became, or would become, of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Unchanged,
    Created,
    Configured,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unchanged => "unchanged",
            Self::Created => "created",
            Self::Configured => "configured",
        })
    }
}

/// Why an object may not be applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Someone else keeps it.
    #[error("it belongs to the applyset {theirs}, not to {ours}: apply it there, or hand it over with `maasctl annotate md {name} -n {namespace} {APPLYSET}-` and apply again", name = .object.1, namespace = .object.0)]
    OtherSet {
        /// Which.
        object: (Namespace, Name),
        /// Its set.
        theirs: String,
        /// The set of this apply.
        ours: String,
    },
    /// The manifest leaves no room for what has to be kept.
    #[error(transparent)]
    Edit(#[from] EditError),
}

/// The change, and the text to write for it; none when nothing is to be written.
#[derive(Debug, PartialEq)]
pub(crate) struct Decision {
    pub(crate) change: Change,
    pub(crate) text: Option<String>,
}

/// What `wanted` does to what is stored under its name. Compared are meanings, with defaults filled in; a stored text that
/// is no manifest is replaced.
pub(crate) fn decide(stored: Option<&[u8]>, wanted: &Manifest, marks: &Marks) -> Result<Decision, Refusal> {
    let known = stored.and_then(|text| maas_crd::parse_one(text).ok()).map(|manifest| manifest.resource);
    let merged = merge(known.as_ref(), wanted, marks)?;
    let change = match (stored, &known) {
        (None, _) => Change::Created,
        (Some(_), Some(known)) if is_as_wanted(known, &merged.resource, marks) => Change::Unchanged,
        (Some(_), _) => Change::Configured,
    };
    let text = match (change, &marks.revision) {
        (Change::Unchanged, _) => None,
        (_, Some(revision)) => Some(maas_crd::set_annotation(&merged.text, REVISION, revision)?),
        (_, None) => Some(merged.text),
    };
    Ok(Decision { change, text })
}

/// What would stand in the tree: the manifest with what it leaves to the stored one, and its set.
pub(crate) fn merge(known: Option<&ModelDeployment>, wanted: &Manifest, marks: &Marks) -> Result<Manifest, Refusal> {
    let mut edits = Vec::new();
    if let Some(known) = known {
        if !wanted.replicas_given && wanted.resource.spec.replicas != known.spec.replicas {
            edits.push(Edit::Replicas(known.spec.replicas));
        }
        // As kubectl: a restart is not undone by a manifest that does not speak of restarts.
        if let (None, Some(time)) = (&wanted.resource.spec.template.restarted_at, &known.spec.template.restarted_at) {
            edits.push(Edit::RestartedAt(time));
        }
        if marks.keeps_others {
            edits.extend(others::kept(known, &wanted.resource));
        }
        edits.extend(kept(known, &wanted.resource));
    }
    let given = others::given(&wanted.resource).filter(|_| marks.keeps_others);
    if marks.keeps_others {
        edits.push(Edit::Annotation(SYNCED, given.as_deref()));
    }
    if let Some(set) = &marks.applyset {
        edits.push(Edit::Annotation(APPLYSET, Some(set)));
    }
    let merged = if edits.is_empty() {
        wanted.clone()
    } else {
        let text = maas_crd::edit(&wanted.text, &edits)?;
        maas_crd::parse_one(text.as_bytes()).map_err(EditError::Unfit)?
    };
    let (ours, theirs) = (of(&merged.resource, APPLYSET), known.and_then(|known| of(known, APPLYSET)));
    match (theirs, ours) {
        (Some(theirs), Some(ours)) if theirs != ours => {
            Err(Refusal::OtherSet { object: key(&wanted.resource), theirs: theirs.to_owned(), ours: ours.to_owned() })
        }
        _ => Ok(merged),
    }
}

/// Whether what is known needs no change to be what is wanted.
pub(crate) fn is_as_wanted(known: &ModelDeployment, merged: &ModelDeployment, marks: &Marks) -> bool {
    is_same(known, merged) && (!marks.keeps_others || of(known, SYNCED) == of(merged, SYNCED))
}

/// Whether two resources mean the same. Our notes are none of it, but for whose member it is.
pub(crate) fn is_same(one: &ModelDeployment, other: &ModelDeployment) -> bool {
    of(one, APPLYSET) == of(other, APPLYSET) && without_ours(one) == without_ours(other)
}

/// Namespace and name.
pub(crate) fn key(of: &ModelDeployment) -> (Namespace, Name) {
    (of.metadata.namespace.clone(), of.metadata.name.clone())
}

/// What a prune finds in the tree.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Members {
    /// Members of the set that nobody declares any longer.
    pub(crate) surplus: Vec<SpecRead>,
    /// Such as are kept, by an annotation of their own.
    pub(crate) opted_out: Vec<SpecRead>,
    /// Whose member they are can't be told: their manifests can't be read.
    pub(crate) unreadable: Vec<SpecRead>,
}

/// Sorts all objects of the tree by what a prune of `applyset` does to them, but for those in `declared`.
pub(crate) fn members(all: Vec<SpecRead>, applyset: &str, declared: &BTreeSet<(Namespace, Name)>) -> Members {
    let mut found = Members::default();
    for read in all {
        if declared.contains(&(read.namespace.clone(), read.name.clone())) {
            continue;
        }
        match membership(&read, applyset) {
            Membership::Member => found.surplus.push(read),
            Membership::OptedOut => found.opted_out.push(read),
            Membership::Unreadable => found.unreadable.push(read),
            Membership::None => {}
        }
    }
    found
}

/// What an object is to a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    Member,
    /// A member that no prune takes.
    OptedOut,
    None,
    Unreadable,
}

/// What a stored object is to `applyset`.
pub(crate) fn membership(read: &SpecRead, applyset: &str) -> Membership {
    let Ok(manifest) = maas_crd::parse_one(&read.text) else { return Membership::Unreadable };
    if of(&manifest.resource, APPLYSET) != Some(applyset) {
        return Membership::None;
    }
    match of(&manifest.resource, PRUNE) {
        Some(PRUNE_DISABLED) => Membership::OptedOut,
        _ => Membership::Member,
    }
}

#[cfg(test)]
mod tests;
