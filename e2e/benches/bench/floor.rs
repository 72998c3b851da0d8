//! The floor: a bare application master without any tree. Told to, it asks for one container at once, polls every 10 ms
//! until it has it, and starts a script in it. It is this same program, run by YARN.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use hadoop_rpc::{Conf, Credentials};
use hadoop_yarn::{
    AM_RM_TOKEN, ApplicationId, Ask, LaunchContext, Ledger, MasterClient, Nodes, RegisterRequest, Resource, RmClient,
    Submission, config,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

use crate::bed::{Bed, between, kill, stamp, wall};

/// The variable that makes this program the master, and tells it where its orders come from.
pub(crate) const ADDRESS: &str = "MAAS_BENCH_FLOOR";
const DEADLINE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// A bare master under way.
pub(crate) struct Floor {
    rm: RmClient,
    id: ApplicationId,
    listener: TcpListener,
    orders: BufStream<TcpStream>,
    pid: u32,
}

impl Floor {
    pub(crate) async fn submit(bed: &Bed) -> anyhow::Result<Self> {
        let conf = Conf::load(&bed.cluster.conf_dir())?;
        let rm = RmClient::new(config::rm_addresses(&conf)?, "root", DEADLINE);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (id, _) = rm.new_application().await?;
        let program = std::env::current_exe()?;
        let env = BTreeMap::from([
            (ADDRESS.to_owned(), listener.local_addr()?.to_string()),
            ("HADOOP_CONF_DIR".to_owned(), bed.cluster.conf_dir().display().to_string()),
        ]);
        let submission = Submission {
            id,
            name: "bench floor".to_owned(),
            kind: "bench".to_owned(),
            resource: Resource::new(256, 1),
            launch: LaunchContext {
                command: format!("exec {} 1><LOG_DIR>/stdout 2><LOG_DIR>/stderr", program.display()),
                env,
                ..LaunchContext::default()
            },
            max_attempts: Some(100),
            keep_containers: true,
            failures_validity: Some(Duration::from_secs(1)),
            ..Submission::default()
        };
        rm.submit(&submission).await?;
        let (orders, pid) = accept(&listener).await?;
        Ok(Self { rm, id, listener, orders, pid })
    }

    /// From the ask to the script's first instruction, in ms.
    pub(crate) async fn sample(&mut self, file: &Path) -> anyhow::Result<f64> {
        self.orders.write_all(format!("{}\n", file.display()).as_bytes()).await?;
        self.orders.flush().await?;
        let line = line(&mut self.orders).await?;
        line.parse().with_context(|| format!("the floor's master said {line:?}"))
    }

    /// From the master's kill -9 to the first instruction of its next attempt, in ms.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<f64> {
        let began = Instant::now();
        kill(self.pid)?;
        (self.orders, self.pid) = accept(&self.listener).await?;
        Ok(crate::figure::ms_since(began))
    }

    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.rm.kill(self.id, "measured").await?;
        Ok(())
    }
}

async fn accept(listener: &TcpListener) -> anyhow::Result<(BufStream<TcpStream>, u32)> {
    let accepted = tokio::time::timeout(Duration::from_secs(30), listener.accept());
    let mut orders = BufStream::new(accepted.await.context("the floor's master did not start")??.0);
    let pid = line(&mut orders).await?.parse()?;
    Ok((orders, pid))
}

async fn line(stream: &mut BufStream<TcpStream>) -> anyhow::Result<String> {
    let mut text = String::new();
    tokio::time::timeout(Duration::from_secs(60), stream.read_line(&mut text)).await??;
    Ok(text.trim().to_owned())
}

/// The master itself.
pub(crate) async fn master(address: &str) -> anyhow::Result<()> {
    let mut orders = BufStream::new(TcpStream::connect(address).await?);
    orders.write_all(format!("{}\n", std::process::id()).as_bytes()).await?;
    orders.flush().await?;
    let conf = Conf::load(Path::new(&std::env::var("HADOOP_CONF_DIR")?))?;
    let tokens = Credentials::load(Path::new(&std::env::var("HADOOP_TOKEN_FILE_LOCATION")?))?;
    let token = tokens.of_kind(AM_RM_TOKEN).context("no AMRM token")?;
    let master = MasterClient::new(config::scheduler_addresses(&conf)?, token.clone(), DEADLINE);
    let nodes = Nodes::new(DEADLINE);
    let registered = master.register(RegisterRequest { rpc_port: -1, ..RegisterRequest::default() }).await?;
    nodes.remember(&registered.nm_tokens);
    let mut ledger = Ledger::default();
    for id in 1.. {
        let file = line(&mut orders).await?;
        if file.is_empty() {
            break;
        }
        let asked = wall();
        ledger.ask(id, Ask { priority: 10, capability: Resource::new(128, 1) });
        let container = loop {
            let response = master.allocate(ledger.request()).await?;
            nodes.remember(&response.nm_tokens);
            if let Some(container) = ledger.answer(&response).granted.into_iter().next() {
                break container;
            }
            tokio::time::sleep(POLL).await;
        };
        let command = format!("date +%s%N >{file}; exec sleep 60");
        let node = nodes.get(&container.node)?;
        node.start(&container, &LaunchContext { command, ..LaunchContext::default() }).await?;
        let took = between(asked, stamp(Path::new(&file)).await?);
        node.stop(container.id).await?;
        ledger.release(container.id);
        let response = master.allocate(ledger.request()).await?;
        ledger.answer(&response);
        orders.write_all(format!("{took}\n").as_bytes()).await?;
        orders.flush().await?;
    }
    Ok(())
}
