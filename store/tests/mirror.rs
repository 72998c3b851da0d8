//! The mirror on a real server: it survives restarts and expiry, and shows what changed meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::time::Duration;

use maas_e2e::Cluster;
use maas_store::{Change, Config, Mirror, Op, Store, mirror};
use tokio::time::timeout;

fn create(path: &str, data: &str) -> Op {
    Op::Create { path: path.to_owned(), data: data.as_bytes().to_vec(), ephemeral: false }
}

/// Folds changes until the view is whole and holds what is expected.
async fn until(
    mirror: &mut Mirror,
    view: &mut BTreeMap<String, String>,
    good: impl Fn(&BTreeMap<String, String>) -> bool,
) {
    let mut whole = true;
    let folded = timeout(Duration::from_secs(30), async {
        while !(whole && good(view)) {
            match mirror.next().await {
                Change::Put { path, data, .. } => drop(view.insert(path, String::from_utf8(data).unwrap())),
                Change::Gone { path } => drop(view.remove(&path)),
                Change::Lost | Change::Listing => whole = false,
                Change::Listed => whole = true,
                Change::Session { .. } => {}
            }
        }
    });
    assert!(folded.await.is_ok(), "the mirror never came to it: {view:?}");
}

#[tokio::test]
async fn a_mirror_sees_changes_and_survives_a_restart_of_the_server() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let store = Store::open(Config::new(cluster.quorum())).await.unwrap();
    assert!(store.init().await.unwrap(), "this ZooKeeper is open");
    assert!(store.is_initialised().await.unwrap());
    store.commit(&[create("/maas/specs/a", "1")]).await.unwrap();
    let mut mirror = mirror(&store, vec!["/maas/specs".to_owned()]);
    let mut view = BTreeMap::new();
    until(&mut mirror, &mut view, |v| v.get("/maas/specs/a").is_some_and(|d| d == "1")).await;
    store.commit(&[create("/maas/queue/not-followed", ""), create("/maas/specs/b", "2")]).await.unwrap();
    until(&mut mirror, &mut view, |v| v.contains_key("/maas/specs/b")).await;
    assert!(!view.contains_key("/maas/queue/not-followed"));

    // After a restart the old watch is dead: what is written then must still come, well before the next 30 s list.
    cluster.zookeeper().kill().unwrap();
    cluster.zookeeper().restart().await.unwrap();
    let other = Store::open(Config::new(cluster.quorum())).await.unwrap();
    other.commit(&[Op::Delete { path: "/maas/specs/a".to_owned(), version: None }]).await.unwrap();
    until(&mut mirror, &mut view, |v| !v.contains_key("/maas/specs/a")).await;
    for n in 0..20 {
        let path = format!("/maas/specs/late-{n}");
        other.commit(&[create(&path, "")]).await.unwrap();
        until(&mut mirror, &mut view, |v| v.contains_key(&path)).await;
    }
}

#[tokio::test]
async fn an_expired_session_is_followed_by_a_new_one() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let mut config = Config::new(cluster.quorum());
    config.session_timeout = Duration::from_secs(2);
    let store = Store::open(config).await.unwrap();
    store.init().await.unwrap();
    let before = store.session_id();
    let mut mirror = mirror(&store, vec!["/maas/endpoints".to_owned()]);
    let ephemeral = Op::Create { path: "/maas/endpoints/e".to_owned(), data: Vec::new(), ephemeral: true };
    store.commit(&[ephemeral]).await.unwrap();
    let mut view = BTreeMap::new();
    until(&mut mirror, &mut view, |v| v.contains_key("/maas/endpoints/e")).await;
    // The client expires its session by itself at 7/5 of the timeout; the server does so once it is back.
    cluster.zookeeper().pause().unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    cluster.zookeeper().resume().unwrap();
    until(&mut mirror, &mut view, |v| !v.contains_key("/maas/endpoints/e")).await;
    assert_ne!(store.session_id(), before);
    store.commit(&[create("/maas/endpoints/after", "")]).await.unwrap();
    until(&mut mirror, &mut view, |v| v.contains_key("/maas/endpoints/after")).await;
}

#[tokio::test]
async fn a_server_that_was_away_longer_than_sessions_live_is_followed_again() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let mut config = Config::new(cluster.quorum());
    config.session_timeout = Duration::from_secs(1);
    let store = Store::open(config).await.unwrap();
    store.init().await.unwrap();
    let before = store.session_id();
    let mut mirror = mirror(&store, vec!["/maas/specs".to_owned()]);
    let mut view = BTreeMap::new();
    until(&mut mirror, &mut view, |v| v.contains_key("/maas/specs")).await;
    cluster.zookeeper().kill().unwrap();
    // Until the client has given the session up, and has tried in vain to open another.
    tokio::time::sleep(store.session_timeout() * 2 + Duration::from_secs(1)).await;
    let error = store.commit(&[create("/maas/specs/a", "1")]).await.unwrap_err();
    assert!(!error.is_conflict(), "{error}");
    cluster.zookeeper().restart().await.unwrap();
    let other = Store::open(Config::new(cluster.quorum())).await.unwrap();
    other.commit(&[create("/maas/specs/b", "2")]).await.unwrap();
    until(&mut mirror, &mut view, |v| v.contains_key("/maas/specs/b")).await;
    assert_ne!(store.session_id(), before);
    store.commit(&[create("/maas/specs/c", "3")]).await.unwrap();
    until(&mut mirror, &mut view, |v| v.contains_key("/maas/specs/c")).await;
}

#[tokio::test]
async fn a_reader_that_was_away_gets_the_newest_of_each_node() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let store = Store::open(Config::new(cluster.quorum())).await.unwrap();
    store.init().await.unwrap();
    // What is followed need not be there yet.
    let mut mirror = mirror(&store, vec!["/maas/status/late".to_owned(), "/maas/events".to_owned()]);
    let mut view = BTreeMap::new();
    until(&mut mirror, &mut view, |v| v.contains_key("/maas/events")).await;
    let names: Vec<String> = (0..40).map(|n| format!("/maas/status/late/{n}")).collect();
    let mut ops = vec![create("/maas/status/late", "")];
    ops.extend(names.iter().map(|path| create(path, "0")));
    store.commit(&ops).await.unwrap();
    // Far more changes than may wait for the reader, who does not read.
    for round in 1..=50 {
        let set = |path: &String| Op::Set { path: path.clone(), data: format!("{round}").into_bytes(), version: None };
        store.commit(&names.iter().map(set).collect::<Vec<_>>()).await.unwrap();
    }
    let mut removed = vec![Op::Delete { path: names[0].clone(), version: Some(50) }];
    removed.push(create("/maas/events/last", ""));
    store.commit(&removed).await.unwrap();
    until(&mut mirror, &mut view, |v| v.contains_key("/maas/events/last")).await;
    assert!(!view.contains_key(&names[0]));
    assert!(names[1..].iter().all(|path| view[path] == "50"), "{view:?}");
}

#[tokio::test]
async fn a_mirror_says_lost_while_the_server_is_away_and_once_only() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let store = Store::open(Config::new(cluster.quorum())).await.unwrap();
    store.init().await.unwrap();
    let mut mirror = mirror(&store, vec!["/maas/specs".to_owned()]);
    until(&mut mirror, &mut BTreeMap::new(), |v| v.contains_key("/maas/specs")).await;
    let session = store.session_id();
    cluster.zookeeper().kill().unwrap();
    let told = timeout(Duration::from_secs(5), mirror.next()).await.expect("told within seconds");
    assert_eq!(told, Change::Lost);
    cluster.zookeeper().restart().await.unwrap();
    let after = async { [mirror.next().await, mirror.next().await, mirror.next().await] };
    let after = timeout(Duration::from_secs(20), after).await.unwrap();
    // The session outlives a restart of the server, and nothing changed.
    assert_eq!(after, [Change::Session { id: session }, Change::Listing, Change::Listed]);
}

/// Whoever made a node may know it ahead of the mirror, and need the word that it is gone.
#[tokio::test]
async fn the_end_of_a_node_that_was_never_told_is_told() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let store = Store::open(Config::new(cluster.quorum())).await.unwrap();
    store.init().await.unwrap();
    let mut mirror = mirror(&store, vec!["/maas/specs".to_owned()]);
    until(&mut mirror, &mut BTreeMap::new(), |view| view.contains_key("/maas/specs")).await;
    let path = "/maas/specs/brief".to_owned();
    store.commit(&[create(&path, ""), Op::Delete { path: path.clone(), version: None }]).await.unwrap();
    let gone = Change::Gone { path };
    let told = timeout(Duration::from_secs(30), async { while mirror.next().await != gone {} });
    assert!(told.await.is_ok(), "nobody told that it is gone");
}
