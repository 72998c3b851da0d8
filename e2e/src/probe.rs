//! The conditions that mean "this daemon serves", and waiting for them.

use std::{future::Future, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::Error;

/// One question to a daemon may take this long; a paused one must not hang the question.
const QUESTION: Duration = Duration::from_secs(3);
const EVERY: Duration = Duration::from_millis(25);

/// How to see that a daemon serves by itself (not that the others do).
#[derive(Debug, Clone)]
pub(crate) enum Probe {
    /// ZooKeeper answers `srvr` with its mode.
    ZooKeeper(SocketAddr),
    /// The NameNode's RPC port is open and it is out of safe mode.
    NameNode { rpc: SocketAddr, http: SocketAddr },
    /// The DataNode's ports are open.
    DataNode { data: SocketAddr, http: SocketAddr },
    /// The ResourceManager says STARTED and its scheduler port is open, where it must be.
    ResourceManager { scheduler: Option<SocketAddr>, http: SocketAddr },
    /// The NodeManager's RPC and web ports are open.
    NodeManager { rpc: SocketAddr, http: SocketAddr },
    /// Kafka names a broker in its answer about its cluster.
    Kafka(SocketAddr),
    /// OpenSearch or Elasticsearch knows the health of its cluster, and it is not red.
    Search(SocketAddr),
    /// A request for a host is answered through the proxy.
    Squid { proxy: SocketAddr, ask: &'static str },
}

impl Probe {
    /// Asks once; the error says what was seen instead.
    pub(crate) async fn ask(&self, http_client: &reqwest::Client) -> Result<(), String> {
        match self {
            Self::ZooKeeper(address) => zookeeper_serves(*address).await,
            Self::NameNode { rpc, http } => {
                port_open(*rpc).await?;
                let info = name_node_info(http_client, *http).await?;
                match info.get("Safemode").and_then(Value::as_str) {
                    Some("") => Ok(()),
                    other => Err(format!("safe mode: {other:?}")),
                }
            }
            Self::DataNode { data: first, http: second } | Self::NodeManager { rpc: first, http: second } => {
                port_open(*first).await?;
                port_open(*second).await
            }
            Self::ResourceManager { scheduler, http } => {
                if let Some(scheduler) = scheduler {
                    port_open(*scheduler).await?;
                }
                let info = get_json(http_client, &format!("http://{http}/ws/v1/cluster/info")).await?;
                match info.pointer("/clusterInfo/state").and_then(Value::as_str) {
                    Some("STARTED") => Ok(()),
                    other => Err(format!("state: {other:?}")),
                }
            }
            Self::Kafka(address) => match asked(*address, kafka_serves(*address)).await? {
                0 => Err("no broker is in its cluster yet".into()),
                _ => Ok(()),
            },
            Self::Search(address) => {
                let health = get_json(http_client, &format!("http://{address}/_cluster/health")).await?;
                match health.get("status").and_then(Value::as_str) {
                    Some("green" | "yellow") => Ok(()),
                    other => Err(format!("health: {other:?}")),
                }
            }
            // Right after its start it has not yet found what is behind it, and says 502 or 503.
            Self::Squid { proxy, ask } => match asked(*proxy, through_proxy(*proxy, ask)).await? {
                head if head.starts_with("HTTP/1.1 200 ") => Ok(()),
                head => Err(format!("squid says {:?}", head.lines().next())),
            },
        }
    }
}

/// Repeats `ask` until it is content or `within` has passed; `what` names the condition in the error.
pub(crate) async fn wait_for<T, F>(what: &str, within: Duration, mut ask: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, String>>,
{
    let end = Instant::now() + within;
    loop {
        match ask().await {
            Ok(seen) => return Ok(seen),
            Err(last) if Instant::now() >= end => return Err(Error::Deadline { what: what.into(), within, last }),
            Err(_) => sleep(EVERY).await,
        }
    }
}

/// How many DataNodes the NameNode counts as live.
pub(crate) async fn live_data_nodes(client: &reqwest::Client, name_node: SocketAddr) -> Result<usize, String> {
    let info = name_node_info(client, name_node).await?;
    // JMX gives the map of live nodes as a JSON text within the JSON.
    let live = info.get("LiveNodes").and_then(Value::as_str).ok_or("no LiveNodes in NameNodeInfo")?;
    let live: Value = serde_json::from_str(live).map_err(|e| e.to_string())?;
    Ok(live.as_object().map_or(0, serde_json::Map::len))
}

/// Whether the DataNode, as started now, has registered with the NameNode: the NameNode alone can't tell, since it counts a
/// DataNode as live for ten minutes after its end.
pub(crate) async fn data_node_registered(client: &reqwest::Client, data_node: SocketAddr) -> Result<(), String> {
    let info = jmx(client, data_node, "DataNode", "DataNodeInfo").await?;
    match info.get("BPServiceActorInfo").and_then(Value::as_str) {
        Some(actors) if actors.contains(r#""ActorState":"RUNNING""#) => Ok(()),
        other => Err(format!("the DataNode's link to the NameNode: {other:?}")),
    }
}

/// The node ids that the ResourceManager has as RUNNING, each with the time of its last news (milliseconds since 1970, by
/// the node's clock). The first of several that answers knows: one on standby sends on to the active one.
pub(crate) async fn running_nodes(
    client: &reqwest::Client,
    rms: impl Iterator<Item = String>,
) -> Result<Vec<(String, u64)>, String> {
    let mut nodes = Err("no ResourceManager".to_owned());
    for rm in rms {
        nodes = get_json(client, &format!("{rm}/ws/v1/cluster/nodes?states=RUNNING")).await;
        if nodes.is_ok() {
            break;
        }
    }
    let nodes = nodes?;
    // With no node at all "nodes" is null or empty.
    let list = nodes.pointer("/nodes/node").and_then(Value::as_array).cloned().unwrap_or_default();
    let node = |node: &Value| Some((node.get("id")?.as_str()?.to_owned(), node.get("lastHealthUpdate")?.as_u64()?));
    Ok(list.iter().filter_map(node).collect())
}

/// ACTIVE or STANDBY. A ResourceManager says that of itself, and sends this question on to nobody.
pub(crate) async fn ha_state(client: &reqwest::Client, rm: SocketAddr) -> Result<String, String> {
    let info = get_json(client, &format!("http://{rm}/ws/v1/cluster/info")).await?;
    let state = info.pointer("/clusterInfo/haState").and_then(Value::as_str);
    state.map(str::to_owned).ok_or_else(|| "no haState".to_owned())
}

async fn name_node_info(client: &reqwest::Client, http: SocketAddr) -> Result<Value, String> {
    jmx(client, http, "NameNode", "NameNodeInfo").await
}

async fn jmx(client: &reqwest::Client, http: SocketAddr, service: &str, bean: &str) -> Result<Value, String> {
    let beans = get_json(client, &format!("http://{http}/jmx?qry=Hadoop:service={service},name={bean}")).await?;
    beans.pointer("/beans/0").cloned().ok_or_else(|| format!("no {bean} yet"))
}

async fn get_json(client: &reqwest::Client, url: &str) -> Result<Value, String> {
    let answer = client.get(url).timeout(QUESTION).send().await.map_err(|e| e.to_string())?;
    let answer = answer.error_for_status().map_err(|e| e.to_string())?;
    answer.json().await.map_err(|e| e.to_string())
}

async fn port_open(address: SocketAddr) -> Result<(), String> {
    asked(address, TcpStream::connect(address)).await.map(|_| ())
}

async fn zookeeper_serves(address: SocketAddr) -> Result<(), String> {
    let question = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"srvr").await?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer).await?;
        Ok(answer)
    };
    match asked(address, question).await? {
        answer if answer.contains("Mode:") => Ok(()),
        answer => Err(format!("ZooKeeper says {answer:?}")),
    }
}

/// How many brokers Kafka's answer to a Metadata request (key 3, version 4, about no topic) counts: only those are in it
/// that take requests. Layout: https://kafka.apache.org/protocol#The_Messages_Metadata
async fn kafka_serves(address: SocketAddr) -> std::io::Result<i32> {
    let mut stream = TcpStream::connect(address).await?;
    let (length, key_and_version, correlation) = ([0, 0, 0, 15], [0, 3, 0, 4], [0, 0, 0, 1]);
    let (no_client_id, no_topics, create_none) = ([255, 255], [0, 0, 0, 0], [0]);
    let parts: [&[u8]; 6] = [&length, &key_and_version, &correlation, &no_client_id, &no_topics, &create_none];
    stream.write_all(&parts.concat()).await?;
    // Length, correlation and throttle time stand before the count.
    for _ in 0..3 {
        stream.read_i32().await?;
    }
    stream.read_i32().await
}

/// The answer to a request for a host, sent as to a proxy.
async fn through_proxy(proxy: SocketAddr, host: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(proxy).await?;
    let request = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(65_536).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A question to a daemon, within the time for one.
async fn asked<T>(address: SocketAddr, question: impl Future<Output = std::io::Result<T>>) -> Result<T, String> {
    match timeout(QUESTION, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("{address}: {error}")),
        Err(_) => Err(format!("{address}: no answer")),
    }
}
