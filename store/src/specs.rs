//! Specs, by compare-and-set: every write names the version it read, and is checked against delete-and-recreate.

use maas_crd::{Name, Namespace};

use crate::op::{CommitError, Op, Refusal, Stat};
use crate::path::Node;
use crate::read::ReadError;
use crate::session::Store;

/// Longest spec, in bytes.
pub const SPEC_LIMIT: usize = 64 * 1024;

/// A spec as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecRead {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: Name,
    /// The manifest as written.
    pub text: Vec<u8>,
    /// generation = version + 1, uid = czxid, resourceVersion = mzxid.
    pub stat: Stat,
}

impl SpecRead {
    /// Counts the edits since it was created, from 1.
    #[must_use]
    pub fn generation(&self) -> i64 {
        i64::from(self.stat.version) + 1
    }
}

/// Why an edit was not made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// Someone else was faster: read again and decide again.
    #[error("{0} was changed by someone else meanwhile")]
    Conflict(String),
    /// It was not written, or nobody knows.
    #[error("{what} could not be written")]
    Commit {
        /// The spec.
        what: String,
        /// Why.
        #[source]
        source: CommitError,
    },
    /// Larger than a spec may be.
    #[error("{what} has {size} bytes, more than {SPEC_LIMIT}: put data into the payload")]
    TooLarge {
        /// The spec.
        what: String,
        /// Its size.
        size: usize,
    },
}

impl EditError {
    /// Whether reading and deciding again is right.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }

    /// Whether it may have been made all the same: settle it by reading.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Commit { source, .. } if source.may_have_happened())
    }

    /// Whether there was nobody to ask: nothing was written, and trying again may help.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Commit { source: CommitError::Unavailable(_), .. })
    }
}

pub(crate) fn classify(what: String, error: CommitError) -> EditError {
    if error.is_conflict() { EditError::Conflict(what) } else { EditError::Commit { what, source: error } }
}

/// An edit of a spec, as [`rehearse_spec`] takes it.
#[derive(Clone, Copy, Debug)]
pub enum SpecEdit<'a> {
    /// What [`create_spec`] would do.
    Create {
        /// Its namespace.
        namespace: &'a Namespace,
        /// Its name.
        name: &'a Name,
        /// The manifest.
        text: &'a [u8],
    },
    /// What [`update_spec`] would do.
    Update {
        /// The one to replace.
        read: &'a SpecRead,
        /// The new manifest.
        text: &'a [u8],
    },
    /// What [`delete_spec`] would do.
    Delete {
        /// The one to delete.
        read: &'a SpecRead,
    },
}

impl std::fmt::Display for SpecEdit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (namespace, name) = match self {
            Self::Create { namespace, name, .. } => (*namespace, *name),
            Self::Update { read, .. } | Self::Delete { read } => (&read.namespace, &read.name),
        };
        write!(f, "{namespace}/{name}")
    }
}

fn path_of(store: &Store, read: &SpecRead) -> String {
    store.path(&Node::Spec { namespace: read.namespace.clone(), name: read.name.clone() })
}

fn check_size(what: &str, text: &[u8]) -> Result<(), EditError> {
    if text.len() > SPEC_LIMIT {
        return Err(EditError::TooLarge { what: what.to_owned(), size: text.len() });
    }
    Ok(())
}

/// One spec; none when it does not exist.
///
/// # Errors
/// ZooKeeper refused or did not answer.
pub async fn get_spec(store: &Store, namespace: &Namespace, name: &Name) -> Result<Option<SpecRead>, ReadError> {
    let node = Node::Spec { namespace: namespace.clone(), name: name.clone() };
    let found = store.get(&store.path(&node)).await?;
    Ok(found.map(|(text, stat)| SpecRead { namespace: namespace.clone(), name: name.clone(), text, stat }))
}

/// Every spec of a namespace, or of all, sorted.
///
/// # Errors
/// ZooKeeper refused or did not answer.
pub async fn list_specs(store: &Store, namespace: Option<&Namespace>) -> Result<Vec<SpecRead>, ReadError> {
    let below = match namespace {
        Some(namespace) => format!("specs/{}/{namespace}", maas_crd::KIND),
        None => format!("specs/{}", maas_crd::KIND),
    };
    let listed = store.list(&store.path(&Node::Folder(below))).await?;
    let mut specs: Vec<SpecRead> = listed
        .into_iter()
        .filter_map(|(path, text, stat)| match Node::parse(store.root(), &path)? {
            Node::Spec { namespace, name } => Some(SpecRead { namespace, name, text, stat }),
            _ => None,
        })
        .collect();
    specs.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Ok(specs)
}

/// Creates a spec, and its namespace's folder where that is missing.
///
/// # Errors
/// It exists already (a conflict), or it was not written.
pub async fn create_spec(store: &Store, namespace: &Namespace, name: &Name, text: &[u8]) -> Result<(), EditError> {
    let what = format!("{namespace}/{name}");
    check_size(&what, text)?;
    let node = Node::Spec { namespace: namespace.clone(), name: name.clone() };
    for parent in node.parents() {
        let folder = Op::Create { path: store.path(&parent), data: Vec::new(), ephemeral: false };
        match store.commit(&[folder]).await {
            Err(error) if error.refusal() != Some(Refusal::NodeExists) => {
                return Err(EditError::Commit { what, source: error });
            }
            _ => {}
        }
    }
    let create = Op::Create { path: store.path(&node), data: text.to_vec(), ephemeral: false };
    store.commit(&[create]).await.map(drop).map_err(|error| classify(what, error))
}

/// What an edit would be answered, rights and versions included; nothing is written. `before` stands for what must exist
/// before it: [`Store::missing_folders`] in a tree that was not made.
///
/// # Errors
/// As the edit itself.
pub async fn rehearse_spec(store: &Store, before: &[Op], edit: &SpecEdit<'_>) -> Result<(), EditError> {
    let what = edit.to_string();
    let mut ops = before.to_vec();
    match edit {
        SpecEdit::Create { namespace, name, text } => {
            check_size(&what, text)?;
            let node = Node::Spec { namespace: (*namespace).clone(), name: (*name).clone() };
            for parent in node.parents() {
                let path = store.path(&parent);
                let found = store.get(&path).await;
                if found.as_ref().is_ok_and(Option::is_none) {
                    ops.push(Op::Create { path, data: Vec::new(), ephemeral: false });
                }
            }
            ops.push(Op::Create { path: store.path(&node), data: text.to_vec(), ephemeral: false });
        }
        SpecEdit::Update { read, text } => {
            check_size(&what, text)?;
            ops.push(Op::Set { path: path_of(store, read), data: text.to_vec(), version: Some(read.stat.version) });
        }
        SpecEdit::Delete { read } => {
            ops.push(Op::Delete { path: path_of(store, read), version: Some(read.stat.version) });
        }
    }
    store.rehearse(&ops).await.map_err(|error| classify(what, error))
}

/// Replaces a spec at the version that was read. Returns its stat.
///
/// # Errors
/// A conflict: it was edited, deleted, or deleted and created again; or it was not written.
pub async fn update_spec(store: &Store, read: &SpecRead, text: &[u8]) -> Result<Stat, EditError> {
    let what = format!("{}/{}", read.namespace, read.name);
    check_size(&what, text)?;
    let path = path_of(store, read);
    let set = Op::Set { path, data: text.to_vec(), version: Some(read.stat.version) };
    let done = store.commit(&[set]).await.map_err(|error| classify(what.clone(), error))?;
    match done.first().and_then(crate::Done::stat) {
        // A spec that was created again has the same versions and another czxid; it now holds our text, which
        // was decided upon for another one.
        Some(stat) if stat.czxid != read.stat.czxid => Err(EditError::Conflict(what)),
        Some(stat) => Ok(*stat),
        None => Ok(read.stat),
    }
}

/// Deletes a spec at the version that was read.
///
/// # Errors
/// A conflict, or it was not deleted.
pub async fn delete_spec(store: &Store, read: &SpecRead) -> Result<(), EditError> {
    let what = format!("{}/{}", read.namespace, read.name);
    let path = path_of(store, read);
    let delete = Op::Delete { path, version: Some(read.stat.version) };
    store.commit(&[delete]).await.map(drop).map_err(|error| classify(what, error))
}
