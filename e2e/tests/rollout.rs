//! A changed template on real daemons: one after another, new ready first; and deployments deleted and made again.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use maas_store::{Change, mirror};
use support::{Maas, http, manifest, until};

/// Answers with the value of GREETING, at once.
const MODEL: &str = r#"
import http.server, json, os
class Model(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ.get("GREETING", "none").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Model)
with open("endpoint.tmp", "w") as out:
    json.dump({"url": f"http://0.0.0.0:{server.server_address[1]}"}, out)
os.rename("endpoint.tmp", "endpoint.dat")
server.serve_forever()
"#;

fn greeting(word: &str) -> String {
    format!("  env: {{GREETING: {word}}}\n")
}

async fn answers(maas: &Maas) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (_, url) in maas.endpoints() {
        all.insert(http(&url).await.map_or_else(|error| error.to_string(), |(_, body)| body));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_template_never_takes_a_ready_instance_before_its_successor_is() {
    let maas = Maas::start().await;
    let payload = maas.payload(&[("rest.sh", "#!/bin/sh\nexec python3 model.py\n"), ("model.py", MODEL)]).await;
    maas.apply(&manifest("echo", 3, "128Mi", &payload, &greeting("one"))).good();
    maas.until_ready("echo", "3/3");

    // Counts the endpoints at every change of the tree, from now on.
    let end = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&end);
    let mut follow = mirror(&maas.store, vec!["/maas/endpoints/default/echo".to_owned()]);
    let counter = tokio::spawn(async move {
        let (mut standing, mut fewest, mut whole) = (BTreeSet::new(), usize::MAX, false);
        while !ended.load(Ordering::Relaxed) {
            match tokio::time::timeout(Duration::from_millis(100), follow.next()).await {
                Ok(Change::Put { path, .. }) if path.matches('/').count() == 5 => drop(standing.insert(path)),
                Ok(Change::Gone { path }) => drop(standing.remove(&path)),
                Ok(Change::Listed) => whole = true,
                _ => {}
            }
            if whole {
                fewest = fewest.min(standing.len());
            }
        }
        fewest
    });

    maas.apply(&manifest("echo", 3, "128Mi", &payload, &greeting("two"))).good();
    assert!(until(Duration::from_secs(60), || {
        let out = maas.ctl(&["get", "models", "echo", "--no-headers"]).out;
        let words: Vec<&str> = out.split_whitespace().collect();
        words.get(1..4) == Some(&["3/3", "3", "3"])
            && maas.endpoints().len() == 3
            && maas.endpoints().iter().all(|(i, _)| !["1-1", "1-2", "1-3"].iter().any(|old| i.ends_with(old)))
    }));
    assert_eq!(answers(&maas).await, BTreeSet::from(["two".to_owned()]));

    // Changed, and changed back in the middle.
    maas.apply(&manifest("echo", 3, "128Mi", &payload, &greeting("three"))).good();
    assert!(until(Duration::from_secs(30), || maas.endpoints().len() > 3
        || maas.endpoints().iter().any(|(i, _)| i.ends_with("1-7"))));
    maas.apply(&manifest("echo", 3, "128Mi", &payload, &greeting("two"))).good();
    let settled = until(Duration::from_secs(60), || {
        let yaml = maas.ctl(&["get", "models", "echo", "-o", "yaml"]).out;
        yaml.contains("reason: NewRevisionAvailable")
            && yaml.contains("observedGeneration: 4")
            && maas.endpoints().len() == 3
    });
    assert!(settled, "{}", maas.ctl(&["describe", "model", "echo"]).out);
    assert_eq!(answers(&maas).await, BTreeSet::from(["two".to_owned()]));
    end.store(true, Ordering::Relaxed);
    assert!(counter.await.unwrap() >= 3, "there were always three that could be called");

    // Deleted and made again at once: the new one, whole, and nothing of the old.
    maas.ctl(&["delete", "model", "echo"]).good();
    maas.apply(&manifest("echo", 2, "128Mi", &payload, &greeting("four"))).good();
    maas.until_ready("echo", "2/2");
    assert!(until(Duration::from_secs(30), || maas.endpoints().len() == 2 && maas.pids("maas-runner").len() == 2));
    assert_eq!(answers(&maas).await, BTreeSet::from(["four".to_owned()]));
    maas.ctl(&["service", "stop"]).good();
}
