//! Runs a program that lies on every node as an application master, and prints what comes of it.
//!
//! `submit <program> [NAME=value]...` with `HADOOP_CONF_DIR` set; the values go into the master's environment.

use std::{collections::BTreeMap, path::Path, time::Duration};

use hadoop_rpc::Conf;
use hadoop_yarn::{LaunchContext, Resource, RmClient, Submission, config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::var("HADOOP_CONF_DIR")?;
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().ok_or("which program?")?;
    let mut env: BTreeMap<String, String> =
        arguments.filter_map(|pair| pair.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()))).collect();
    env.insert("HADOOP_CONF_DIR".to_owned(), directory.clone());
    let conf = Conf::load(Path::new(&directory))?;
    let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    let rm = RmClient::new(config::rm_addresses(&conf)?, &user, Duration::from_secs(5));
    let (id, maximum) = rm.new_application().await?;
    println!("{id}, containers up to {maximum}");
    let submission = Submission {
        id,
        name: "bare".to_owned(),
        kind: "bare".to_owned(),
        resource: Resource::new(256, 1),
        launch: LaunchContext {
            command: format!("exec {program} 1><LOG_DIR>/stdout 2><LOG_DIR>/stderr"),
            env,
            ..LaunchContext::default()
        },
        max_attempts: Some(4),
        keep_containers: true,
        failures_validity: Some(Duration::from_secs(1)),
        ..Submission::default()
    };
    rm.submit(&submission).await?;
    let mut last = None;
    loop {
        match rm.report(id).await {
            Ok(report) => {
                let state = (report.state, report.attempt.map(|attempt| attempt.attempt), report.final_status);
                if last != Some(state) {
                    println!("{state:?} {}", report.diagnostics);
                    last = Some(state);
                }
                if report.state.is_over() {
                    return Ok(());
                }
            }
            Err(error) if error.is_retriable() => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
