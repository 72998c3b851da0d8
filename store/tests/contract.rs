//! The twin and a real server agree: the same scripts give the same answers, or a simulation on the twin proves nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::time::Duration;

use maas_e2e::Cluster;
use maas_store::{Change, CommitError, Config, Done, Op, Refusal, Stat, Store, mirror, twin::Tree};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const ROOT: &str = "/contract";

fn create(path: &str, ephemeral: bool) -> Op {
    Op::Create { path: format!("{ROOT}{path}"), data: b"x".to_vec(), ephemeral }
}

fn set(path: &str, version: Option<i32>) -> Op {
    Op::Set { path: format!("{ROOT}{path}"), data: b"y".to_vec(), version }
}

fn delete(path: &str, version: Option<i32>) -> Op {
    Op::Delete { path: format!("{ROOT}{path}"), version }
}

fn check(path: &str, version: i32) -> Op {
    Op::Check { path: format!("{ROOT}{path}"), version }
}

/// What both must agree on: versions, whether ephemeral, and refusals with their place.
type Essence = Result<Vec<(u8, i32, bool)>, (usize, Refusal)>;

fn essence(result: Result<Vec<Done>, CommitError>) -> Essence {
    match result {
        Ok(done) => Ok(done
            .iter()
            .map(|d| match d {
                Done::Created(s) => (0, s.version, s.ephemeral_owner != 0),
                Done::Set(s) => (1, s.version, s.ephemeral_owner != 0),
                Done::Deleted => (2, 0, false),
                Done::Checked => (3, 0, false),
            })
            .collect()),
        Err(CommitError::Refused { index, why, .. }) => Err((index, why)),
        Err(other) => panic!("not an answer of the contract: {other}"),
    }
}

fn scripts() -> Vec<Vec<Op>> {
    vec![
        vec![create("/a", false)],
        vec![create("/a", false)],
        vec![create("/b/c", false)],
        vec![create("/b", false), create("/b/c", false)],
        vec![set("/a", Some(0))],
        vec![set("/a", Some(0))],
        vec![set("/a", None), set("/a", None), check("/a", 3)],
        vec![check("/a", 1), delete("/a", None)],
        vec![delete("/b", None)],
        vec![create("/e", true)],
        vec![create("/e/x", false)],
        vec![check("/a", 3), create("/f", true), delete("/nothing", None)],
        vec![check("/f", 0)],
        vec![delete("/b/c", Some(1))],
        vec![delete("/b/c", Some(0)), delete("/b", Some(0))],
        vec![delete("/a", Some(3)), create("/a", false), set("/a", Some(0))],
        vec![check("/missing", 0), create("/none/x", false)],
        vec![create("/none/x", false), check("/missing", 0)],
        vec![create("/a/1", false), create("/none/x", false), create("/a/2", false)],
        vec![create("/d", false), create("/d/e", false), create("/d/e/f", true), create("/d/e/f/g", false)],
        vec![create("/b//c", false)],
        vec![set("/missing", None)],
    ]
}

fn random_multi(random: &mut StdRng) -> Vec<Op> {
    let paths = ["/p", "/p/a", "/p/b", "/p/a/c", "/q", "/q/a"];
    (0..random.random_range(1..4))
        .map(|_| {
            let path = paths[random.random_range(0..paths.len())];
            let version = random.random_bool(0.5).then(|| random.random_range(0..3));
            match random.random_range(0..6) {
                0 | 1 => create(path, random.random_bool(0.2)),
                2 | 3 => set(path, version),
                4 => delete(path, version),
                _ => check(path, random.random_range(0..3)),
            }
        })
        .collect()
}

#[tokio::test]
async fn twin_and_server_answer_alike() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let store = Store::open(Config::new(cluster.quorum())).await.unwrap();
    let mut tree = Tree::default();
    let session = tree.open();
    let top = Op::Create { path: ROOT.to_owned(), data: Vec::new(), ephemeral: false };
    let seed = std::env::var("MAAS_SEED").map_or(7, |seed| seed.parse().unwrap());
    let mut random = StdRng::seed_from_u64(seed);
    let mut multis = vec![vec![top]];
    multis.extend(scripts());
    let mut count: usize = multis.iter().map(Vec::len).sum();
    while count < 2_000 {
        let multi = random_multi(&mut random);
        count += multi.len();
        multis.push(multi);
    }
    for (n, ops) in multis.iter().enumerate() {
        let real = essence(store.commit(ops).await);
        let twin = essence(tree.commit(session, ops, 0).map(|(done, _)| done));
        assert_eq!(twin, real, "seed {seed}, multi {n}: {ops:?}");
    }
    let twin: Vec<Node> = tree.list(ROOT).map(|(p, d, s)| (p.to_owned(), d.to_vec(), s)).collect();
    assert_eq!(comparable(twin), comparable(store.list(ROOT).await.unwrap()), "seed {seed}");
    for path in [ROOT, "/contract/p", "/contract/none"] {
        assert_eq!(tree.children(path), store.children(path).await.unwrap().unwrap_or_default(), "{path}");
    }
}

type Node = (String, Vec<u8>, Stat);
type Comparable = (String, Vec<u8>, [usize; 2], i32, i32);

/// Nodes by path, their transactions numbered from 0 in order: both count on, but the server counts sessions too.
fn comparable(mut nodes: Vec<Node>) -> Vec<Comparable> {
    nodes.sort_by(|a, b| a.0.cmp(&b.0));
    let zxids: BTreeSet<i64> = nodes.iter().flat_map(|(_, _, s)| [s.czxid, s.mzxid]).collect();
    let rank = |zxid: i64| zxids.range(..zxid).count();
    let all = nodes
        .iter()
        .map(|(path, data, s)| (path.clone(), data.clone(), [rank(s.czxid), rank(s.mzxid)], s.version, s.num_children));
    all.collect()
}

#[tokio::test]
async fn ephemerals_go_with_their_session_alone_and_at_once_when_it_is_closed() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let [one, other] = [(); 2].map(|()| Store::open(Config::new(cluster.quorum())));
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    let mut tree = Tree::default();
    let (twin_one, twin_other) = (tree.open(), tree.open());
    let top = Op::Create { path: ROOT.to_owned(), data: Vec::new(), ephemeral: false };
    let multis = [vec![top, create("/mine", true), create("/stays", false)], vec![create("/its", true)]];
    for (ops, (store, session)) in multis.iter().zip([(&one, twin_one), (&other, twin_other)]) {
        assert_eq!(essence(store.commit(ops).await), essence(tree.commit(session, ops, 0).map(|(done, _)| done)));
    }
    let watched = mirror(&one, vec![ROOT.to_owned()]);
    let clone = one.clone();
    one.close().await;
    assert_eq!(tree.expire(twin_one), ["/contract/mine"]);
    assert_eq!(other.children(ROOT).await.unwrap().unwrap(), tree.children(ROOT));
    assert_eq!(tree.children(ROOT), ["its", "stays"]);
    // What is left of it says so.
    assert!(matches!(clone.commit(&[create("/late", false)]).await, Err(CommitError::Unavailable(_))));
    assert!(clone.get(ROOT).await.is_err() && clone.session_id() == 0);
    drop((watched, clone));
    // Dropping the last handle does the same, in its own time.
    drop(other);
    let third = Store::open(Config::new(cluster.quorum())).await.unwrap();
    let mut watched = mirror(&third, vec![ROOT.to_owned()]);
    let gone = async {
        let mut there = false;
        loop {
            match watched.next().await {
                Change::Put { path, .. } if path.ends_with("/its") => there = true,
                Change::Gone { path } if path.ends_with("/its") => return,
                Change::Listed if !there => return,
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(3), gone).await.expect("sooner than the session timeout");
}

#[tokio::test]
async fn a_new_node_takes_the_access_control_list_of_the_node_above_it() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let store = Store::open(Config::new(cluster.quorum())).await.unwrap();
    assert!(store.init().await.unwrap(), "an open ZooKeeper is said to be one");
    let raw = zookeeper_client::Client::connect(&cluster.quorum()).await.unwrap();
    let list = |permission| vec![zookeeper_client::Acl::new(permission, zookeeper_client::AuthId::anyone())];
    let closed = list(zookeeper_client::Permission::READ | zookeeper_client::Permission::CREATE);
    let options = zookeeper_client::CreateMode::Persistent.with_acls(zookeeper_client::Acls::new(&closed));
    raw.create("/maas/specs/closed", b"", &options).await.unwrap();
    let made = [("/maas/specs/closed/a", "/maas/specs/closed/a/b"), ("/maas/specs/open", "/maas/specs/open/x")];
    let create = |path: &str| Op::Create { path: path.to_owned(), data: Vec::new(), ephemeral: false };
    for (above, below) in made {
        store.commit(&[create(above), create(below)]).await.unwrap();
    }
    assert_eq!(raw.get_acl("/maas/specs/closed/a/b").await.unwrap().0, closed);
    assert_eq!(raw.get_acl("/maas/specs/open/x").await.unwrap().0, list(zookeeper_client::Permission::ALL));
    let refused = store.commit(&[Op::Delete { path: "/maas/specs/closed/a/b".to_owned(), version: None }]).await;
    assert_eq!(refused.unwrap_err().refusal(), Some(Refusal::NoAuth));

    // Also below a node that comes to be only while it is written to.
    for n in 0..100 {
        let above = format!("/maas/specs/late-{n}");
        let options = zookeeper_client::CreateMode::Persistent.with_acls(zookeeper_client::Acls::new(&closed));
        let child = [create(&format!("{above}/child"))];
        let (made, committed) = tokio::join!(raw.create(&above, b"", &options), store.commit(&child));
        made.unwrap();
        match committed {
            Ok(_) => assert_eq!(raw.get_acl(&format!("{above}/child")).await.unwrap().0, closed),
            Err(error) => assert_eq!((error.refused_at(), error.refusal()), (Some(0), Some(Refusal::NoNode))),
        }
    }

    // What may not even be read hides nothing else.
    let hidden = list(zookeeper_client::Permission::ADMIN);
    let options = zookeeper_client::CreateMode::Persistent.with_acls(zookeeper_client::Acls::new(&hidden));
    raw.create("/maas/specs/hidden", b"", &options).await.unwrap();
    let listed = store.list("/maas/specs").await.unwrap();
    assert!(listed.iter().all(|(path, ..)| path != "/maas/specs/hidden"));
    assert!(listed.iter().any(|(path, ..)| path == "/maas/specs/open/x"));
    assert!(store.get("/maas/specs/hidden").await.unwrap_err().is_denied());
    store.init().await.unwrap();
}

#[tokio::test]
async fn a_write_that_is_too_large_is_refused_before_it_is_sent() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let store = Store::open(Config::new(cluster.quorum())).await.unwrap();
    let session = store.session_id();
    let ops = [Op::Create { path: "/large".to_owned(), data: vec![b'x'; 1 << 20], ephemeral: false }];
    assert!(matches!(store.commit(&ops).await, Err(CommitError::TooLarge { .. })));
    let mut tree = Tree::default();
    let twin = tree.open();
    assert!(matches!(tree.commit(twin, &ops, 0), Err(CommitError::TooLarge { .. })));
    let most = [Op::Create { path: "/most".to_owned(), data: vec![b'x'; 999_000], ephemeral: false }];
    store.commit(&most).await.unwrap();
    assert_eq!(store.get("/most").await.unwrap().unwrap().0.len(), 999_000);
    assert_eq!(store.session_id(), session);
}

#[tokio::test]
async fn no_server_is_an_error_within_seconds_that_names_what_was_tried() {
    let mut config = Config::new("127.0.0.1:1");
    config.deadline = Duration::from_secs(2);
    let error = Store::open(config).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    let error = Store::open(Config::new("node1;2181")).await.unwrap_err();
    assert!(error.to_string().contains("host:port"), "{error}");
}
