//! Templates that change under callers: new instances first, old ones after, and never fewer than are wanted. Changed
//! back half-way, scaled half-way, the operator killed half-way, deleted and made again at once; and what status says
//! of it is true all the while.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maas_store::{Change, Endpoint, Node, Root, mirror};
use serde_json::Value;
use support::{Maas, RUNNER, WORD_MODEL, http, kill, manifest, until};

const WITHIN: Duration = Duration::from_secs(60);

/// Half a second of start-up, so that half-way lasts.
const SCRIPT: &str = "#!/bin/sh\nsleep 0.5\nexec python3 -I -S model.py\n";

/// The endpoints as they come and go, by instance.
#[derive(Default)]
struct Seen {
    live: BTreeMap<(u64, u64), Endpoint>,
    /// Fewest and most at one time since the last reset.
    fewest: usize,
    most: usize,
    /// The last instance of the life before this one, and whether one of each was published at one time.
    before: (u64, u64),
    mixed: bool,
}

struct Watcher(Arc<Mutex<Seen>>);

impl Watcher {
    fn start(maas: &Maas) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (store, told) = (maas.store.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            let mut changes = mirror(&store, vec![store.path(&Node::Folder("endpoints".to_owned()))]);
            loop {
                let change = changes.next().await;
                let mut seen = told.lock().unwrap();
                match &change {
                    Change::Put { path, data, .. } => {
                        instance(path).and_then(|iid| seen.live.insert(iid, Endpoint::decode(path, data).unwrap()))
                    }
                    Change::Gone { path } => instance(path).and_then(|iid| seen.live.remove(&iid)),
                    _ => continue,
                };
                let now = seen.live.len();
                (seen.fewest, seen.most) = (seen.fewest.min(now), seen.most.max(now));
                let old = seen.live.keys().filter(|iid| **iid <= seen.before).count();
                seen.mixed |= old > 0 && old < now && seen.before > (0, 0);
            }
        });
        Self(seen)
    }

    /// Counts fewest and most anew from now on.
    fn reset(&self) {
        let mut seen = self.0.lock().unwrap();
        (seen.fewest, seen.most) = (seen.live.len(), seen.live.len());
    }

    fn bounds(&self) -> (usize, usize) {
        let seen = self.0.lock().unwrap();
        (seen.fewest, seen.most)
    }

    /// Instances that are published, with their revisions.
    fn live(&self) -> BTreeMap<(u64, u64), u32> {
        self.0.lock().unwrap().live.iter().map(|(iid, endpoint)| (*iid, endpoint.revision)).collect()
    }

    fn urls(&self) -> Vec<String> {
        self.0.lock().unwrap().live.values().map(|endpoint| endpoint.url.clone()).collect()
    }
}

/// Epoch and counter of the instance whose endpoint this is; they grow with each instance.
fn instance(path: &str) -> Option<(u64, u64)> {
    let Some(Node::Endpoint { iid, .. }) = Node::parse(&Root::default(), path) else { return None };
    let text = iid.to_string();
    let (epoch, counter) = text.split_once('-').unwrap();
    Some((epoch.parse().unwrap(), counter.parse().unwrap()))
}

struct Story {
    maas: Maas,
    watcher: Watcher,
    payload: String,
}

impl Story {
    fn apply(&self, replicas: u32, word: &str) {
        let more = format!("  env: {{WORD: {word}}}\n  terminationGracePeriod: 2s\n");
        self.maas.apply(&manifest("echo", replicas, "128Mi", &self.payload, &more)).good();
    }

    fn object(&self) -> Value {
        serde_json::from_str(&self.maas.ctl(&["get", "models", "echo", "-o", "json"]).good()).unwrap()
    }

    /// Whether status says that the newest spec is live; everything that it says meanwhile must agree with itself.
    fn is_complete(&self, replicas: u64) -> bool {
        let object = self.object();
        let status = &object["status"];
        if status["observedGeneration"] != object["metadata"]["generation"] {
            return false;
        }
        let condition = |kind: &str| {
            let all = status["conditions"].as_array().unwrap();
            let one = all.iter().find(|one| one["type"] == kind).unwrap();
            assert_eq!(one["observedGeneration"], status["observedGeneration"], "{status}");
            (one["status"].as_str().unwrap().to_owned(), one["reason"].as_str().unwrap().to_owned())
        };
        let count = |field: &str| status[field].as_u64().unwrap();
        let (ready, updated) = (count("readyReplicas"), count("updatedReplicas"));
        let enough = if ready >= replicas { "True" } else { "False" };
        assert_eq!(condition("Available").0, enough, "{status}");
        assert_eq!(condition("ReplicaFailure").0, "False", "{status}");
        let (progressing, reason) = condition("Progressing");
        assert_eq!(progressing, "True", "{status}");
        if reason != "NewRevisionAvailable" {
            assert_eq!(reason, "ReplicasUpdating", "{status}");
            assert_ne!((updated, ready, count("replicas")), (replicas, replicas, replicas), "{status}");
            return false;
        }
        assert_eq!((updated, ready, count("replicas")), (replicas, replicas, replicas), "{status}");
        assert_eq!(status["currentRevision"], status["updateRevision"], "{status}");
        let newest = count("updateRevision");
        let agrees = || {
            let live = self.watcher.live();
            live.len() as u64 == replicas && live.values().all(|revision| u64::from(*revision) == newest)
        };
        // The watcher may hear of it a moment later.
        assert!(until(Duration::from_secs(2), agrees), "{status} but {:?}", self.watcher.live());
        true
    }

    async fn until_complete(&self, replicas: u64, word: &str) {
        let good = until(WITHIN, || self.is_complete(replicas));
        assert!(good, "{}", self.maas.ctl(&["describe", "model", "echo"]).out);
        for url in self.watcher.urls() {
            assert_eq!(http(&url).await.unwrap(), (200, word.to_owned()));
        }
    }

    /// Until an instance of a newer revision than any of these is published beside some of these.
    fn until_half_way(&self, old: &BTreeMap<(u64, u64), u32>) {
        let mixed = || {
            let live = self.watcher.live();
            live.keys().any(|iid| !old.contains_key(iid)) && live.keys().any(|iid| old.contains_key(iid))
        };
        assert!(until(WITHIN, mixed), "{:?}", self.watcher.live());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_template_never_takes_a_ready_instance_before_its_successor_is() {
    let maas = Maas::start().await;
    let payload = maas.payload(&[("rest.sh", SCRIPT), ("model.py", WORD_MODEL)]).await;
    let watcher = Watcher::start(&maas);
    let story = Story { maas, watcher, payload };
    let watcher = &story.watcher;
    story.apply(3, "one");
    story.until_complete(3, "one").await;

    // One after another: at most one more than wanted, never one less.
    let before = watcher.live();
    watcher.reset();
    story.apply(3, "two");
    story.until_complete(3, "two").await;
    assert_eq!(watcher.bounds(), (3, 4));
    assert!(watcher.live().keys().all(|iid| !before.contains_key(iid)), "{before:?} {:?}", watcher.live());

    // Changed, and changed back half-way.
    let before = watcher.live();
    story.apply(3, "three");
    story.until_half_way(&before);
    story.apply(3, "two");
    story.until_complete(3, "two").await;
    assert_eq!(watcher.bounds(), (3, 4));

    // The same once more changes nothing.
    let before = watcher.live();
    story.apply(3, "two");
    story.until_complete(3, "two").await;
    assert_eq!(watcher.live(), before);

    // Restarted: the same template, and other instances.
    watcher.reset();
    story.maas.ctl(&["rollout", "restart", "echo"]).good();
    let said = story.maas.ctl(&["rollout", "status", "echo", "--timeout", "60s"]).good();
    assert!(said.ends_with("deployment \"echo\" successfully rolled out\n"), "{said}");
    story.until_complete(3, "two").await;
    assert_eq!(watcher.bounds(), (3, 4));
    assert!(watcher.live().keys().all(|iid| !before.contains_key(iid)), "{before:?} {:?}", watcher.live());
    let before = watcher.live();

    // More are wanted half-way, and in another rollout fewer.
    story.apply(3, "four");
    story.until_half_way(&before);
    story.maas.ctl(&["scale", "echo", "--replicas", "5"]).good();
    story.until_complete(5, "four").await;
    let (fewest, most) = watcher.bounds();
    assert!(fewest >= 3 && most <= 6, "{fewest} to {most}");
    watcher.reset();
    let before = watcher.live();
    story.apply(5, "five");
    story.until_half_way(&before);
    story.maas.ctl(&["scale", "echo", "--replicas", "2"]).good();
    story.until_complete(2, "five").await;
    let (fewest, most) = watcher.bounds();
    assert!(fewest >= 2 && most <= 6, "{fewest} to {most}");

    // The operator dies half-way; the next one goes on.
    watcher.reset();
    let before = watcher.live();
    story.apply(2, "six");
    story.until_half_way(&before);
    kill(story.maas.pids("maas-operator")[0]);
    story.until_complete(2, "six").await;
    assert_eq!(watcher.bounds(), (2, 3));

    deleted_and_made_again_at_once(&story).await;
    story.maas.ctl(&["service", "stop"]).good();
}

/// Nothing of the old one can be called once anything of the new one can.
async fn deleted_and_made_again_at_once(story: &Story) {
    let uid = || story.object()["metadata"]["uid"].clone();
    for word in ["seven", "eight"] {
        let (before, old) = (uid(), story.watcher.live());
        story.watcher.0.lock().unwrap().before = *old.keys().max().unwrap();
        story.maas.ctl(&["delete", "model", "echo"]).good();
        story.apply(2, word);
        story.until_complete(2, word).await;
        assert_ne!(uid(), before);
        assert!(!story.watcher.0.lock().unwrap().mixed, "two lives could be called at one time");
        assert!(story.watcher.live().keys().all(|iid| !old.contains_key(iid)));
    }
    let ended = until(Duration::from_secs(20), || story.maas.pids(RUNNER).len() == 2);
    assert!(ended, "{:?}", story.maas.pids(RUNNER));
}
