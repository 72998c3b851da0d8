//! The whole way: Kafka, the model, triage, the search engine, and each of them away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(unreachable_pub, missing_docs)]

mod support;

use std::collections::BTreeSet;

use maas_e2e::Search;
use maas_pipeline::config::{Kind, Place};
use maas_pipeline::tree;
use serde_json::{Value, json};
use support::{Bed, line, until};

/// More than a number of the index can be.
const HUGE: &str = "99999999999999999999";
const PARSER: &str = include_str!("../config/zookeeper/parsers/squid.json");

async fn count(bed: &Bed, wanted: u64) {
    until(&format!("{wanted} documents; {}", bed.log()), async || (bed.count().await? == wanted).then_some(())).await;
}

async fn push(bed: &Bed, text: String) {
    let place = Place::of(Kind::Parser, "squid").unwrap();
    tree::write(&bed.store, &[(place, text.into_bytes())].into()).await.unwrap();
}

/// Sends the page's two lines, and waits for what becomes of them.
async fn the_pages_documents(bed: &Bed) -> (Value, Value) {
    bed.send([line("www.yahoo.com", 1).into(), line("cnn.com", 2).into()]).await;
    count(bed, 2).await;
    let mut documents = bed.documents().await.unwrap();
    documents.sort_by_key(|document| document["bytes"].as_u64());
    let [yahoo, cnn] = &documents[..] else { panic!("{documents:?}") };
    (yahoo.clone(), cnn.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_lines_become_its_documents_and_bad_messages_stop_nothing() {
    let bed = Bed::make(Search::opensearch(None)).await;
    let pipeline = bed.start(&[]);
    let (yahoo, cnn) = the_pages_documents(&bed).await;
    assert_eq!((yahoo.get("is_alert"), &yahoo["is_malicious"]), (None, &json!("legit")), "{yahoo}");
    assert_eq!((&cnn["is_alert"], &cnn["is_malicious"]), (&json!("true"), &json!("malicious")), "{cnn}");
    assert_eq!(cnn["threat:triage:level"], json!(100.0));

    // Poison of each sort, one that the model refuses, one that the search engine refuses, and a
    // good one behind them.
    let wrong = line("cnn.com", 3).replace("200 3 ", &format!("200 {HUGE} "));
    let poison: [Vec<u8>; 5] = [
        Vec::new(),
        vec![b'x'; 10 * 1024 * 1024],
        b"caf\xe9".to_vec(),
        b"no match".to_vec(),
        line("poison.com", 4).into(),
    ];
    bed.send(poison.into_iter().chain([wrong.into(), line("yahoo.com", 5).into()])).await;
    until("poison set aside", async || (pipeline.metric("messages_set_aside").await >= 6).then_some(())).await;
    count(&bed, 3).await;
    let records = bed.records("parser_error", 6).await;
    let reason = |text: &str| {
        records
            .iter()
            .find(|record| record["message"].as_str().unwrap().contains(text))
            .unwrap_or_else(|| panic!("{text}: {records:?}"))
    };
    assert_eq!(reason("is empty")["raw_message"], "");
    assert_eq!(reason("10485760 bytes")["raw_message"].as_str().unwrap().len(), 10 * 1024 * 1024);
    assert_eq!(reason("not UTF-8")["raw_message_bytes"], "Y2Fm6Q==");
    assert_eq!(reason("does not match")["error_type"], "parser_error");
    assert_eq!(reason("field [bytes]")["error_type"], "indexing_error");
    assert!(reason("answered 400")["message"].as_str().unwrap().starts_with("MAAS_MODEL_APPLY: "));

    // Another config, live: nothing is lost on the way, and a bad one leaves it in force.
    let with = |name: &str| {
        PARSER
            .replace("\"is_alert\" ]", &format!("\"is_alert\", \"{name}\" ]"))
            .replace(",\"is_alert\" :", &format!(",\"{name}\" : \"'yes'\", \"is_alert\" :"))
    };
    push(&bed, with("first")).await;
    until("the config is taken", async || (pipeline.metric("configs_taken").await == 2).then_some(())).await;
    bed.send((10..20).map(|number| line("cnn.com", number).into())).await;
    push(&bed, with("second").replace("URL_TO_HOST(url)", "URL_TO_HOST(")).await;
    until("the config is refused", async || (pipeline.metric("configs_refused").await == 1).then_some(())).await;
    bed.send((20..30).map(|number| line("cnn.com", number).into())).await;
    count(&bed, 23).await;
    let documents = bed.documents().await.unwrap();
    let marked = |name: &str| documents.iter().filter(|document| document.get(name).is_some()).count();
    assert_eq!((marked("first"), marked("second")), (20, 0));
    assert!(
        bed.log().contains("the configs in ZooKeeper are refused: parsers/squid.json: fieldTransformations[0]"),
        "{}",
        bed.log()
    );

    // The model away: messages wait, or go on without it, as the config says; and the finished ones to a topic, too.
    bed.model.set_up(false);
    bed.send((30..40).map(|number| line("amazon.com", number).into())).await;
    until("messages wait", async || (pipeline.metric("model_down").await >= 10).then_some(())).await;
    assert_eq!(bed.count().await, Some(23));
    bed.model.set_up(true);
    count(&bed, 33).await;
    bed.model.set_up(false);
    push(
        &bed,
        PARSER
            .replace("\"sensorTopic\"", "\"outputTopic\": \"indexing\", \"sensorTopic\"")
            .replace("\"timestampField\"", "\"modelDown\": \"skip\", \"timestampField\""),
    )
    .await;
    until("the config is taken", async || (pipeline.metric("configs_taken").await == 3).then_some(())).await;
    bed.send((40..50).map(|number| line("amazon.com", number).into())).await;
    count(&bed, 43).await;
    let documents = bed.documents().await.unwrap();
    assert_eq!(documents.iter().filter(|document| document.get("is_malicious").is_none()).count(), 10);
    let messages = bed.records("indexing", 10).await;
    assert!(messages.iter().all(|message| message["source.type"] == "squid" && message.get("is_malicious").is_none()));
    pipeline.stop().await;
}

/// Every number of the messages is in the index exactly once.
async fn each_once(bed: &Bed, wanted: usize) {
    count(bed, wanted as u64).await;
    let documents = bed.documents().await.unwrap();
    let numbers: BTreeSet<u64> = documents.iter().map(|document| document["bytes"].as_u64().unwrap()).collect();
    assert_eq!((documents.len(), numbers.len()), (wanted, wanted));
    let judged = |document: &Value| document["is_malicious"] == "malicious" && document["threat:triage:level"] == 100.0;
    assert!(documents.iter().all(judged));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_points_nothing_is_lost_and_every_document_is_there_once() {
    let bed = Bed::make(Search::opensearch(None)).await;
    bed.send((0..10_000).map(|number| line("cnn.com", number).into())).await;
    let mut killed = 0;
    while killed < 20 {
        let mut pipeline = bed.start(&[]);
        // A random number of messages further, each time.
        let further = fastrand::u64(1..400);
        until("some are indexed", async || (pipeline.metric("documents_indexed").await >= further).then_some(())).await;
        pipeline.kill();
        killed += 1;
    }
    let pipeline = bed.start(&[]);
    each_once(&bed, 10_000).await;
    pipeline.stop().await;
    // All was committed: nothing is read again.
    let pipeline = bed.start(&[]);
    bed.send([line("cnn.com", 10_000).into()]).await;
    until("the last is indexed", async || (pipeline.metric("documents_indexed").await == 1).then_some(())).await;
    assert_eq!(pipeline.metric("messages_read").await, 1);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn search_engine_kafka_and_zookeeper_come_back_and_nothing_was_lost() {
    let bed = Bed::make(Search::opensearch(None)).await;
    let pipeline = bed.start(&[]);
    let lines = |from: usize| (from..from + 200).map(|number| Vec::from(line("cnn.com", number)));
    bed.send(lines(0)).await;
    count(&bed, 200).await;

    bed.search.daemon().kill().unwrap();
    bed.send(lines(200)).await;
    until("documents wait", async || (pipeline.metric("index_retries").await >= 2).then_some(())).await;
    bed.search.daemon().start().await.unwrap();
    count(&bed, 400).await;

    bed.kafka.daemon().kill().unwrap();
    bed.kafka.daemon().start().await.unwrap();
    bed.send(lines(400)).await;
    count(&bed, 600).await;

    // The endpoints and configs that were known last serve on.
    bed.zookeeper.zookeeper().kill().unwrap();
    bed.send(lines(600)).await;
    count(&bed, 800).await;
    bed.zookeeper.zookeeper().start().await.unwrap();
    let place = Place::of(Kind::Parser, "squid").unwrap();
    let changed = PARSER.replace("\"timestampField\"", "\"modelDown\": \"wait\", \"timestampField\"").into_bytes();
    until("ZooKeeper takes a config", async || {
        tree::write(&bed.store, &[(place.clone(), changed.clone())].into()).await.ok()
    })
    .await;
    until("it is in force", async || (pipeline.metric("configs_taken").await == 2).then_some(())).await;
    bed.send(lines(800)).await;
    each_once(&bed, 1000).await;
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seeds_own_generation_of_elasticsearch_takes_the_documents_too() {
    let bed = Bed::make(Search::elasticsearch(None)).await;
    let pipeline = bed.start(&[]);
    let (yahoo, cnn) = the_pages_documents(&bed).await;
    assert_eq!((yahoo.get("is_alert"), &yahoo["is_malicious"]), (None, &json!("legit")), "{yahoo}");
    assert_eq!((&cnn["is_alert"], &cnn["threat:triage:level"]), (&json!("true"), &json!(100.0)), "{cnn}");
    // A text where numbers were before: the engine refuses the one document, and takes the next.
    bed.send([line("cnn.com", 3).replace("200 3 ", &format!("200 {HUGE} ")).into()]).await;
    until("it is set aside", async || (pipeline.metric("messages_set_aside").await == 1).then_some(())).await;
    bed.send([line("cnn.com", 4).into()]).await;
    count(&bed, 3).await;
    pipeline.stop().await;
}
