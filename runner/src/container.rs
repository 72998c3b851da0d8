//! What the container's environment says: the launch by the operator, and the NodeManager's own variables.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use maas_crd::{Launch, LaunchError};

use crate::life::Times;
use crate::logs::Logs;
use crate::report::Author;
use crate::supervise::Plan;
use crate::watch;

/// Under this name the NodeManager links the payload's files.
const PAYLOAD: &str = "model";
/// How long one readiness probe may take, and how often it is made when the manifest has none.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
const PERIOD: Duration = Duration::from_secs(5);

/// The operator's variable.
const LAUNCH: &str = "MAAS_LAUNCH";
/// Variables of ours begin so; the model gets none but those that are for it.
const OURS: &str = "MAAS_";
/// Where the NodeManager has put the container's tokens (ApplicationConstants, CONTAINER_TOKEN_FILE_ENV_NAME).
const TOKENS: &str = "HADOOP_TOKEN_FILE_LOCATION";

/// Why the environment can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not set, or not text.
    #[error("{0} is not set; the runner is started by the operator, in a YARN container")]
    Missing(&'static str),
    /// Set to something that no operator wrote.
    #[error("MAAS_LAUNCH can't be read")]
    Launch(#[source] LaunchError),
}

/// The container as its environment describes it.
#[derive(Debug)]
pub struct Container {
    /// Who writes to the tree.
    pub author: Author,
    /// The container's log directory, the first that exists.
    pub logs: PathBuf,
    directory: PathBuf,
    model_env: BTreeMap<OsString, OsString>,
}

impl Container {
    /// Reads an environment.
    ///
    /// # Errors
    /// A variable is missing or unreadable: then nothing can be done, not even reported.
    pub fn read(env: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, Error> {
        let env: BTreeMap<OsString, OsString> = env.into_iter().collect();
        let text = |name: &'static str| {
            env.get(&OsString::from(name))
                .and_then(|value| value.to_str())
                .filter(|value| !value.is_empty())
                .ok_or(Error::Missing(name))
        };
        let launch = Launch::decode(text(LAUNCH)?).map_err(Error::Launch)?;
        let container = text("CONTAINER_ID")?.to_owned();
        let node = text("NM_HOST")?.to_owned();
        let node_http = text("NM_HTTP_PORT").ok().map(|port| format!("{node}:{port}"));
        let directory = PathBuf::from(text("PWD")?);
        let logs = text("LOG_DIRS")?
            .split(',')
            .map(PathBuf::from)
            .find(|directory| directory.is_dir())
            .ok_or(Error::Missing("LOG_DIRS"))?;
        let model_env = model_env(&env, &launch);
        Ok(Self { author: Author { launch, container, node, node_http }, directory, logs, model_env })
    }

    /// What is to be run and how.
    pub fn plan(&self) -> Plan {
        let launch = &self.author.launch;
        let readiness = launch.readiness.as_ref();
        Plan {
            payload: self.directory.join(PAYLOAD),
            script: launch.script.clone(),
            announce_file: launch.announce_file.clone(),
            env: self.model_env.clone(),
            times: Times {
                startup: Duration::from_millis(launch.startup_timeout_ms),
                grace: Duration::from_millis(launch.grace_ms),
            },
            watch: watch::Settings {
                announcement: PathBuf::new(),
                node: self.author.node.clone(),
                readiness_path: readiness.map(|readiness| readiness.http.path.clone()),
                period: readiness.map_or(PERIOD, |readiness| readiness.period),
                probe_timeout: PROBE_TIMEOUT,
            },
            logs: Logs::open(&self.logs),
        }
    }
}

/// YARN's variables without ours and without the way to the tokens, then the manifest's, then two that name the model.
fn model_env(env: &BTreeMap<OsString, OsString>, launch: &Launch) -> BTreeMap<OsString, OsString> {
    let hidden = |name: &OsString| name == TOKENS || name.to_string_lossy().starts_with(OURS);
    let inherited = env.iter().filter(|(name, _)| !hidden(name)).map(|(name, value)| (name.clone(), value.clone()));
    let declared = launch.env.iter().map(|(name, value)| (name.into(), value.into()));
    let about = [
        ("MAAS_MODEL_NAME".into(), launch.model.name.as_str().into()),
        ("MAAS_MODEL_VERSION".into(), launch.model.version.as_str().into()),
    ];
    inherited.chain(declared).chain(about).collect()
}

#[cfg(test)]
mod tests {
    use maas_crd::{Iid, ModelRef};

    use super::*;

    fn launch() -> Launch {
        Launch {
            quorum: "localhost:2181".to_owned(),
            root: "/maas".to_owned(),
            session_timeout_ms: 6000,
            namespace: "default".parse().unwrap(),
            name: "dga-1.0".parse().unwrap(),
            uid: 7,
            iid: Iid::new(1, 2),
            revision: 1,
            model: ModelRef { name: "dga".parse().unwrap(), version: "1.0".parse().unwrap() },
            application: "application_1_0001".to_owned(),
            script: None,
            announce_file: "endpoint.dat".to_owned(),
            startup_timeout_ms: 600_000,
            readiness: None,
            grace_ms: 30_000,
            env: BTreeMap::from([("THRESHOLD".to_owned(), "0.7; touch pwned".to_owned())]),
            metron: true,
        }
    }

    fn environment() -> Vec<(OsString, OsString)> {
        let set = [
            ("MAAS_LAUNCH", launch().encode()),
            ("MAAS_SECRET", "canary".to_owned()),
            ("HADOOP_TOKEN_FILE_LOCATION", "/canary".to_owned()),
            ("CONTAINER_ID", "container_e01_1_0001_01_000002".to_owned()),
            ("NM_HOST", "node7".to_owned()),
            ("NM_HTTP_PORT", "8042".to_owned()),
            ("LOG_DIRS", "/nowhere/logs,/tmp".to_owned()),
            ("PWD", "/tmp".to_owned()),
            ("PATH", "/usr/bin:/bin".to_owned()),
        ];
        set.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn the_model_gets_yarns_and_the_manifests_variables_and_no_token() {
        let container = Container::read(environment()).unwrap();
        let plan = container.plan();
        let names: Vec<_> = plan.env.keys().map(|name| name.to_str().unwrap()).collect();
        let expected = [
            "CONTAINER_ID",
            "LOG_DIRS",
            "MAAS_MODEL_NAME",
            "MAAS_MODEL_VERSION",
            "NM_HOST",
            "NM_HTTP_PORT",
            "PATH",
            "PWD",
            "THRESHOLD",
        ];
        assert_eq!(names, expected);
        assert_eq!(plan.env[&OsString::from("THRESHOLD")], "0.7; touch pwned", "data stays data");
        assert_eq!(plan.payload, PathBuf::from("/tmp/model"));
        assert_eq!(container.author.node_http.as_deref(), Some("node7:8042"));
    }

    #[test]
    fn what_is_missing_is_named() {
        for name in ["MAAS_LAUNCH", "CONTAINER_ID", "NM_HOST", "LOG_DIRS", "PWD"] {
            let without = environment().into_iter().filter(|(set, _)| set != name);
            assert!(matches!(Container::read(without), Err(Error::Missing(missing)) if missing == name), "{name}");
        }
    }

    #[test]
    fn an_unreadable_launch_is_refused() {
        for value in ["%", "e30=", "bnVsbA=="] {
            let env = environment().into_iter().map(|(name, old)| {
                let value = if name == "MAAS_LAUNCH" { value.into() } else { old };
                (name, value)
            });
            assert!(matches!(Container::read(env), Err(Error::Launch(_))), "{value}");
        }
    }
}
