//! Which tree the verbs act on, and where Metron's clients put requests: Metron's config JSON names both.

use serde::Deserialize;

/// Metron's `MaaSConfig`; every field is optional, and unknown ones are refused, as Metron refuses them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct MaasConfig {
    #[serde(default)]
    queue: Option<String>,
    #[serde(default)]
    queue_config: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    service_root: Option<String>,
}

/// Why a config znode names no tree of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootError {
    /// It is not Metron's JSON.
    #[error("the config at {path} is not a MaaS config: correct it, or name another with -zr")]
    Unreadable {
        /// The znode.
        path: String,
        /// What the parser found.
        #[source]
        source: serde_json::Error,
    },
    /// It names a discovery root that our tree cannot have.
    #[error(
        "the config at {path} has serviceRoot {root:?}, which must be an absolute path that ends in /service, such as /maas/service: the tree is kept beside it"
    )]
    ServiceRoot {
        /// The znode.
        path: String,
        /// What it says.
        root: String,
    },
    /// Its queue is at no place of a ZooKeeper.
    #[error("the config at {path} has queueConfig.zk_path {queue}, which must be an absolute path such as /maas/queue")]
    QueuePath {
        /// The znode.
        path: String,
        /// What it says.
        queue: serde_json::Value,
    },
    /// It asks for a queue that does not exist.
    #[error("the config at {path} asks for queue {queue:?}; only ZOOKEEPER is there")]
    Queue {
        /// The znode.
        path: String,
        /// What it says.
        queue: String,
    },
}

/// The tree's root: the parent of the config's `serviceRoot`. `content` is what the znode `path` holds; none when it is absent.
pub(crate) fn tree_root(path: &str, content: Option<&[u8]>) -> Result<String, RootError> {
    const DEFAULT: &str = "/maas";
    let Some(root) = read(path, content)?.service_root else { return Ok(DEFAULT.to_owned()) };
    match root.strip_suffix("/service") {
        Some(parent)
            if parent.len() > 1 && parent.starts_with('/') && !parent.contains("//") && !parent.ends_with('/') =>
        {
            Ok(parent.to_owned())
        }
        _ => Err(RootError::ServiceRoot { path: path.to_owned(), root }),
    }
}

/// Where Metron's clients put their requests; arguments as of [`tree_root`].
pub(crate) fn queue(path: &str, content: Option<&[u8]>) -> Result<String, RootError> {
    const DEFAULT: &str = "/maas/queue";
    let named = read(path, content)?.queue_config.and_then(|mut config| config.remove("zk_path"));
    match named {
        None => Ok(DEFAULT.to_owned()),
        // The rules for a tree's root are those for any such path.
        Some(serde_json::Value::String(queue)) if queue.parse::<maas_store::Root>().is_ok() => Ok(queue),
        Some(queue) => Err(RootError::QueuePath { path: path.to_owned(), queue }),
    }
}

fn read(path: &str, content: Option<&[u8]>) -> Result<MaasConfig, RootError> {
    let content = content.filter(|content| !content.trim_ascii().is_empty()).unwrap_or(b"{}");
    let config: MaasConfig =
        serde_json::from_slice(content).map_err(|source| RootError::Unreadable { path: path.to_owned(), source })?;
    match config.queue.as_ref().filter(|queue| *queue != "ZOOKEEPER") {
        Some(queue) => Err(RootError::Queue { path: path.to_owned(), queue: queue.clone() }),
        None => Ok(config),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(content: &str) -> Result<String, String> {
        tree_root("/metron/maas/config", Some(content.as_bytes())).map_err(|error| error.to_string())
    }

    #[test]
    fn the_root_is_the_parent_of_the_service_root() {
        assert_eq!(tree_root("/x", None).unwrap(), "/maas");
        assert_eq!(root("{}").unwrap(), "/maas");
        assert_eq!(root(r#"{"serviceRoot":"/team/maas/service"}"#).unwrap(), "/team/maas");
        let stock = r#"{"queue":"ZOOKEEPER","queueConfig":{"zk_path":"/maas/queue"},"serviceRoot":"/maas/service"}"#;
        assert_eq!(root(stock).unwrap(), "/maas");
    }

    #[test]
    fn the_queue_is_where_the_config_says_or_where_metron_has_it() {
        let at = |content: &str| queue("/c", Some(content.as_bytes())).map_err(|error| error.to_string());
        assert_eq!(queue("/c", None).unwrap(), "/maas/queue");
        assert_eq!(at(r#"{"queueConfig":{}}"#).unwrap(), "/maas/queue");
        assert_eq!(at(r#"{"queueConfig":{"zk_path":"/team/q"},"serviceRoot":"/t/service"}"#).unwrap(), "/team/q");
        for bad in ["7", "null", "\"\"", "\"/\"", "\"team/q\"", "\"/a//b\"", "\"/zookeeper/q\""] {
            let message = at(&format!(r#"{{"queueConfig":{{"zk_path":{bad}}}}}"#)).unwrap_err();
            assert!(message.contains("queueConfig.zk_path"), "{bad}: {message}");
        }
    }

    #[test]
    fn another_kind_of_root_is_refused_with_the_reason() {
        for other in ["/maas/models", "/service", "maas/service", "//service", "/a//service"] {
            let message = root(&format!(r#"{{"serviceRoot":"{other}"}}"#)).unwrap_err();
            assert!(message.contains("must be an absolute path that ends in /service"), "{other}: {message}");
        }
        assert!(root(r#"{"queue":"KAFKA"}"#).is_err());
        assert!(root("{oops").is_err());
        assert!(root(r#"{"serviceRoots":"x"}"#).is_err());
    }
}
