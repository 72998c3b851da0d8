//! Asks a model again and again, and says who is live whenever that changes:
//! `cargo run -p maas-client --example ask -- 127.0.0.1:2181 dga host=yahoo.com`

use std::time::Duration;

use maas_client::{Choice, Client, Options, Wanted};
use maas_store::Config;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [quorum, model, arguments @ ..] = words.as_slice() else {
        return Err("usage: ask ZOOKEEPER MODEL [KEY=VALUE...]".into());
    };
    let arguments: Vec<(&str, Option<&str>)> = arguments
        .iter()
        .map(|word| word.split_once('=').map_or((word.as_str(), None), |(key, value)| (key, Some(value))))
        .collect();
    let options = Options { choice: Choice::LeastLoadedOfTwo, deadline: Duration::from_secs(5), ..Options::default() };
    let client = Client::open(Config::new(quorum), options).await?;
    let mut told = client.clone();
    let wanted = Wanted::newest(model);
    loop {
        match client.apply(wanted, "apply", &arguments).await {
            Ok(answer) => println!("{}", serde_json::Value::Object(answer)),
            // It says which instance, what it did, and whether ZooKeeper is away.
            Err(error) => eprintln!("{error}"),
        }
        tokio::select! {
            () = told.changed() => {
                let live = client.view();
                println!("live: {:?}, stale: {}", live.live_versions("default", model).collect::<Vec<_>>(), live.is_stale());
            }
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}
