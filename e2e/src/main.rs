//! `cluster`: a real ZooKeeper, HDFS and YARN on this machine, and what stands beside them, for trying things out.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Instant,
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use maas_e2e::{Cluster, Daemon, Kafka, Search, Squid};
use serde::Serialize;
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// A real ZooKeeper, HDFS and YARN on this machine, each daemon a process of its own, on free ports.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a cluster until Ctrl-C, SIGTERM or the end of standard input; one JSON line on stdout says when it is ready.
    /// (In the background: `tail -f /dev/null | cluster up &`.)
    Up {
        /// Number of NodeManagers
        #[arg(long, default_value_t = 1)]
        nms: usize,
        /// Memory that each NodeManager offers, in MiB
        #[arg(long, default_value_t = 4096)]
        memory: u64,
        /// A new or empty directory for data and logs, removed at the end [default: one in the temporary directory]
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Leave the directory behind at the end
        #[arg(long)]
        keep: bool,
        #[command(flatten)]
        beside: Beside,
    },
    /// Download and prepare the daemons' jars (about 105 MB, once), so that the first start does not have to
    Fetch {
        #[command(flatten)]
        beside: Beside,
    },
}

/// What stands beside the cluster. With --dir each has a directory of its own in it.
#[derive(Args, Clone, Copy)]
struct Beside {
    /// Kafka, one broker (45 MB to download, once)
    #[arg(long)]
    kafka: bool,
    /// OpenSearch, one node (45 MB to download, once)
    #[arg(long)]
    search: bool,
    /// squid, where it is installed, before a web server that answers for every host
    #[arg(long)]
    squid: bool,
}

/// The line on standard output.
#[derive(Serialize)]
struct Ready {
    quorum: String,
    hdfs: String,
    conf_dir: PathBuf,
    rm_http: String,
    rm_address: String,
    rm_scheduler: String,
    dir: PathBuf,
    pids: BTreeMap<String, u32>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    kafka: Option<KafkaReady>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    squid: Option<SquidReady>,
}

#[derive(Serialize)]
struct KafkaReady {
    kafka: String,
    kafka_bin: PathBuf,
}

#[derive(Serialize)]
struct SquidReady {
    proxy: String,
    access_log: PathBuf,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_level(false)
        .with_timer(tracing_subscriber::fmt::time::uptime())
        .init();
    let arguments = Arguments::parse();
    match serve(arguments.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(verb: Verb) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("could not start the runtime")?;
    let result = runtime.block_on(run(verb));
    // A thread that still waits for another process's download must not hold up the end.
    runtime.shutdown_background();
    result
}

async fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Fetch { beside } => {
            let mut libraries = vec![maas_e2e::fetch().await?];
            if beside.kafka {
                libraries.push(Kafka::fetch().await?);
            }
            if beside.search {
                libraries.push(Search::fetch_opensearch().await?);
            }
            for library in libraries {
                tracing::info!("ready in {}", library.display());
            }
            Ok(())
        }
        Verb::Up { nms, memory, dir, keep, beside } => {
            // Signals are caught from the start on: one that comes early must still end what was started by then.
            let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for Ctrl-C")?;
            let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
            tokio::select! {
                result = up(nms, memory, dir, keep, beside) => result,
                _ = interrupt.recv() => Ok(()),
                _ = terminate.recv() => Ok(()),
            }
        }
    }
}

async fn up(nms: usize, memory: u64, dir: Option<PathBuf>, keep: bool, beside: Beside) -> anyhow::Result<()> {
    let since = Instant::now();
    let mut builder = Cluster::builder().node_managers(nms).node_memory_mb(memory);
    if let Some(dir) = dir.clone() {
        builder = builder.dir(dir);
    }
    if keep {
        builder = builder.keep();
    }
    let cluster = builder.start().await?;
    // After the cluster, which wants its directory empty.
    let of = |name: &str| dir.as_ref().map(|_| cluster.dir().join(name));
    let kafka = async { if beside.kafka { Kafka::start(of("kafka")).await.map(Some) } else { Ok(None) } };
    let search = async { if beside.search { Search::opensearch(of("opensearch")).await.map(Some) } else { Ok(None) } };
    let squid = async { if beside.squid { Squid::start(of("squid")).await.map(Some) } else { Ok(None) } };
    let (kafka, search, squid) = tokio::try_join!(kafka, search, squid)?;
    if keep {
        kafka.iter().for_each(Kafka::keep);
        search.iter().for_each(Search::keep);
        squid.iter().for_each(Squid::keep);
    }
    let others =
        [kafka.as_ref().map(Kafka::daemon), search.as_ref().map(Search::daemon), squid.as_ref().map(Squid::daemon)];
    let daemons = cluster.daemons().chain(others.into_iter().flatten());
    let pids = daemons.filter_map(|daemon: &Daemon| Some((daemon.name().to_owned(), daemon.pid()?))).collect();
    let ready = Ready {
        quorum: cluster.quorum(),
        hdfs: cluster.hdfs_url(),
        conf_dir: cluster.conf_dir(),
        rm_http: cluster.rm_http(),
        rm_address: cluster.rm_address(),
        rm_scheduler: cluster.rm_scheduler(),
        dir: cluster.dir().to_owned(),
        pids,
        kafka: kafka.as_ref().map(|kafka| KafkaReady { kafka: kafka.bootstrap(), kafka_bin: kafka.bin() }),
        search: search.as_ref().map(Search::url),
        squid: squid
            .as_ref()
            .map(|squid| SquidReady { proxy: squid.proxy().to_string(), access_log: squid.access_log() }),
    };
    let mut line = serde_json::to_string(&ready)?;
    line.push('\n');
    std::io::stdout().write_all(line.as_bytes()).context("could not say that the cluster is ready")?;
    tracing::info!("{nms} NodeManagers running after {:.1} s; Ctrl-C ends the cluster", since.elapsed().as_secs_f64());

    input_ended().await;
    tracing::info!("ending the cluster");
    Ok(())
}

/// Returns when standard input ends or can't be read; what is typed there means nothing.
async fn input_ended() {
    let (ended, end) = oneshot::channel::<()>();
    // A thread of its own, since a read of standard input can't be cancelled: it ends with the process.
    std::thread::spawn(move || {
        drop(std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()));
        drop(ended);
    });
    drop(end.await);
}
