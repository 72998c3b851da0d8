//! The two functions in expressions, over a real ZooKeeper and models that listen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../../client/tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use maas_functions::{Failure, Maas, failures_of};
use maas_stellar::{EvaluateError, Expression, Functions, Value};
use support::{Bed, LONG, Manner, model};

/// Evaluates on a thread that may block, as callers do.
async fn evaluate(functions: &Functions, text: &str) -> (Result<Value, EvaluateError>, Vec<Failure>) {
    let (functions, expression) = (functions.clone(), Expression::parse(text).unwrap());
    let work = move || failures_of(|| expression.evaluate(&|_| None, &functions));
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn expressions_find_models_and_ask_them_as_in_metron() {
    let bed = Bed::make(LONG).await;
    let maas = Maas::new(bed.client.clone(), "default", tokio::runtime::Handle::current());
    let functions = maas.functions(Functions::standard());
    let good = async |text: &str| {
        let (value, failures) = evaluate(&functions, text).await;
        assert!(failures.is_empty(), "{text}: {failures:?}");
        value.unwrap()
    };
    let (old, new) = (model(Manner::Good).await, model(Manner::Good).await);
    bed.publish("dga", "9.0", 1, &old.url).await;
    bed.publish("dga", "10.0", 2, &new.url).await;

    let endpoint = good("MAAS_GET_ENDPOINT('dga')").await;
    assert_eq!(endpoint.to_string(), format!("{{endpoint:apply=apply, name=dga, url={}, version=10.0}}", new.url));
    assert_eq!(good("MAP_GET('version', MAAS_GET_ENDPOINT('dga', '9.0'))").await, Value::from("9.0"));

    // What goes over the wire, to the byte.
    for (text, line) in [
        (r#"{'host': 'a b&c=ü/é+%', 'k': ''}"#, "/apply?host=a+b%26c%3D%C3%BC%2F%C3%A9%2B%25&k="),
        ("{'host': no_such_field}", "/apply?host"),
        ("{}", "/apply?"),
        ("{'n': 1, 'b': true, 'd': 1.5}", "/apply?b=true&d=1.5&n=1"),
    ] {
        let text = format!("MAP_GET('is_malicious', MAAS_MODEL_APPLY(MAAS_GET_ENDPOINT('dga'), {text}))");
        assert_eq!(good(&text).await, Value::from("legit"), "{text}");
        let asked = new.last.lock().unwrap().clone();
        assert!(asked.starts_with(&format!("GET {line} HTTP/1.1\r\n")), "{text}: {asked}");
    }
    // The function that is named is the one that is asked, an alias or a path.
    for (function, path) in [("apply", "/apply"), ("/apply/deep", "/apply/deep"), ("other", "/other")] {
        good(&format!("MAAS_MODEL_APPLY(MAAS_GET_ENDPOINT('dga', '9.0'), '{function}', {{'host': 'a'}})")).await;
        let asked = old.last.lock().unwrap().clone();
        assert!(asked.starts_with(&format!("GET {path}?host=a HTTP/1.1\r\n")), "{asked}");
    }
    assert_eq!(maas.failed(), 0);
}

#[tokio::test]
async fn what_fails_is_null_and_told() {
    let bed = Bed::make(LONG).await;
    let maas = Maas::new(bed.client.clone(), "default", tokio::runtime::Handle::current());
    let functions = maas.functions(Functions::standard());
    let (failing, shut) = (model(Manner::Failing).await, model(Manner::Elsewhere).await);
    bed.publish("bad", "1.0", 1, &failing.url).await;
    bed.publish("shut", "1.0", 1, &shut.url).await;
    let mut count = 0;
    for (text, says, may_pass) in [
        ("MAAS_GET_ENDPOINT('none')", "MAAS_GET_ENDPOINT: no live endpoint of none in default", true),
        ("MAAS_GET_ENDPOINT('bad', '2.0')", "no live endpoint of bad 2.0 in default", true),
        ("MAAS_GET_ENDPOINT(5)", "a model's name and, if need be, a version are expected", false),
        ("MAAS_GET_ENDPOINT()", "a model's name and, if need be, a version are expected", false),
        ("MAAS_MODEL_APPLY(null, {'a': 'b'})", "MAAS_MODEL_APPLY: there is no endpoint to ask", false),
        ("MAAS_MODEL_APPLY({'url': 'http://h:1'}, {})", "the endpoint has no name", false),
        (
            "MAAS_MODEL_APPLY(MAAS_GET_ENDPOINT('bad'), 'apply', 7)",
            "an endpoint, a function if need be, and a map",
            false,
        ),
        ("MAAS_MODEL_APPLY(MAAS_GET_ENDPOINT('bad'), {'a': ['b']})", "argument a is a List", false),
        ("MAAS_MODEL_APPLY(MAAS_GET_ENDPOINT('bad'), {'a': 'b'})", r"answered 500: no\nidea", true),
        ("MAAS_MODEL_APPLY(MAAS_GET_ENDPOINT('shut'), {'a': 'b'})", "answered 302", false),
        // An endpoint that was kept while its instance went is nobody's any more.
        (
            "MAAS_MODEL_APPLY({'url': 'http://127.0.0.1:1', 'name': 'gone', 'version': '1.0'}, {})",
            "no live endpoint",
            true,
        ),
    ] {
        let (value, failures) = evaluate(&functions, text).await;
        assert!(value.unwrap().is_null(), "{text}");
        let [failure] = &failures[..] else { panic!("{text}: {failures:?}") };
        assert!(failure.to_string().contains(says), "{text}: {failure}");
        assert_eq!(failure.may_pass(), may_pass, "{text}: {failure}");
        count += 1;
        assert_eq!(maas.failed(), count);
    }
    // An expression goes on with null, as the seed's do.
    let (value, failures) = evaluate(&functions, "if MAAS_GET_ENDPOINT('none') == null then 'x' else 'y'").await;
    assert_eq!((value.unwrap(), failures.len()), (Value::from("x"), 1));
}

#[tokio::test]
async fn the_instance_that_was_found_is_asked_and_another_when_it_fails() {
    let bed = Bed::make(LONG).await;
    let maas = Maas::new(bed.client.clone(), "default", tokio::runtime::Handle::current());
    let functions = maas.functions(Functions::standard());
    let (a, b) = (model(Manner::Good).await, model(Manner::Good).await);
    bed.publish("dga", "1.0", 1, &a.url).await;
    bed.publish("dga", "1.0", 2, &b.url).await;
    let apply = |url: &str| format!("MAAS_MODEL_APPLY({{'url': '{url}', 'name': 'dga', 'version': '1.0'}}, {{}})");
    for _ in 0..20 {
        let (value, failures) = evaluate(&functions, &apply(&a.url)).await;
        assert!(!value.unwrap().is_null() && failures.is_empty(), "{failures:?}");
    }
    assert_eq!((a.asked.load(Ordering::SeqCst), b.asked.load(Ordering::SeqCst)), (20, 0));
    let dead = model(Manner::Refusing).await;
    bed.publish("dga", "1.0", 3, &dead.url).await;
    for _ in 0..5 {
        let (value, failures) = evaluate(&functions, &apply(&dead.url)).await;
        assert!(!value.unwrap().is_null() && failures.is_empty(), "{failures:?}");
    }
}

#[tokio::test]
async fn as_many_calls_are_under_way_as_there_are_threads() {
    let bed = Bed::make(LONG).await;
    let maas = Maas::new(bed.client.clone(), "default", tokio::runtime::Handle::current());
    let functions = Arc::new(maas.functions(Functions::standard()));
    // It answers when all have asked.
    let meeting = model(Manner::Meeting(64)).await;
    bed.publish("dga", "1.0", 1, &meeting.url).await;
    let all: Vec<_> = (0..64)
        .map(|_| {
            let functions = Arc::clone(&functions);
            tokio::spawn(async move { evaluate(&functions, "MAAS_MODEL_APPLY(MAAS_GET_ENDPOINT('dga'), {})").await })
        })
        .collect();
    for one in all {
        let (value, failures) = one.await.unwrap();
        assert!(!value.unwrap().is_null() && failures.is_empty(), "{failures:?}");
    }
}
