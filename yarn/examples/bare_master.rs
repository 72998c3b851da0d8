//! The least an application master can do, as a floor to measure others against: it registers, asks for all
//! containers at once, polls every 10 ms while any is outstanding, starts each as it comes, and ends when all have
//! ended. It survives a restart of the ResourceManager, and a second attempt adopts the containers of the first.
//!
//! Environment: `HADOOP_CONF_DIR`; `BARE_COUNT` (1), `BARE_MEMORY` in MiB (128), `BARE_COMMAND` (`sleep 10`).
//!
//! Each line on stdout is an event and the ms since the ask: `granted 3 14.2 container_…`, `started 3 19.8 container_…`.
//! `examples/submit.rs` runs it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use hadoop_rpc::{Conf, Credentials};
use hadoop_yarn::{
    AM_RM_TOKEN, Ask, Container, ContainerId, Error, FinalStatus, LaunchContext, Ledger, MasterClient, Nodes,
    RegisterRequest, Resource, config,
};
use tokio::task::JoinSet;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const DEADLINE: Duration = Duration::from_secs(2);
const QUICK: Duration = Duration::from_millis(10);
const IDLE: Duration = Duration::from_millis(200);

fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

struct Bare {
    master: MasterClient,
    nodes: Nodes,
    ledger: Ledger,
    context: LaunchContext,
    begun: Instant,
    starts: JoinSet<(Container, Result<(), Error>)>,
    held: BTreeMap<ContainerId, i64>,
    waiting: BTreeSet<i64>,
}

impl Bare {
    fn say(&self, event: &str, id: i64, what: impl std::fmt::Display) {
        println!("{event} {id} {:.1} {what}", self.begun.elapsed().as_secs_f64() * 1e3);
    }

    async fn register(&mut self) -> Result<(), Error> {
        let request = RegisterRequest { rpc_port: -1, ..RegisterRequest::default() };
        let response = match self.master.register(request).await {
            Err(Error::AlreadyRegistered) => return Ok(()),
            other => other?,
        };
        self.nodes.remember(&response.nm_tokens);
        response.previous_containers.iter().for_each(|container| self.adopt(container));
        self.say("registered", response.previous_containers.len().try_into().unwrap_or_default(), response.queue);
        Ok(())
    }

    fn adopt(&mut self, container: &Container) {
        let id = container.allocation_request_id;
        self.ledger.cancel(id);
        self.waiting.remove(&id);
        self.held.insert(container.id, id);
        self.say("adopted", id, container.id);
    }

    async fn turn(&mut self) -> Result<(), Error> {
        let response = match self.master.allocate(self.ledger.request()).await {
            Ok(response) => response,
            Err(error) => {
                self.ledger.failed(&error);
                self.say("failed", 0, &error);
                return match error {
                    Error::NotRegistered => self.register().await,
                    error if error.is_retriable() => Ok(()),
                    error => Err(error),
                };
            }
        };
        self.nodes.remember(&response.nm_tokens);
        for container in self.ledger.answer(&response).granted {
            let id = container.allocation_request_id;
            self.waiting.remove(&id);
            self.held.insert(container.id, id);
            self.say("granted", id, container.id);
            let (nodes, context) = (self.nodes.clone(), self.context.clone());
            self.starts.spawn(async move {
                let started = match nodes.get(&container.node) {
                    Ok(node) => node.start(&container, &context).await,
                    Err(error) => Err(error),
                };
                (container, started)
            });
        }
        response.previous_containers.iter().for_each(|container| self.adopt(container));
        for status in &response.completed {
            if let Some(id) = self.held.remove(&status.id) {
                self.say("ended", id, format_args!("{} {}", status.id, status.exit_status));
            }
        }
        Ok(())
    }

    async fn run(mut self) -> Result<(), Failure> {
        self.register().await?;
        self.begun = Instant::now();
        let memory = setting("BARE_MEMORY", 128);
        for id in self.waiting.clone() {
            self.ledger.ask(id, Ask { priority: 10, capability: Resource::new(memory, 1) });
        }
        while !(self.waiting.is_empty() && self.held.is_empty() && self.starts.is_empty()) {
            self.turn().await?;
            let pause = if self.ledger.has_open() { QUICK } else { IDLE };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                Some(Ok((container, started))) = self.starts.join_next() => {
                    started?;
                    self.say("started", container.allocation_request_id, container.id);
                }
            }
        }
        self.master.finish(FinalStatus::Succeeded, "all containers have ended", "").await?;
        self.say("finished", 0, "");
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let conf = Conf::load(Path::new(&std::env::var("HADOOP_CONF_DIR")?))?;
    let tokens = Credentials::load(Path::new(&std::env::var("HADOOP_TOKEN_FILE_LOCATION")?))?;
    let token = tokens.of_kind(AM_RM_TOKEN).ok_or("the token file has no AMRM token: run this through YARN")?;
    let command = format!("{} 1><LOG_DIR>/stdout 2><LOG_DIR>/stderr", setting("BARE_COMMAND", "sleep 10".to_owned()));
    let bare = Bare {
        master: MasterClient::new(config::scheduler_addresses(&conf)?, token.clone(), DEADLINE),
        nodes: Nodes::new(DEADLINE),
        ledger: Ledger::default(),
        context: LaunchContext { command, ..LaunchContext::default() },
        begun: Instant::now(),
        starts: JoinSet::new(),
        held: BTreeMap::new(),
        waiting: (1..=setting("BARE_COUNT", 1)).collect(),
    };
    bare.run().await
}
