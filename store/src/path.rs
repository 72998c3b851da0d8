//! The paths of the tree: the only place that joins or splits them.

use std::fmt;
use std::str::FromStr;

use maas_crd::{Iid, KIND, ModelName, Name, Namespace};

/// The tree's root, an absolute path without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root(String);

/// A text that is no root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no root for the tree: write an absolute path such as /maas")]
pub struct RootError(String);

impl FromStr for Root {
    type Err = RootError;

    fn from_str(text: &str) -> Result<Self, RootError> {
        let good = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.chars().any(char::is_control);
        let parts = text.strip_prefix('/').map(|rest| rest.split('/').all(good));
        if parts == Some(true) && text != "/zookeeper" && !text.starts_with("/zookeeper/") {
            Ok(Self(text.to_owned()))
        } else {
            Err(RootError(text.chars().take(80).collect()))
        }
    }
}

impl Default for Root {
    fn default() -> Self {
        Self("/maas".to_owned())
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Root {
    /// The root and every path above it, the highest first.
    #[must_use]
    pub fn with_ancestors(&self) -> Vec<String> {
        let ends = self.0.match_indices('/').map(|(i, _)| i).skip(1).chain([self.0.len()]);
        ends.filter_map(|end| self.0.get(..end)).map(ToOwned::to_owned).collect()
    }
}

/// Whether a server takes this as a path, as `PathUtils.validatePath` has it, which counts UTF-16 units: what takes two of
/// them is refused.
pub(crate) fn is_path(path: &str) -> bool {
    let allowed = |c: char| {
        !matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}')
            && c.len_utf16() == 1
    };
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")))
        && path.chars().all(allowed)
}

/// The path above a path; `/` is its own.
pub(crate) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => path.get(..at).unwrap_or("/"),
    }
}

/// Whether a path is that of `top` or of something below it.
pub(crate) fn is_within(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || top == "/")
}

/// A place in the tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the fields of every variant are the names in its path")]
pub enum Node {
    /// The root itself.
    Root,
    /// One of the root's folders, and of specs and status their kinds and namespaces: by its path below the root.
    Folder(String),
    /// specs/ModelDeployment/NAMESPACE/NAME
    Spec { namespace: Namespace, name: Name },
    /// status/ModelDeployment/NAMESPACE/NAME
    Status { namespace: Namespace, name: Name },
    /// revisions/NAMESPACE/NAME
    RevisionsOf { namespace: Namespace, name: Name },
    /// revisions/NAMESPACE/NAME/NUMBER
    Revision { namespace: Namespace, name: Name, number: u32 },
    /// instances/NAMESPACE/NAME
    InstancesOf { namespace: Namespace, name: Name },
    /// instances/NAMESPACE/NAME/IID
    Instance { namespace: Namespace, name: Name, iid: Iid },
    /// instances/NAMESPACE/NAME/IID/runner
    Runner { namespace: Namespace, name: Name, iid: Iid },
    /// instances/NAMESPACE/NAME/IID/exit
    Exit { namespace: Namespace, name: Name, iid: Iid },
    /// endpoints/NAMESPACE/NAME
    EndpointsOf { namespace: Namespace, name: Name },
    /// endpoints/NAMESPACE/NAME/IID
    Endpoint { namespace: Namespace, name: Name, iid: Iid },
    /// events/NAMESPACE/NAME
    Events { namespace: Namespace, name: Name },
    /// events/default/.metron-queue, where no deployment's can be
    QueueEvents,
    /// syncs/NAMESPACE/NAME
    Sync { namespace: Namespace, name: Name },
    /// syncs/NAMESPACE/NAME/owner
    SyncOwner { namespace: Namespace, name: Name },
    /// operator/epoch
    Epoch,
    /// operator/leader
    Leader,
    /// operator/stop
    Stop,
    /// operator/upgrade
    Upgrade,
    /// service/MODEL, Metron's
    MetronModel { model: ModelName },
    /// service/MODEL/CONTAINER, Metron's
    MetronInstance { model: ModelName, container: String },
}

/// Events of Metron's queue: its items go to deployments of the namespace default.
const QUEUE_EVENTS: &str = "events/default/.metron-queue";

/// Folders that stand from the start, parents first.
const FOLDERS: [&str; 12] = [
    "specs",
    "specs/ModelDeployment",
    "status",
    "status/ModelDeployment",
    "revisions",
    "instances",
    "endpoints",
    "events",
    "syncs",
    "operator",
    "service",
    "queue",
];

impl Node {
    /// Its path.
    #[must_use]
    pub fn path(&self, root: &Root) -> String {
        match self {
            Self::Root => root.0.clone(),
            Self::Folder(below) => format!("{root}/{below}"),
            Self::Spec { namespace, name } => format!("{root}/specs/{KIND}/{namespace}/{name}"),
            Self::Status { namespace, name } => format!("{root}/status/{KIND}/{namespace}/{name}"),
            Self::RevisionsOf { namespace, name } => format!("{root}/revisions/{namespace}/{name}"),
            Self::Revision { namespace, name, number } => format!("{root}/revisions/{namespace}/{name}/{number}"),
            Self::InstancesOf { namespace, name } => format!("{root}/instances/{namespace}/{name}"),
            Self::Instance { namespace, name, iid } => format!("{root}/instances/{namespace}/{name}/{iid}"),
            Self::Runner { namespace, name, iid } => format!("{root}/instances/{namespace}/{name}/{iid}/runner"),
            Self::Exit { namespace, name, iid } => format!("{root}/instances/{namespace}/{name}/{iid}/exit"),
            Self::EndpointsOf { namespace, name } => format!("{root}/endpoints/{namespace}/{name}"),
            Self::Endpoint { namespace, name, iid } => format!("{root}/endpoints/{namespace}/{name}/{iid}"),
            Self::Events { namespace, name } => format!("{root}/events/{namespace}/{name}"),
            Self::QueueEvents => format!("{root}/{QUEUE_EVENTS}"),
            Self::Sync { namespace, name } => format!("{root}/syncs/{namespace}/{name}"),
            Self::SyncOwner { namespace, name } => format!("{root}/syncs/{namespace}/{name}/owner"),
            Self::Epoch => format!("{root}/operator/epoch"),
            Self::Leader => format!("{root}/operator/leader"),
            Self::Stop => format!("{root}/operator/stop"),
            Self::Upgrade => format!("{root}/operator/upgrade"),
            Self::MetronModel { model } => format!("{root}/service/{model}"),
            Self::MetronInstance { model, container } => format!("{root}/service/{model}/{container}"),
        }
    }

    /// The place of a path; none for one that no part of maas writes.
    #[must_use]
    pub fn parse(root: &Root, path: &str) -> Option<Self> {
        if path == root.0 {
            return Some(Self::Root);
        }
        let below = path.strip_prefix(root.0.as_str())?.strip_prefix('/')?;
        let parts: Vec<&str> = below.split('/').collect();
        if FOLDERS.contains(&below) {
            return Some(Self::Folder(below.to_owned()));
        }
        if below == QUEUE_EVENTS {
            return Some(Self::QueueEvents);
        }
        let folder = || Some(Self::Folder(below.to_owned()));
        match parts.as_slice() {
            ["specs" | "status", KIND, namespace] => namespace.parse::<Namespace>().ok().and_then(|_| folder()),
            ["specs", KIND, namespace, name] => {
                Some(Self::Spec { namespace: namespace.parse().ok()?, name: name.parse().ok()? })
            }
            ["status", KIND, namespace, name] => {
                Some(Self::Status { namespace: namespace.parse().ok()?, name: name.parse().ok()? })
            }
            ["operator", "epoch"] => Some(Self::Epoch),
            ["operator", "leader"] => Some(Self::Leader),
            ["operator", "stop"] => Some(Self::Stop),
            ["operator", "upgrade"] => Some(Self::Upgrade),
            ["service", model] => Some(Self::MetronModel { model: model.parse().ok()? }),
            ["service", model, container] if !container.is_empty() => {
                Some(Self::MetronInstance { model: model.parse().ok()?, container: (*container).to_owned() })
            }
            ["revisions" | "instances" | "endpoints" | "events" | "syncs", namespace] => {
                namespace.parse::<Namespace>().ok().and_then(|_| folder())
            }
            [first, namespace, name, rest @ ..] => {
                Self::of_deployment(first, namespace.parse().ok()?, name.parse().ok()?, rest)
            }
            _ => None,
        }
    }

    fn of_deployment(first: &str, namespace: Namespace, name: Name, rest: &[&str]) -> Option<Self> {
        match (first, rest) {
            ("revisions", []) => Some(Self::RevisionsOf { namespace, name }),
            ("revisions", [number]) => {
                let parsed: u32 = number.parse().ok()?;
                (parsed.to_string() == *number).then_some(Self::Revision { namespace, name, number: parsed })
            }
            ("instances", []) => Some(Self::InstancesOf { namespace, name }),
            ("instances", [iid]) => Some(Self::Instance { namespace, name, iid: iid.parse().ok()? }),
            ("instances", [iid, "runner"]) => Some(Self::Runner { namespace, name, iid: iid.parse().ok()? }),
            ("instances", [iid, "exit"]) => Some(Self::Exit { namespace, name, iid: iid.parse().ok()? }),
            ("endpoints", []) => Some(Self::EndpointsOf { namespace, name }),
            ("endpoints", [iid]) => Some(Self::Endpoint { namespace, name, iid: iid.parse().ok()? }),
            ("events", []) => Some(Self::Events { namespace, name }),
            ("syncs", []) => Some(Self::Sync { namespace, name }),
            ("syncs", ["owner"]) => Some(Self::SyncOwner { namespace, name }),
            _ => None,
        }
    }

    /// The places above it and below the root's own folders, the highest first: what must exist before it can.
    #[must_use]
    pub fn parents(&self) -> Vec<Self> {
        let folder = |first: &str, namespace: &Namespace| Self::Folder(format!("{first}/{namespace}"));
        let kinded = |first: &str, namespace: &Namespace| Self::Folder(format!("{first}/{KIND}/{namespace}"));
        match self.clone() {
            Self::Root
            | Self::Folder(_)
            | Self::Epoch
            | Self::Leader
            | Self::Stop
            | Self::Upgrade
            | Self::MetronModel { .. } => Vec::new(),
            Self::Spec { namespace, .. } => vec![kinded("specs", &namespace)],
            Self::Status { namespace, .. } => vec![kinded("status", &namespace)],
            Self::Events { namespace, .. } => vec![folder("events", &namespace)],
            Self::QueueEvents => vec![folder("events", &Namespace::default())],
            // A tree that an older maas made has no folder of syncs.
            Self::Sync { namespace, .. } => vec![Self::Folder("syncs".to_owned()), folder("syncs", &namespace)],
            Self::SyncOwner { namespace, name } => {
                let mut parents = Self::Sync { namespace: namespace.clone(), name: name.clone() }.parents();
                parents.push(Self::Sync { namespace, name });
                parents
            }
            Self::RevisionsOf { namespace, .. } => vec![folder("revisions", &namespace)],
            Self::InstancesOf { namespace, .. } => vec![folder("instances", &namespace)],
            Self::EndpointsOf { namespace, .. } => vec![folder("endpoints", &namespace)],
            Self::Revision { namespace, name, .. } => {
                vec![folder("revisions", &namespace), Self::RevisionsOf { namespace, name }]
            }
            Self::Instance { namespace, name, .. } => {
                vec![folder("instances", &namespace), Self::InstancesOf { namespace, name }]
            }
            Self::Endpoint { namespace, name, .. } => {
                vec![folder("endpoints", &namespace), Self::EndpointsOf { namespace, name }]
            }
            Self::Runner { namespace, name, iid } | Self::Exit { namespace, name, iid } => {
                let mut parents = Self::Instance { namespace: namespace.clone(), name: name.clone(), iid }.parents();
                parents.push(Self::Instance { namespace, name, iid });
                parents
            }
            Self::MetronInstance { model, .. } => vec![Self::MetronModel { model }],
        }
    }

    /// The root's folders, which stand from the start, parents first.
    #[must_use]
    pub fn folders() -> Vec<Self> {
        FOLDERS.iter().map(|f| Self::Folder((*f).to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn roots_are_checked() {
        for bad in ["", "/", "maas", "/maas/", "//maas", "/a/../b", "/a/./b", "/zookeeper/x", "/a\0"] {
            assert!(bad.parse::<Root>().is_err(), "{bad}");
        }
        let root: Root = "/teams/soc/maas".parse().unwrap();
        assert_eq!(root.with_ancestors(), ["/teams", "/teams/soc", "/teams/soc/maas"]);
    }

    #[test]
    fn what_is_within_is_told_by_whole_names() {
        assert!(is_within("/a/b", "/a") && is_within("/a", "/a") && is_within("/a", "/"));
        assert!(!is_within("/ab", "/a") && !is_within("/", "/a"));
        assert_eq!((parent("/a/b"), parent("/a"), parent("/")), ("/a", "/", "/"));
    }

    fn nodes() -> impl Strategy<Value = Node> {
        let names = ("[a-z0-9]{1,8}", "[a-z0-9]{1,6}(-[a-z0-9]{1,4})?", 1u32..100, 0u32..100);
        (names, 0..17usize).prop_map(|((namespace, name, epoch, n), which)| {
            let (namespace, name): (Namespace, Name) = (namespace.parse().unwrap(), name.parse().unwrap());
            let iid = Iid::new(epoch, n);
            match which {
                0 => Node::Spec { namespace, name },
                1 => Node::Status { namespace, name },
                2 => Node::RevisionsOf { namespace, name },
                3 => Node::Revision { namespace, name, number: n },
                4 => Node::InstancesOf { namespace, name },
                5 => Node::Instance { namespace, name, iid },
                6 => Node::Runner { namespace, name, iid },
                7 => Node::Exit { namespace, name, iid },
                8 => Node::EndpointsOf { namespace, name },
                9 => Node::Endpoint { namespace, name, iid },
                10 => Node::Events { namespace, name },
                11 => Node::Epoch,
                12 => Node::Sync { namespace, name },
                13 => Node::SyncOwner { namespace, name },
                15 => Node::QueueEvents,
                14 => Node::MetronModel { model: "dga".parse().unwrap() },
                _ => Node::MetronInstance {
                    model: "dga".parse().unwrap(),
                    container: "container_1_0001_01_000002".to_owned(),
                },
            }
        })
    }

    proptest! {
        #[test]
        fn a_place_comes_back_from_its_path(node in nodes()) {
            for root in ["/maas", "/a/b"] {
                let root: Root = root.parse().unwrap();
                prop_assert_eq!(Node::parse(&root, &node.path(&root)), Some(node.clone()));
                for parent in node.parents() {
                    let parsed = Node::parse(&root, &parent.path(&root));
                    prop_assert_eq!(parsed, Some(parent));
                }
            }
        }

        #[test]
        fn any_path_is_a_place_or_none(path in "(/maas)?(/[a-zA-Z0-9._-]{0,12}){0,6}") {
            let root = Root::default();
            if let Some(node) = Node::parse(&root, &path) { prop_assert_eq!(node.path(&root), path); }
        }
    }
}
