//! Changes of a sync's record, which its users and its syncer both write: read, changed, written at the version read.

use maas_crd::{Name, Namespace};
use maas_store::{Store, SyncRecord, get_sync};

use super::super::retry::{Decided, Write, settle};

/// Changes the record; none when there is no such sync. Nothing is written where nothing changes.
pub(super) async fn change(
    store: &Store,
    namespace: &Namespace,
    name: &Name,
    mut change: impl FnMut(&mut SyncRecord),
) -> anyhow::Result<Option<SyncRecord>> {
    settle(store, async || {
        let Some(read) = get_sync(store, namespace, name).await? else { return Ok(Decided::done(None)) };
        let mut record = read.record.clone();
        change(&mut record);
        if record == read.record {
            return Ok(Decided::done(Some(record)));
        }
        Ok(Decided::after(Write::Sync(read, Box::new(record.clone())), Some(record)))
    })
    .await
}
