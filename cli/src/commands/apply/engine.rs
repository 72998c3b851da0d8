//! Applying manifests and pruning a set, for `apply` and `sync`: reads, decides, writes at the version read. One object
//! that fails hides nothing of what was done to the others.

use std::cell::Cell;
use std::collections::BTreeSet;

use futures::StreamExt;
use maas_crd::{Manifest, Name, Namespace};
use maas_store::{Op, SpecRead, Store, get_spec, list_specs};

use super::decide::{Change, Marks, Members, Membership, decide, key, members, membership};
use crate::args::DryRun;
use crate::commands::connection::ensure_tree;
use crate::commands::retry::{Decided, Write, carry_out, is_unanswered};

/// Objects under way at a time, over the one session.
const AT_ONCE: usize = 32;

/// What became of one object.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) namespace: Namespace,
    pub(crate) name: Name,
    pub(crate) outcome: Outcome<Change>,
}

/// How it ended for one object.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// Well.
    Done(T),
    /// It was refused, and is as it was.
    Failed(anyhow::Error),
    /// Nobody answered, in all the time that tries are made: it may have been done.
    Lost(anyhow::Error),
    /// Not even tried, as another one was lost.
    Untried,
}

impl<T> Outcome<T> {
    fn of(result: anyhow::Result<T>) -> Self {
        match result {
            Ok(done) => Self::Done(done),
            Err(error) if is_unanswered(&error) => Self::Lost(error),
            Err(error) => Self::Failed(error),
        }
    }
}

/// Applies all, several at a time, and tells each in the order given, as soon as it and those before it are done.
///
/// Safe to repeat: what is as wanted is not written. When ZooKeeper is lost, what is left is not tried.
///
/// # Errors
/// The tree could not be made ready. What goes wrong with an object stands in its outcome.
pub(crate) async fn apply_all(
    store: &Store,
    manifests: &[&Manifest],
    marks: &Marks,
    dry_run: DryRun,
    mut told: impl FnMut(&Applied),
) -> anyhow::Result<Vec<Applied>> {
    let before = prepare(store, dry_run).await?;
    let lost = Cell::new(false);
    let (before, lost) = (before.as_slice(), &lost);
    let each = manifests.iter().map(|manifest| async move {
        let (namespace, name) = key(&manifest.resource);
        let outcome = if lost.get() {
            Outcome::Untried
        } else {
            Outcome::of(apply_one(store, manifest, marks, dry_run, before).await)
        };
        lost.set(lost.get() || matches!(outcome, Outcome::Lost(_)));
        Applied { namespace, name, outcome }
    });
    let mut all = Vec::with_capacity(manifests.len());
    let mut under_way = futures::stream::iter(each).buffered(AT_ONCE);
    while let Some(applied) = under_way.next().await {
        told(&applied);
        all.push(applied);
    }
    Ok(all)
}

/// Makes the tree on its first use; for a rehearsal, what would be made.
async fn prepare(store: &Store, dry_run: DryRun) -> anyhow::Result<Vec<Op>> {
    match dry_run {
        DryRun::None => ensure_tree(store).await.map(|()| Vec::new()),
        DryRun::Client => Ok(Vec::new()),
        DryRun::Server if store.is_initialised().await? => Ok(Vec::new()),
        DryRun::Server => Ok(store.missing_folders().await?),
    }
}

async fn apply_one(
    store: &Store,
    manifest: &Manifest,
    marks: &Marks,
    dry_run: DryRun,
    before: &[Op],
) -> anyhow::Result<Change> {
    let (namespace, name) = key(&manifest.resource);
    let mut attempted = None;
    carry_out(store, dry_run, before, async || {
        let read = get_spec(store, &namespace, &name).await?;
        let decision = decide(read.as_ref().map(|read| read.text.as_slice()), manifest, marks)?;
        let Some(text) = decision.text else {
            // Found as wanted after a try of our own whose answer was lost: that try did it.
            return Ok(Decided::done(attempted.unwrap_or(decision.change)));
        };
        attempted = Some(decision.change);
        let write = match read {
            Some(read) => Write::Update(read, text),
            None => Write::Create(namespace.clone(), name.clone(), text),
        };
        Ok(Decided::after(write, decision.change))
    })
    .await
}

/// What became of one member of a set that nobody declares any longer.
#[derive(Debug)]
pub(crate) struct Pruned {
    pub(crate) namespace: Namespace,
    pub(crate) name: Name,
    pub(crate) outcome: Outcome<Fate>,
}

/// Why it is there no more, or still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Deleted, now or meanwhile by another.
    Pruned,
    /// Kept, as its annotation says.
    OptedOut,
    /// No longer a member: another took it over meanwhile.
    Left,
    /// Its manifest can't be read, nor whose member it is: kept.
    Unreadable,
}

/// Deletes the members of `applyset`, in all namespaces, that are not `declared`: each at the version at which it was seen
/// to be one. To be called last of all, and only when all that is declared is known and applied.
///
/// Safe to repeat.
///
/// # Errors
/// Nothing is declared: that is more likely a mistake than meant; the tree could not be listed. What goes wrong with an
/// object stands in its outcome.
pub(crate) async fn prune(
    store: &Store,
    applyset: &str,
    declared: &BTreeSet<(Namespace, Name)>,
    dry_run: DryRun,
    mut told: impl FnMut(&Pruned),
) -> anyhow::Result<Vec<Pruned>> {
    if declared.is_empty() {
        anyhow::bail!(
            "nothing is declared, so that a prune would delete all of the applyset {applyset}: refused; to be rid of them, use `maasctl delete`"
        );
    }
    let Members { surplus, opted_out, unreadable } = members(list_specs(store, None).await?, applyset, declared);
    let kept =
        |read: SpecRead, fate| Pruned { namespace: read.namespace, name: read.name, outcome: Outcome::Done(fate) };
    let mut all: Vec<Pruned> = opted_out.into_iter().map(|read| kept(read, Fate::OptedOut)).collect();
    all.extend(unreadable.into_iter().map(|read| kept(read, Fate::Unreadable)));
    all.iter().for_each(&mut told);
    let each = surplus.into_iter().map(|read| async move {
        let outcome = Outcome::of(prune_one(store, &read, applyset, dry_run).await);
        Pruned { namespace: read.namespace, name: read.name, outcome }
    });
    let mut under_way = futures::stream::iter(each).buffered(AT_ONCE);
    while let Some(pruned) = under_way.next().await {
        told(&pruned);
        all.push(pruned);
    }
    Ok(all)
}

async fn prune_one(store: &Store, seen: &SpecRead, applyset: &str, dry_run: DryRun) -> anyhow::Result<Fate> {
    carry_out(store, dry_run, &[], async || {
        // Deleted, or deleted and created again by someone: this one is gone.
        let read = get_spec(store, &seen.namespace, &seen.name).await?;
        let Some(read) = read.filter(|read| read.stat.czxid == seen.stat.czxid) else {
            return Ok(Decided::done(Fate::Pruned));
        };
        match membership(&read, applyset) {
            Membership::Member => {}
            Membership::OptedOut => return Ok(Decided::done(Fate::OptedOut)),
            Membership::None => return Ok(Decided::done(Fate::Left)),
            Membership::Unreadable => return Ok(Decided::done(Fate::Unreadable)),
        }
        Ok(Decided::after(Write::Delete(read), Fate::Pruned))
    })
    .await
}
