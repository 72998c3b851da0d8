//! Syncs on a real server: one owner, also when many try.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use maas_crd::{Name, Namespace};
use maas_e2e::Cluster;
use maas_store::{
    Config, Node, Op, Store, SyncOwner, SyncRecord, SyncSpec, SyncStatus, create_sync, delete_sync, get_sync,
    get_sync_owner, own_sync, update_sync,
};

fn record() -> SyncRecord {
    let spec = SyncSpec {
        source: "/srv/models".to_owned(),
        branch: None,
        path: None,
        interval_ms: 30_000,
        prune: false,
        heal: true,
        suspended: false,
        requested_at: None,
    };
    SyncRecord { spec, status: SyncStatus::default() }
}

fn owner(pid: u32) -> SyncOwner {
    SyncOwner { host: "node1".to_owned(), pid, pid_space: "boot:pid".to_owned(), started: 1, since_ms: 1 }
}

#[tokio::test]
async fn a_sync_has_one_owner_and_goes_with_it() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let store = Store::open(Config::new(cluster.quorum())).await.unwrap();
    store.init().await.unwrap();
    // As an older maas left it.
    let folder = store.path(&Node::Folder("syncs".to_owned()));
    store.commit(&[Op::Delete { path: folder, version: None }]).await.unwrap();
    let (namespace, name): (Namespace, Name) = ("default".parse().unwrap(), "fleet".parse().unwrap());
    assert_eq!(get_sync(&store, &namespace, &name).await.unwrap(), None);
    create_sync(&store, &namespace, &name, &record()).await.unwrap();
    assert!(create_sync(&store, &namespace, &name, &record()).await.unwrap_err().is_conflict());

    let first = get_sync(&store, &namespace, &name).await.unwrap().unwrap();
    let takers = (1..9u32).map(|pid| {
        let (store, first) = (store.clone(), first.clone());
        tokio::spawn(async move { own_sync(&store, &first, &first.record, &owner(pid), None).await.is_ok() })
    });
    let mut taken = 0;
    for taker in takers.collect::<Vec<_>>() {
        taken += usize::from(taker.await.unwrap());
    }
    assert_eq!(taken, 1);
    assert!(update_sync(&store, &first, &record()).await.unwrap_err().is_conflict());

    // In the place of one that was seen; a second who saw the same is too late.
    let (_, seen) = get_sync_owner(&store, &namespace, &name).await.unwrap().unwrap();
    let read = get_sync(&store, &namespace, &name).await.unwrap().unwrap();
    assert!(own_sync(&store, &read, &read.record, &owner(20), None).await.unwrap_err().is_conflict());
    own_sync(&store, &read, &read.record, &owner(21), Some(&seen)).await.unwrap();
    assert!(own_sync(&store, &read, &read.record, &owner(22), Some(&seen)).await.unwrap_err().is_conflict());
    assert_eq!(get_sync_owner(&store, &namespace, &name).await.unwrap().unwrap().0.pid, 21);

    assert!(delete_sync(&store, &read).await.unwrap_err().is_conflict());
    let read = get_sync(&store, &namespace, &name).await.unwrap().unwrap();
    delete_sync(&store, &read).await.unwrap();
    assert_eq!(get_sync_owner(&store, &namespace, &name).await.unwrap(), None);
    create_sync(&store, &namespace, &name, &record()).await.unwrap();
    let read = get_sync(&store, &namespace, &name).await.unwrap().unwrap();
    delete_sync(&store, &read).await.unwrap();
    assert_eq!(get_sync(&store, &namespace, &name).await.unwrap(), None);
}
