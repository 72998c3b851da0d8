//! The twin and a real server agree: the same scripts give the same answers, or a simulation on the twin proves nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::time::Duration;

use maas_e2e::Cluster;
use maas_store::{CommitError, Config, Done, Op, Refusal, Store, twin::Tree};
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
fn essence(result: Result<Vec<Done>, CommitError>) -> Result<Vec<(u8, i32, bool)>, (usize, Refusal)> {
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
        vec![check("/missing", 0)],
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
    let seed = 7;
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
    let real = store.list(ROOT).await.unwrap();
    let mut real: Vec<_> = real.iter().map(|(p, d, s)| (p.clone(), d.clone(), s.version, s.num_children)).collect();
    real.sort();
    let twin: Vec<_> = tree.list(ROOT).map(|(p, d, s)| (p.to_owned(), d.to_vec(), s.version, s.num_children)).collect();
    assert_eq!(twin, real);
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
