//! Looks at YARN.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use hadoop_rpc::{Address, Conf};
use hadoop_yarn::{RmClient, config};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::super::http::{Http, authority};
use super::nodes::NodeConf;
use super::{Info, Seen, active, capacity};

/// How long the ResourceManager may take to answer clients.
const CALL: Duration = Duration::from_secs(5);
/// NodeManagers that are asked for their settings, and how many at a time.
const MOST_NODES: usize = 200;
const AT_ONCE: usize = 32;

pub(in super::super) async fn look(http: &Http, directory: &Path, conf: &Conf, user: &str) -> anyhow::Result<Seen> {
    let addresses = config::rm_addresses(conf)?;
    let named = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let client = RmClient::new(addresses.clone(), user, CALL);
    let clients = async {
        let answer = tokio::time::timeout(CALL, client.nodes(&[])).await;
        let nodes = answer.with_context(|| format!("{named} does not answer within {} s", CALL.as_secs()))?;
        Ok(nodes?.len())
    };
    let (answers, infos) = tokio::join!(clients, infos(http, conf, &addresses));
    let answers = answers.map_err(|error: anyhow::Error| format!("{error:#}"));
    let mut seen = Seen {
        addresses: named.clone(),
        answers,
        infos,
        conf: Err("no active ResourceManager".to_owned()),
        scheduler: Err("no active ResourceManager".to_owned()),
        nodes: Err("no active ResourceManager".to_owned()),
        node_confs: Vec::new(),
        local_scheduler: local_scheduler(directory),
    };
    let known: Vec<&Info> = seen.infos.iter().flatten().collect();
    let Some(address) = active(&known).map(|info| info.address.clone()) else { return Ok(seen) };
    let (conf, scheduler, nodes) = tokio::join!(
        http.conf(&address),
        http.json(&address, "/ws/v1/cluster/scheduler"),
        http.json(&address, "/ws/v1/cluster/nodes")
    );
    let told = |error: anyhow::Error| format!("{error:#}");
    seen.conf = conf.map(|answer| answer.body).map_err(told);
    seen.scheduler = scheduler.map(|answer| answer.body).map_err(told);
    seen.nodes = nodes.map(|answer| capacity::nodes(&answer.body)).map_err(told);
    if let Ok(nodes) = &seen.nodes {
        seen.node_confs = node_confs(http, nodes).await;
    }
    Ok(seen)
}

/// Each ResourceManager by its web server, at once.
async fn infos(http: &Http, conf: &Conf, rpc: &[Address]) -> Vec<Result<Info, String>> {
    let addresses = match web_servers(conf, rpc) {
        Ok(addresses) => addresses,
        Err(error) => return vec![Err(format!("{error:#}"))],
    };
    let mut asked = Vec::new();
    for address in addresses {
        let http = http.clone();
        asked.push(tokio::spawn(async move { info(&http, address).await.map_err(|error| format!("{error:#}")) }));
    }
    let mut infos = Vec::new();
    for one in asked {
        infos.extend(one.await.ok());
    }
    infos
}

fn web_servers(conf: &Conf, rpc: &[Address]) -> anyhow::Result<Vec<String>> {
    if conf.get("yarn.http.policy").is_some_and(|policy| policy.eq_ignore_ascii_case("HTTPS_ONLY")) {
        bail!("the ResourceManager's web server speaks TLS only (yarn.http.policy), which is not supported");
    }
    let served = match config::webapp_addresses(conf) {
        Ok(addresses) => addresses,
        // Only the address of clients is named: the stock port beside it.
        Err(config::ConfigError::Missing { .. }) => {
            rpc.iter().map(|address| Address { host: address.host.clone(), port: 8088 }).collect()
        }
        Err(error) => return Err(error.into()),
    };
    Ok(served.iter().zip(rpc).map(|(address, rpc)| authority(&address.to_string(), &rpc.host)).collect())
}

async fn info(http: &Http, address: String) -> anyhow::Result<Info> {
    let answer = http.json(&address, "/ws/v1/cluster/info").await?;
    let text = |name: &str| {
        let value = answer.body.get("clusterInfo").and_then(|info| info.get(name)).and_then(Value::as_str);
        value.map(str::to_owned)
    };
    let ha_state = text("haState").with_context(|| format!("http://{address} is no ResourceManager"))?;
    let version = text("resourceManagerVersion").or_else(|| text("hadoopVersion")).unwrap_or_default();
    Ok(Info { ha_state, version, clock: answer.clock, address })
}

async fn node_confs(http: &Http, nodes: &[capacity::Node]) -> Vec<(String, Result<NodeConf, String>)> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = Vec::new();
    for node in nodes.iter().filter(|node| node.runs()).take(MOST_NODES) {
        let (http, places, address) = (http.clone(), Arc::clone(&places), node.http.clone());
        asked.push(tokio::spawn(async move {
            let _place = places.acquire().await;
            let conf = http.conf(&address).await.map_err(|error| format!("{error:#}"));
            (address, conf.map(|answer| NodeConf::of(&answer.body, answer.clock)))
        }));
    }
    let mut found = Vec::new();
    for one in asked {
        found.extend(one.await.ok());
    }
    found
}

/// What is not there, or can't be read, is not needed.
fn local_scheduler(directory: &Path) -> Option<Conf> {
    let path = directory.join("capacity-scheduler.xml");
    let text = std::fs::read_to_string(&path).ok()?;
    let mut conf = Conf::default();
    conf.add(&path, &text).ok()?;
    Some(conf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_servers_stand_where_they_are_named_or_beside_the_clients_port() {
        let served = |pairs: &[(&str, &str)]| {
            let mut conf = Conf::default();
            pairs.iter().for_each(|(name, value)| conf.set(*name, *value));
            let rpc = config::rm_addresses(&conf).unwrap();
            web_servers(&conf, &rpc)
        };
        assert_eq!(served(&[("yarn.resourcemanager.hostname", "rm")]).unwrap(), ["rm:8088"]);
        assert_eq!(served(&[("yarn.resourcemanager.address", "rm:1")]).unwrap(), ["rm:8088"]);
        let open = [("yarn.resourcemanager.address", "rm:1"), ("yarn.resourcemanager.webapp.address", "0.0.0.0:2")];
        assert_eq!(served(&open).unwrap(), ["rm:2"]);
        let tls = [("yarn.resourcemanager.hostname", "rm"), ("yarn.http.policy", "HTTPS_ONLY")];
        assert!(served(&tls).unwrap_err().to_string().contains("TLS only"));
    }
}
