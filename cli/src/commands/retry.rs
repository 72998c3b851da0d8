//! Reading, deciding and writing at the version read, until it is done.

use std::time::Duration;

use anyhow::Context;
use maas_store::{EditError, SpecRead, Store, create_spec, delete_spec, update_spec};
use tokio::time::{Instant, sleep};

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
}

/// What reading led to: the outcome, and what must be written first for it to be so.
pub(crate) struct Decided<T> {
    pub(crate) outcome: T,
    pub(crate) write: Option<Write>,
}

impl<T> Decided<T> {
    /// Nothing is to be written.
    pub(crate) fn done(outcome: T) -> Self {
        Self { outcome, write: None }
    }

    /// True only after this write.
    pub(crate) fn after(write: Write, outcome: T) -> Self {
        Self { outcome, write: Some(write) }
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
    loop {
        let decided = decide().await?;
        let Some(write) = decided.write else { return Ok(decided.outcome) };
        let error = match commit(store, &write).await {
            Ok(()) => return Ok(decided.outcome),
            Err(error) => error,
        };
        if !(error.is_conflict() || error.may_have_happened()) {
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

async fn commit(store: &Store, write: &Write) -> Result<(), EditError> {
    match write {
        Write::Create(namespace, name, text) => create_spec(store, namespace, name, text.as_bytes()).await,
        Write::Update(read, text) => update_spec(store, read, text.as_bytes()).await.map(drop),
        Write::Delete(read) => delete_spec(store, read).await,
    }
}
