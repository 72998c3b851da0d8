//! Looks at HDFS.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use hadoop_rpc::Conf;
use maas_hdfs::Hdfs;
use tokio::time::timeout;

use super::super::http::{Http, authority};
use super::{NameNode, Seen};

/// How long a question may take.
const CALL: Duration = Duration::from_secs(6);
/// How long it may take to write some kilobytes.
const WRITE: Duration = Duration::from_secs(10);

/// `sample` is the local file that is written for a trial: one of those that a service's start uploads.
pub(in super::super) async fn look(hdfs: &Hdfs, http: &Http, conf: &Conf, user: &str, sample: &Path) -> Seen {
    let home = format!("/user/{user}/.maas");
    let answers = match timeout(CALL, hdfs.stat("/")).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("{} does not answer within {} s", hdfs.default_fs(), CALL.as_secs())),
    };
    let fs = hdfs.default_fs().to_owned();
    if answers.is_err() {
        return Seen { fs, answers, name_node: Err(String::new()), written: Err(String::new()), home };
    }
    let (name_node, written) = tokio::join!(name_node(http, conf, &fs), write(hdfs, &home, sample));
    let told = |error: anyhow::Error| format!("{error:#}");
    Seen { fs, answers, name_node: name_node.map_err(told), written: written.map_err(told), home }
}

/// Writes a small file as near to the home as directories exist, and deletes it: that far away nothing is left behind.
async fn write(hdfs: &Hdfs, home: &str, sample: &Path) -> anyhow::Result<String> {
    let mut directory = PathBuf::from(home);
    let place = loop {
        let place = directory.to_string_lossy().into_owned();
        match timeout(CALL, hdfs.stat(&place)).await.context("no answer in time")?? {
            Some(found) if found.is_directory => break place,
            Some(_) => bail!("{place} is a file"),
            None if !directory.pop() => bail!("{place} does not exist"),
            None => {}
        }
    };
    let file = format!("{}/.maas-doctor-{:016x}", place.trim_end_matches('/'), rand::random::<u64>());
    let written = timeout(WRITE, hdfs.upload(sample, &file)).await;
    // Also what was written in part.
    let deleted = timeout(CALL, hdfs.delete(&file)).await;
    written.with_context(|| format!("no answer within {} s: does a DataNode run?", WRITE.as_secs()))??;
    deleted.context("no answer in time").and_then(|deleted| Ok(deleted?)).with_context(|| format!("{file} stays"))?;
    Ok(place)
}

/// The active NameNode by its web server.
async fn name_node(http: &Http, conf: &Conf, fs: &str) -> anyhow::Result<NameNode> {
    if conf.get("dfs.http.policy").is_some_and(|policy| policy.eq_ignore_ascii_case("HTTPS_ONLY")) {
        bail!("the NameNode's web server speaks TLS only, which is not supported");
    }
    let mut failure = None;
    for address in addresses(conf, fs) {
        match ask(http, &address).await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| anyhow::anyhow!("no NameNode says that it is active")))
}

/// None from a standby.
async fn ask(http: &Http, address: &str) -> anyhow::Result<Option<NameNode>> {
    let answer = http.json(address, "/jmx?qry=Hadoop:service=NameNode,name=NameNode*").await?;
    let beans = answer.body.get("beans").and_then(|beans| beans.as_array()).map(Vec::as_slice).unwrap_or_default();
    let field = |name: &str| beans.iter().find_map(|bean| bean.get(name)).and_then(|value| value.as_str());
    if field("State").is_some_and(|state| state == "standby") {
        return Ok(None);
    }
    let version =
        field("SoftwareVersion").with_context(|| format!("http://{address}/jmx does not speak of a NameNode"))?;
    let safe_mode = field("Safemode").unwrap_or_default().trim().to_owned();
    Ok(Some(NameNode { version: version.to_owned(), safe_mode, clock: answer.clock }))
}

/// The web servers of the NameNodes of the default file system (`DFSUtil.getInfoServer`).
fn addresses(conf: &Conf, fs: &str) -> Vec<String> {
    let named = fs.strip_prefix("hdfs://").unwrap_or(fs);
    let host = named.rsplit_once(':').map_or(named, |(host, _)| host);
    let ids = conf.list(&format!("dfs.ha.namenodes.{named}"));
    if ids.is_empty() {
        let address = conf.get("dfs.namenode.http-address").unwrap_or_else(|| "0.0.0.0:9870".to_owned());
        return vec![authority(&address, host)];
    }
    ids.iter()
        .filter_map(|id| {
            let rpc = conf.get(&format!("dfs.namenode.rpc-address.{named}.{id}"));
            let host = rpc.as_deref().and_then(|rpc| rpc.rsplit_once(':')).map(|(host, _)| host.to_owned())?;
            let address = conf.get(&format!("dfs.namenode.http-address.{named}.{id}"));
            Some(authority(&address.unwrap_or_else(|| "0.0.0.0:9870".to_owned()), &host))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(pairs: &[(&str, &str)]) -> Conf {
        let mut conf = Conf::default();
        pairs.iter().for_each(|(name, value)| conf.set(*name, *value));
        conf
    }

    #[test]
    fn a_lone_name_node_is_asked_where_its_file_system_is() {
        assert_eq!(addresses(&conf(&[]), "hdfs://nn1:8020"), ["nn1:9870"]);
        assert_eq!(addresses(&conf(&[("dfs.namenode.http-address", "w:50070")]), "hdfs://nn1:8020"), ["w:50070"]);
    }

    #[test]
    fn each_of_several_name_nodes_is_asked() {
        let conf = conf(&[
            ("dfs.ha.namenodes.ns", "a,b"),
            ("dfs.namenode.rpc-address.ns.a", "h1:8020"),
            ("dfs.namenode.rpc-address.ns.b", "h2:8020"),
            ("dfs.namenode.http-address.ns.b", "h2:1234"),
        ]);
        assert_eq!(addresses(&conf, "hdfs://ns"), ["h1:9870", "h2:1234"]);
    }
}
