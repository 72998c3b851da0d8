//! `doctor`: a look at a cluster before or while the service runs. Each part is looked at by itself, all side by side;
//! what was seen is then judged by pure functions.

mod clock;
mod conf;
mod finding;
mod hdfs;
mod http;
mod tree;
mod yarn;
mod zookeeper;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use hadoop_rpc::Conf;
use maas_hdfs::Hdfs;
use tokio::time::timeout;

use crate::args::{Doctor, Report};
use crate::output;
use crate::settings::{Settings, user};
use finding::Finding;
use http::Http;

/// How long the look at one part may take; every request within has its own deadline, shorter than this.
const PART: Duration = Duration::from_secs(25);
const FILES: [&str; 3] = ["core-site.xml", "hdfs-site.xml", "yarn-site.xml"];

/// Where Hadoop is, by the local files, and who asks.
struct Local {
    directory: PathBuf,
    conf: Conf,
    user: String,
    present: Vec<&'static str>,
}

impl Local {
    fn read(settings: &Settings) -> anyhow::Result<Self> {
        let directory = settings.conf_dir()?;
        let conf = Conf::load(&directory)?;
        let present = FILES.into_iter().filter(|name| directory.join(name).is_file()).collect();
        Ok(Self { directory, conf, user: user()?, present })
    }

    /// A small file that can be written for a trial.
    fn sample(&self) -> PathBuf {
        self.directory.join(self.present.first().copied().unwrap_or_default())
    }
}

/// `doctor`: exit code 1 with an error; 3 with a warning, if those count; else 0.
pub(crate) async fn doctor(settings: &Settings, args: Doctor) -> anyhow::Result<ExitCode> {
    let local = Local::read(settings);
    let http = Http::new()?;
    let ((zookeeper, tree), yarn, (hdfs, client)) =
        tokio::join!(look_at_zookeeper(settings), look_at_yarn(&local, &http), look_at_hdfs(&local, &http));

    let leads = tree.as_ref().is_some_and(|tree| tree.as_ref().is_ok_and(|tree| tree.leader.is_some()));
    let wanted = yarn::Wanted { queue: args.queue, leads };
    let mut findings = zookeeper;
    findings.extend(match &yarn {
        Some(Ok(seen)) => yarn::judge(seen, &wanted),
        Some(Err(error)) => yarn::away(error.clone()),
        None => yarn::unseen(conf::HADOOP_CONF),
    });
    let reads = hdfs.iter().any(|finding| finding.id == "hdfs-reachable" && finding.severity == finding::Severity::Ok);
    findings.extend(hdfs);
    findings.push(match &local {
        Ok(local) => conf::judge(&local.directory, &local.conf, &local.present),
        Err(error) => conf::unreadable(error),
    });
    match &tree {
        None => findings.extend(tree::unseen()),
        Some(tree) => {
            findings.extend(tree::judge(tree, output::now_ms()));
            findings.push(match (tree, &client) {
                (Ok(tree), Some(client)) if reads => {
                    let looked = tree::look_at_payloads(client, tree).await;
                    tree::judge_payloads(tree, &looked)
                }
                (Ok(_), _) => tree::PAYLOADS.needs(hdfs::REACHABLE),
                (Err(_), _) => tree::PAYLOADS.needs(tree::TREE),
            });
        }
    }
    let text = match args.output {
        Some(Report::Json) => output::object::json(&serde_json::to_value(&findings).context("cannot write JSON")?)?,
        None => finding::table(&findings),
    };
    output::data(&text)?;
    Ok(ExitCode::from(finding::exit_code(&findings, args.strict)))
}

/// The findings about ZooKeeper, and the tree if a session stands.
async fn look_at_zookeeper(settings: &Settings) -> (Vec<Finding>, Option<Result<tree::Seen, String>>) {
    let session = async {
        let store = zookeeper::look::open(settings).await?;
        let (session, tree) = tokio::join!(zookeeper::look::session(&store), timeout(PART, tree::look(&store)));
        store.close().await;
        Ok((session, tree))
    };
    let (servers, session) = tokio::join!(zookeeper::look::servers(settings), session);
    let (session, tree) = match session {
        Ok((session, tree)) => (Ok(session), Some(tree)),
        Err(error) => (Err(error), None),
    };
    let tree = tree.map(|looked| match looked {
        Ok(Ok(seen)) => Ok(seen),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(_) => Err(late()),
    });
    (zookeeper::judge(&zookeeper::Seen { servers, session }), tree)
}

/// None without a configuration that says where it is.
async fn look_at_yarn(local: &anyhow::Result<Local>, http: &Http) -> Option<Result<yarn::Seen, String>> {
    let local = local.as_ref().ok()?;
    let looked = timeout(PART, yarn::look::look(http, &local.directory, &local.conf, &local.user)).await;
    Some(match looked {
        Ok(Ok(seen)) => Ok(seen),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(_) => Err(late()),
    })
}

/// The findings about HDFS, and a client to look at payloads with.
async fn look_at_hdfs(local: &anyhow::Result<Local>, http: &Http) -> (Vec<Finding>, Option<Hdfs>) {
    let Ok(local) = local else { return (hdfs::unseen(conf::HADOOP_CONF), None) };
    let Ok(client) = Hdfs::open(&local.directory, Some(&local.user)) else {
        return (hdfs::unseen(conf::HADOOP_CONF), None);
    };
    let sample: &Path = &local.sample();
    let looked = timeout(PART, hdfs::look::look(&client, http, &local.conf, &local.user, sample)).await;
    let findings = match looked {
        Ok(seen) => hdfs::judge(&seen),
        Err(_) => hdfs::away(late()),
    };
    (findings, Some(client))
}

fn late() -> String {
    format!("no answer within {} s", PART.as_secs())
}
