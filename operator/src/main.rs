//! `maas-operator`: started by YARN as an application master, by `maasctl service start`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use hadoop_rpc::{Conf, Credentials};
use hadoop_yarn::{AM_RM_TOKEN, ContainerId, LocalResource, MasterClient, Nodes, RmClient, config};
use maas_crd::OperatorLaunch;
use maas_hdfs::Hdfs;
use maas_operator::settings::{MetronQueue, Settings};
use maas_operator::shell::{self, Peers};
use maas_operator::upgrade;

/// Deadline of one call to a ResourceManager or NodeManager.
const CALL: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,hdfs_native=error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    match prepare() {
        // Whoever asks goes on to start it.
        Ok(_) if std::env::args().any(|argument| argument == upgrade::CHECK) => ExitCode::SUCCESS,
        Ok((runtime, mut settings, peers)) => {
            let code = runtime.block_on(async {
                upgrade::become_newer(&mut settings, &peers.hdfs).await;
                shell::run(settings, peers).await
            });
            ExitCode::from(u8::try_from(code).unwrap_or(1))
        }
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name)
        .with_context(|| format!("{name} is not set: this program is started by YARN, see maasctl service start"))
}

fn prepare() -> anyhow::Result<(tokio::runtime::Runtime, Settings, Peers)> {
    let launch = OperatorLaunch::decode(&variable("MAAS_OPERATOR")?).context("MAAS_OPERATOR can't be read")?;
    let container: ContainerId = variable("CONTAINER_ID")?.parse().context("CONTAINER_ID can't be read")?;
    let tokens = Credentials::load(Path::new(&variable("HADOOP_TOKEN_FILE_LOCATION")?))?;
    let token = tokens.of_kind(AM_RM_TOKEN).context("YARN gave no token for its ResourceManager")?.clone();
    let conf_dir = PathBuf::from(variable("HADOOP_CONF_DIR")?);
    let conf = Conf::load(&conf_dir).context("the Hadoop configuration can't be read")?;
    let master = MasterClient::new(config::scheduler_addresses(&conf)?, token, CALL);
    let manager = RmClient::new(config::rm_addresses(&conf)?, &launch.user, CALL);
    let hdfs = Hdfs::open(&conf_dir, Some(&launch.user))?;
    let settings = Settings {
        quorum: launch.quorum,
        root: launch.root.parse()?,
        session_timeout_ms: launch.session_timeout_ms,
        application: container.attempt.application.to_string(),
        attempt: u32::try_from(container.attempt.attempt).context("an attempt without a number")?,
        host: std::env::var("NM_HOST").unwrap_or_default(),
        nonce: format!("{:016x}", rand::random::<u64>()),
        program: launch.operator,
        refused: None,
        runner: LocalResource::private_file(launch.runner.url, launch.runner.size, launch.runner.mtime_ms),
        env: launch.env,
        metron_queue: launch.metron_queue.map(|path| MetronQueue { path, user: launch.user }),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    Ok((runtime, settings, Peers { master, manager, nodes: Nodes::new(CALL), hdfs }))
}
