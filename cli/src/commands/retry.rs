//! Reading, deciding and writing at the version read, until it is done.

use std::time::Duration;

use anyhow::Context;
use maas_store::{
    EditError, Op, ReadError, SpecEdit, SpecRead, Store, SyncRead, SyncRecord, create_spec, delete_spec, delete_sync,
    rehearse_delete_sync, rehearse_spec, update_spec, update_sync,
};
use tokio::time::{Instant, sleep};

use crate::args::DryRun;
use crate::edit::REMEMBERED;

/// How long conflicts and lost answers are met with another try.
const PATIENCE: Duration = Duration::from_secs(30);
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(500);

/// What is to be written after reading.
pub(crate) enum Write {
    /// A spec that was not there.
    Create(maas_crd::Namespace, maas_crd::Name, String),
    /// Another text for the one read.
    Update(SpecRead, String),
    /// The one read shall go.
    Delete(SpecRead),
    /// Another record for the sync read.
    Sync(SyncRead, Box<SyncRecord>),
    /// The sync read shall go.
    DeleteSync(SyncRead),
}

/// What reading led to: the outcome, and what must be written first for it to be so.
pub(crate) struct Decided<T> {
    pub(crate) outcome: T,
    pub(crate) write: Option<Write>,
    /// Written twice it would do something else than once: its id tells whether it was.
    once: bool,
}

impl<T> Decided<T> {
    /// Nothing is to be written.
    pub(crate) fn done(outcome: T) -> Self {
        Self { outcome, write: None, once: false }
    }

    /// True only after this write.
    pub(crate) fn after(write: Write, outcome: T) -> Self {
        Self { outcome, write: Some(write), once: false }
    }

    /// True only after this write, which bears an [`EditId`](crate::edit::EditId) and must not be made twice.
    pub(crate) fn after_once(write: Write, outcome: T) -> Self {
        Self { outcome, write: Some(write), once: true }
    }
}

/// Calls `decide`, which reads, until what it wants written is written or nothing is left to write.
///
/// After a lost answer `decide` sees by reading whether its write was applied; it must not want it twice.
pub(crate) async fn settle<T>(
    store: &Store,
    mut decide: impl AsyncFnMut() -> anyhow::Result<Decided<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = SHORTEST;
    // The first write without an answer: what it was to replace.
    let mut lost: Option<maas_store::Stat> = None;
    loop {
        let decided = match decide().await {
            Ok(decided) => decided,
            Err(error) if is_passing(&error) && Instant::now() < deadline => {
                sleep(pause.mul_f64(rand::random_range(0.5..1.5))).await;
                pause = (pause * 2).min(LONGEST);
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(write) = decided.write else { return Ok(decided.outcome) };
        if let (Some(lost), Write::Update(read, _), true) = (&lost, &write, decided.once) {
            forgotten(lost, &read.stat)?;
        }
        let error = match commit(store, &write).await {
            Ok(()) => return Ok(decided.outcome),
            Err(error) => error,
        };
        if let (Write::Update(read, _), true) = (&write, error.may_have_happened()) {
            lost.get_or_insert(read.stat);
        }
        if !(error.is_conflict() || error.may_have_happened() || error.is_unavailable()) {
            return Err(error.into());
        }
        if Instant::now() >= deadline {
            return Err(error).context(format!("gave up after {} s of trying", PATIENCE.as_secs()));
        }
        // Many clients that edit one spec at a time must not meet again at once.
        sleep(pause.mul_f64(rand::random_range(0.5..1.5))).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// As [`settle`]; a dry run stops before the write, or has the server check it. `before` as [`rehearse`] takes it.
pub(crate) async fn carry_out<T>(
    store: &Store,
    dry_run: DryRun,
    before: &[Op],
    mut decide: impl AsyncFnMut() -> anyhow::Result<Decided<T>>,
) -> anyhow::Result<T> {
    settle(store, async || {
        let decided = decide().await?;
        if !dry_run.is_dry() {
            return Ok(decided);
        }
        if let Some(write) = decided.write.as_ref().filter(|_| dry_run == DryRun::Server) {
            rehearse(store, before, write).await?;
        }
        Ok(Decided::done(decided.outcome))
    })
    .await
}

/// Whether another try may end otherwise.
fn is_passing(error: &anyhow::Error) -> bool {
    is_unanswered(error) || error.downcast_ref::<EditError>().is_some_and(EditError::is_conflict)
}

/// Whether nobody answered, as against being told that it can't be done.
pub(crate) fn is_unanswered(error: &anyhow::Error) -> bool {
    let read = error.downcast_ref::<ReadError>().is_some_and(ReadError::is_unanswered);
    read || error.downcast_ref::<EditError>().is_some_and(|error| error.may_have_happened() || error.is_unavailable())
}

/// After so many other edits a manifest no longer says whether one of them was ours.
fn forgotten(lost: &maas_store::Stat, now: &maas_store::Stat) -> anyhow::Result<()> {
    let since = now.version.saturating_sub(lost.version);
    if now.czxid == lost.czxid && usize::try_from(since).is_ok_and(|since| since > REMEMBERED) {
        anyhow::bail!(
            "whether this edit was applied can't be told: its answer was lost, and {since} other edits came since; look with maasctl get, and give the command again if it was not"
        );
    }
    Ok(())
}

/// What the server would answer to a write; nothing is written. `before` as [`rehearse_spec`] takes it.
async fn rehearse(store: &Store, before: &[Op], write: &Write) -> Result<(), EditError> {
    let edit = match write {
        Write::Create(namespace, name, text) => SpecEdit::Create { namespace, name, text: text.as_bytes() },
        Write::Update(read, text) => SpecEdit::Update { read, text: text.as_bytes() },
        Write::Delete(read) => SpecEdit::Delete { read },
        Write::DeleteSync(read) => return rehearse_delete_sync(store, read).await,
        // No command that changes a sync's record can be tried only.
        Write::Sync(..) => return Ok(()),
    };
    rehearse_spec(store, before, &edit).await
}

async fn commit(store: &Store, write: &Write) -> Result<(), EditError> {
    match write {
        Write::Create(namespace, name, text) => create_spec(store, namespace, name, text.as_bytes()).await,
        Write::Update(read, text) => update_spec(store, read, text.as_bytes()).await.map(drop),
        Write::Delete(read) => delete_spec(store, read).await,
        Write::Sync(read, record) => update_sync(store, read, record).await,
        Write::DeleteSync(read) => delete_sync(store, read).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_whose_id_may_be_forgotten_is_not_made_again() {
        let at = |czxid, version| maas_store::Stat {
            czxid,
            mzxid: 9,
            version,
            ephemeral_owner: 0,
            ctime_ms: 0,
            mtime_ms: 0,
            num_children: 0,
        };
        let most = i32::try_from(REMEMBERED).unwrap();
        assert!(forgotten(&at(1, 5), &at(1, 5 + most)).is_ok());
        assert!(forgotten(&at(1, 5), &at(1, 6 + most)).unwrap_err().to_string().contains("65 other edits"));
        assert!(forgotten(&at(1, 5), &at(2, 99)).is_ok(), "another life");
    }
}
