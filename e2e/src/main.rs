//! `cluster`: a real ZooKeeper, HDFS and YARN on this machine, for trying things out.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Instant,
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use maas_e2e::Cluster;
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
    },
    /// Download and prepare the daemons' jars (about 105 MB, once), so that the first start does not have to
    Fetch,
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
        Verb::Fetch => {
            let library = maas_e2e::fetch().await?;
            tracing::info!("ready in {}", library.display());
            Ok(())
        }
        Verb::Up { nms, memory, dir, keep } => {
            // Signals are caught from the start on: one that comes early must still end what was started by then.
            let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for Ctrl-C")?;
            let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
            tokio::select! {
                result = up(nms, memory, dir, keep) => result,
                _ = interrupt.recv() => Ok(()),
                _ = terminate.recv() => Ok(()),
            }
        }
    }
}

async fn up(nms: usize, memory: u64, dir: Option<PathBuf>, keep: bool) -> anyhow::Result<()> {
    let since = Instant::now();
    let mut builder = Cluster::builder().node_managers(nms).node_memory_mb(memory);
    if let Some(dir) = dir {
        builder = builder.dir(dir);
    }
    if keep {
        builder = builder.keep();
    }
    let cluster = builder.start().await?;
    let pids = cluster.daemons().filter_map(|daemon| Some((daemon.name().to_owned(), daemon.pid()?))).collect();
    let ready = Ready {
        quorum: cluster.quorum(),
        hdfs: cluster.hdfs_url(),
        conf_dir: cluster.conf_dir(),
        rm_http: cluster.rm_http(),
        rm_address: cluster.rm_address(),
        rm_scheduler: cluster.rm_scheduler(),
        dir: cluster.dir().to_owned(),
        pids,
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
