//! `maas-pipeline`: `run` is `start_parser_topology.sh`, `configs` is `zk_load_configs.sh`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use maas_client::Client;
use maas_functions::Maas;
use maas_pipeline::flow::{self, Parts};
use maas_pipeline::follow::follow;
use maas_pipeline::metrics::{self, Metrics};
use maas_pipeline::search::Search;
use maas_pipeline::tree::Patterns;
use maas_pipeline::{configs, model};
use maas_stellar::Functions;
use maas_store::{Config, Root, Store};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Messages from Kafka by way of a model to a search engine, by Metron's configs.
#[derive(Debug, Parser)]
#[command(name = "maas-pipeline", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Reads a sensor's messages, until it gets SIGTERM
    Run(Box<Run>),
    /// Pushes configs to ZooKeeper, pulls and shows them
    Configs(Box<configs::Options>),
}

#[derive(Debug, Args)]
struct Run {
    /// Kafka: host:port, several separated by commas
    #[arg(short, long, value_name = "BROKERS")]
    kafka: String,
    /// ZooKeeper: host:port, several separated by commas
    #[arg(short, long, value_name = "QUORUM")]
    zk: String,
    /// The sensor whose configs say what is done
    #[arg(short, long, value_name = "SENSOR")]
    sensor: String,
    /// How many messages are worked on at a time
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=512))]
    concurrency: u16,
    /// The search engine, in the place of global.json's es.ip and es.port; may be repeated
    #[arg(long, value_name = "URL")]
    search_url: Vec<String>,
    /// The root of maas' tree in ZooKeeper
    #[arg(long, value_name = "PATH", env = "MAAS_ROOT", default_value = "/maas")]
    root: Root,
    /// The consumer group [default: <SENSOR>_parser]
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// A name that no other process of the group has: who restarts under it goes on at once
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Answers Prometheus at this address
    #[arg(long, value_name = "HOST:PORT")]
    metrics_listen: Option<SocketAddr>,
}

/// Metron's flags of several letters behind one dash; clap knows none. The second: what to say of those not supported.
const FLAGS: [(&str, Option<&str>); 20] = [
    ("-pf", None),
    ("-pm", None),
    ("-pk", None),
    ("-pv", None),
    ("-sp", Some("there is no Storm here; --concurrency says how many messages are worked on at a time")),
    ("-pp", Some("there is no Storm here; --concurrency says how many messages are worked on at a time")),
    ("-iwp", Some("there is no Storm here")),
    ("-ewp", Some("there is no Storm here")),
    ("-snt", Some("there is no Storm here")),
    ("-pnt", Some("there is no Storm here")),
    ("-iwnt", Some("there is no Storm here")),
    ("-ewnt", Some("there is no Storm here")),
    ("-nw", Some("there is no Storm here; start another process of the same sensor")),
    ("-na", Some("there is no Storm here")),
    ("-mtp", Some("there is no Storm here")),
    ("-mt", Some("there is no Storm here: a message takes as long as it takes")),
    ("-e", Some("there is no Storm here")),
    ("-esc", Some("the reader of Kafka has no settings of its own")),
    ("-ksp", Some("Kafka is spoken to without TLS and SASL only")),
    ("-ot", Some("write outputTopic into the parser config")),
];

/// The arguments as clap reads them.
fn arguments(given: impl Iterator<Item = String>) -> Result<Vec<String>> {
    let long = |flag: &str| match flag {
        "-pf" => "--patch_file",
        "-pm" => "--patch_mode",
        "-pk" => "--patch_key",
        _ => "--patch_value",
    };
    let long_names = [
        "spout_p",
        "parser_p",
        "invalid_writer_p",
        "error_writer_p",
        "spout_num_tasks",
        "parser_num_tasks",
        "invalid_writer_num_tasks",
        "error_writer_num_tasks",
        "num_workers",
        "num_ackers",
        "max_task_parallelism",
        "message_timeout",
        "extra_topology_options",
        "extra_kafka_spout_config",
        "kafka_security_protocol",
        "output_topic",
    ];
    let unsupported = FLAGS.iter().filter(|(_, why)| why.is_some()).zip(long_names);
    given
        .map(|argument| {
            let name = argument.split('=').next().unwrap_or_default();
            for ((flag, why), long) in unsupported.clone() {
                if name == *flag || name.strip_prefix("--") == Some(long) {
                    bail!("{name} is not supported: {}", why.unwrap_or_default());
                }
            }
            Ok(if FLAGS.iter().any(|(flag, _)| *flag == argument) { long(&argument).to_owned() } else { argument })
        })
        .collect()
}

fn main() -> ExitCode {
    let given = match arguments(std::env::args()) {
        Ok(given) => given,
        Err(error) => return failed(&error),
    };
    let cli = Cli::parse_from(given);
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    // Each message in work holds a thread while a model is asked.
    let threads = if let Command::Run(run) = &cli.command { usize::from(run.concurrency) + 16 } else { 16 };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(threads).build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::from(error).context("the runtime did not start")),
    };
    let done = runtime.block_on(async {
        match &cli.command {
            Command::Run(options) => run(options).await,
            Command::Configs(options) => {
                print!("{}", configs::run(options, &model::unasked()).await?);
                Ok(())
            }
        }
    });
    // Evaluations that wait for a model can't be ended.
    runtime.shutdown_timeout(Duration::from_millis(200));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

async fn run(options: &Run) -> Result<()> {
    if options.sensor.contains(',') {
        bail!("-s {}: one sensor a process; start one for each", options.sensor);
    }
    let (stopper, stop) = watch::channel(false);
    let mut signals = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
    tokio::spawn(async move {
        let [terminate, interrupt] = &mut signals;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopper.send_replace(true);
        // Nobody listens any more only when the program ends.
        stopper.closed().await;
    });
    let metrics = Arc::new(Metrics::default());
    if let Some(address) = options.metrics_listen {
        let bound = metrics::serve(address, metrics.clone()).await?;
        tracing::info!("metrics at http://{bound}/metrics");
    }
    let patterns = Patterns::open(std::env::var_os("HADOOP_CONF_DIR").map(PathBuf::from).as_deref())?;
    let config = Config { root: options.root.clone(), ..Config::new(&options.zk) };
    let store = Store::open(config.clone()).await?;
    let client = Client::open(config, maas_client::Options::default()).await?;
    let maas = Maas::new(client.clone(), "default", tokio::runtime::Handle::current());
    let functions = maas.functions(Functions::standard());
    let plans = follow(&store, options.sensor.clone(), patterns, functions.clone(), metrics.clone());
    let parts = Parts {
        plans,
        functions,
        client,
        search: Search::new(options.search_url.clone())?,
        brokers: options.kafka.clone(),
        group: options.group.clone(),
        instance: options.instance.clone(),
        concurrency: usize::from(options.concurrency),
        metrics,
        stop,
    };
    flow::run(parts).await.context("the pipeline ended")
}
