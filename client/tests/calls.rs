//! The client against a real ZooKeeper and models of every bad manner.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use maas_client::{Client, Options, Wanted};
use maas_store::Config;
use serde_json::json;
use support::{Bed, LONG, Manner, model};

#[tokio::test]
async fn endpoints_are_pushed_and_stay_while_zookeeper_is_away() {
    let bed = Bed::make(LONG).await;
    let none = bed.get("dga").await.unwrap_err();
    assert_eq!(none.to_string(), "no live endpoint of dga in default");
    let (old, new) = (model(Manner::Good).await, model(Manner::Good).await);
    bed.publish("dga", "9.0", 1, &old.url).await;
    let newest = bed.publish("dga", "10.0", 2, &new.url).await;
    assert_eq!(bed.get("dga").await.unwrap()["is_malicious"], "legit");
    assert_eq!((old.asked.load(Ordering::SeqCst), new.asked.load(Ordering::SeqCst)), (0, 1));
    let asked = new.last.lock().unwrap().clone();
    assert!(asked.starts_with("GET /apply?host=yahoo.com HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("accept: application/json"), "{asked}");
    assert_eq!(bed.client.view().live_versions("default", "dga").collect::<Vec<_>>(), ["10.0", "9.0"]);

    bed.cluster.zookeeper().kill().unwrap();
    bed.until(Client::is_stale).await;
    bed.get("dga").await.unwrap();
    assert_eq!(new.asked.load(Ordering::SeqCst), 2, "the last known stay");
    bed.cluster.zookeeper().restart().await.unwrap();
    bed.until(|client| !client.is_stale()).await;
    bed.retire(&newest).await;
    bed.until(|client| client.view().live_versions("default", "dga").count() == 1).await;
    bed.get("dga").await.unwrap();
    assert_eq!(old.asked.load(Ordering::SeqCst), 1, "the older version, as no newer lives");
    let posted = bed.client.post(Wanted::newest("dga"), "apply", &json!({"host": "a"})).await.unwrap();
    assert_eq!(posted["is_malicious"], "legit");
    let asked = old.last.lock().unwrap().clone();
    assert!(asked.starts_with("POST /apply HTTP/1.1\r\n") && asked.ends_with("{\"host\":\"a\"}"), "{asked}");
}

#[tokio::test]
async fn what_answers_badly_is_named_and_beside_a_good_one_not_noticed() {
    let bed = Bed::make(Duration::from_secs(2)).await;
    for (number, (manner, says)) in (0..).zip([
        (Manner::Garbage, "gave no usable answer: it is no JSON"),
        (Manner::List, "gave no usable answer: it is no JSON object"),
        (Manner::Huge, "gave no usable answer: it is longer than 10000 bytes"),
        (Manner::Failing, r"answered 500: no\nidea"),
        (Manner::Half, "could not be asked"),
        (Manner::Elsewhere, "answered 302: "),
        (Manner::Refusing, "could not be asked"),
        (Manner::Silent, "did not answer within 2000 ms"),
    ]) {
        let name = format!("m{number}");
        let bad = model(manner).await;
        bed.publish(&name, "1.0", 1, &bad.url).await;
        let error = bed.get(&name).await.unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(&bad.url), "{manner:?}: {error}");
        assert!(!error.contains('\u{1b}'), "{error}");
        // Neither a call that took all the time there is nor one that the caller is to blame for is repeated.
        if matches!(manner, Manner::Silent | Manner::Elsewhere) {
            continue;
        }
        let good = model(Manner::Good).await;
        bed.publish(&name, "1.0", 2, &good.url).await;
        for _ in 0..20 {
            bed.get(&name).await.unwrap();
        }
        let before = bed.client.metrics();
        let post = async || bed.client.post(Wanted::newest(&name), "apply", &json!({})).await;
        let mut posts = Vec::new();
        for _ in 0..20 {
            posts.push(post().await);
        }
        if manner == Manner::Refusing {
            assert!(posts.iter().all(Result::is_ok), "what was never sent may be repeated: {posts:?}");
        }
        // One that failed is left out, so that few calls notice.
        assert!(bed.client.metrics().repeated - before.repeated <= 5, "{manner:?}: {:?}", bed.client.metrics());
        assert!(bed.client.metrics().ejected > 0);
    }
    let gone = bed.client.endpoint(Wanted::newest("m0").version("7"));
    assert!(gone.is_none());
}

#[tokio::test]
async fn calls_do_not_fail_while_instances_come_and_go() {
    let bed = Bed::make(LONG).await;
    let mut live = Vec::new();
    for number in 0..3 {
        let one = model(Manner::Good).await;
        live.push(bed.publish("dga", "1.0", number, &one.url).await);
    }
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (client, stop) = (bed.client.clone(), stop.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while !stop.load(Ordering::SeqCst) {
                    client.apply(Wanted::newest("dga"), "apply", &[("host", Some("a"))]).await.unwrap();
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    // One that refuses stands for an instance that died before its endpoint went.
    for number in 3..30 {
        let one = model(if number % 3 == 0 { Manner::Refusing } else { Manner::Good }).await;
        live.push(bed.publish("dga", "1.0", number, &one.url).await);
        bed.retire(&live.remove(0)).await;
    }
    stop.store(true, Ordering::SeqCst);
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.unwrap();
    }
    assert!(calls > 0);
    assert_eq!(bed.client.metrics().failed, 0);
}

#[tokio::test]
async fn what_never_ends_ends_with_the_call_and_no_call_goes_where_an_answer_sends_it() {
    let bed = Bed::make(LONG).await;
    for (number, (manner, says)) in (0..).zip([
        (Manner::EndlessHead, "could not be asked"),
        (Manner::Endless, "gave no usable answer: it is longer than 10000 bytes"),
        (Manner::Mute, "could not be asked"),
        (Manner::Binary, "could not be asked"),
    ]) {
        let name = format!("e{number}");
        let bad = model(manner).await;
        bed.publish(&name, "1.0", 1, &bad.url).await;
        let error = bed.get(&name).await.unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(&bad.url), "{manner:?}: {error}");
        assert!(error.len() < 1_000 && !error.contains(char::is_control), "{error}");
    }
    // No read takes long, and yet the call ends.
    let bad = model(Manner::Dripping).await;
    bed.publish("drips", "1.0", 1, &bad.url).await;
    let options = Options { deadline: Duration::from_secs(2), ..Options::default() };
    let hasty = Client::open(Config::new(bed.cluster.quorum()), options).await.unwrap();
    let error = hasty.apply(Wanted::newest("drips"), "apply", &[]).await.unwrap_err().to_string();
    assert!(error.contains("did not answer within 2000 ms"), "{error}");
    // What is published may be anything.
    for (number, (url, says)) in (0..).zip([
        ("https://127.0.0.1:1", "cannot be called: only http is supported"),
        ("file:///etc/passwd", "cannot be called"),
        ("http://", "cannot be called"),
        ("no url", "cannot be called"),
    ]) {
        let name = format!("u{number}");
        bed.publish(&name, "1.0", 1, url).await;
        let error = bed.get(&name).await.unwrap_err().to_string();
        assert!(error.contains(says), "{url}: {error}");
        let good = model(Manner::Good).await;
        bed.publish(&name, "1.0", 2, &good.url).await;
        for _ in 0..5 {
            bed.get(&name).await.unwrap();
        }
    }
    // Another host is not asked, whoever names it.
    let other = model(Manner::Good).await;
    let place = format!("location: {}/apply\r\n", other.url);
    let sends = model(Manner::Sending(Box::leak(place.into_boxed_str()))).await;
    bed.publish("sends", "1.0", 1, &sends.url).await;
    let error = bed.get("sends").await.unwrap_err().to_string();
    assert!(error.contains("answered 302"), "{error}");
    assert_eq!((sends.asked.load(Ordering::SeqCst), other.asked.load(Ordering::SeqCst)), (1, 0));
}
