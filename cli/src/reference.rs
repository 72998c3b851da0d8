//! How resources are named on the command line: `get md dga-1.0`, `get models,instances`, `describe instance/dga-1.0/3-1`.

use maas_crd::Iid;

/// Kinds that can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A model version and how many instances of it should serve.
    ModelDeployment,
    /// One instance of a deployment.
    Instance,
    /// A URL that may be called.
    Endpoint,
    /// What happened to a deployment.
    Event,
    /// What keeps the tree as a directory or a repository says.
    Sync,
}

/// What there is to know of a kind.
#[derive(Debug)]
pub(crate) struct KindInfo {
    pub(crate) kind: Kind,
    /// As resources of it name it.
    pub(crate) camel: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) short: &'static [&'static str],
    /// Other names that it goes by.
    aliases: &'static [&'static str],
    /// What is behind its name in messages: `.maas`, or nothing.
    group: &'static str,
    pub(crate) verbs: &'static [&'static str],
    /// Listed by `get all`.
    pub(crate) all: bool,
    /// What people of Kubernetes and KServe call the like of it.
    akin: &'static [&'static str],
}

/// All kinds, in the order in which `get all` and `api-resources` list them.
pub(crate) static KINDS: [KindInfo; 5] = [
    KindInfo {
        kind: Kind::ModelDeployment,
        camel: maas_crd::KIND,
        plural: "modeldeployments",
        singular: "modeldeployment",
        short: &["md"],
        aliases: &["models", "model"],
        group: ".maas",
        verbs: &["create", "delete", "get", "list", "update", "watch"],
        all: true,
        akin: &[
            "deployments",
            "deployment",
            "deploy",
            "inferenceservices",
            "inferenceservice",
            "isvc",
            "seldondeployments",
        ],
    },
    KindInfo {
        kind: Kind::Instance,
        camel: "Instance",
        plural: "instances",
        singular: "instance",
        short: &[],
        aliases: &[],
        group: "",
        verbs: &["get", "list", "watch"],
        all: true,
        akin: &["pods", "pod", "po", "replicas", "containers"],
    },
    KindInfo {
        kind: Kind::Endpoint,
        camel: "Endpoint",
        plural: "endpoints",
        singular: "endpoint",
        short: &["ep"],
        aliases: &[],
        group: "",
        verbs: &["get", "list", "watch"],
        all: true,
        akin: &["services", "service", "svc", "endpointslices", "ingress"],
    },
    KindInfo {
        kind: Kind::Event,
        camel: "Event",
        plural: "events",
        singular: "event",
        short: &["ev"],
        aliases: &[],
        group: "",
        verbs: &["get", "list", "watch"],
        all: false,
        akin: &[],
    },
    KindInfo {
        kind: Kind::Sync,
        camel: "Sync",
        plural: "syncs",
        singular: "sync",
        short: &[],
        aliases: &[],
        group: ".maas",
        verbs: &["delete", "get", "list", "watch"],
        all: false,
        akin: &[
            "kustomizations",
            "kustomization",
            "ks",
            "gitrepositories",
            "gitrepository",
            "applications",
            "application",
            "apps",
        ],
    },
];

/// Why a reference was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ReferenceError {
    /// No such kind.
    #[error("the server doesn't have a resource type {0:?}: {help}", help = kind_help(.0))]
    Kind(String),
    /// A kind that this command cannot act on.
    #[error("{0} cannot be changed or described themselves: name a model deployment")]
    NotDeployment(&'static str),
    /// A kind that is no sync.
    #[error("{0} cannot be suspended, resumed or reconciled: name a sync")]
    NotSync(String),
    /// A kind and no name.
    #[error("no name is given")]
    NoName,
    /// No kind.
    #[error("you must specify the type of resource: {all}, or all; see maasctl api-resources", all = all_plurals())]
    NoKind,
    /// Both ways at once, in kubectl's words.
    #[error(
        "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'maasctl get resource/<resource_name>' instead of 'maasctl get resource resource/<resource_name>')"
    )]
    Mixed,
    /// One of the words is no KIND/NAME and the others are, in kubectl's words.
    #[error(
        "arguments in resource/name form may not have more than one slash, and may not be mixed with others: {0:?}"
    )]
    NotPair(String),
}

fn all_plurals() -> String {
    KINDS.iter().map(|info| info.plural).collect::<Vec<_>>().join(", ")
}

fn kind_help(word: &str) -> String {
    let word = word.to_ascii_lowercase();
    let akin = KINDS.iter().find(|info| info.akin.contains(&word.as_str()));
    let near = || {
        let names = KINDS.iter().flat_map(|info| info.names().map(move |name| (name, info)));
        // Of a short one, one letter wrong makes another word.
        let near = names.filter(|(name, _)| name.len() > 3 && word.len() < 32);
        let near = near.map(|(name, info)| (strsim::osa_distance(&word, name), name.len(), info));
        near.filter(|(distance, length, _)| distance * 3 <= *length).min_by_key(|(distance, ..)| *distance)
    };
    match akin.or_else(|| near().map(|(.., info)| info)) {
        Some(info) => format!("did you mean {}? (all of them: maasctl api-resources)", info.plural),
        None => format!("expected {}", all_named()),
    }
}

fn all_named() -> String {
    let named = KINDS.iter().map(|info| {
        let others: Vec<&str> = info.aliases.iter().take(1).chain(info.short).copied().collect();
        if others.is_empty() { info.plural.to_owned() } else { format!("{} ({})", info.plural, others.join(", ")) }
    });
    let named: Vec<String> = named.collect();
    match named.split_last() {
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

impl KindInfo {
    /// Every name that it goes by.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        [self.plural, self.singular].into_iter().chain(self.short.iter().copied()).chain(self.aliases.iter().copied())
    }
}

impl Kind {
    /// What there is to know of it.
    pub(crate) fn info(self) -> &'static KindInfo {
        let [first, ..] = &KINDS;
        KINDS.iter().find(|info| info.kind == self).unwrap_or(first)
    }

    /// Reads a kind's name in any form that kubectl's users would try.
    pub(crate) fn parse(word: &str) -> Result<Self, ReferenceError> {
        Self::find(word).ok_or_else(|| ReferenceError::Kind(word.chars().take(80).collect()))
    }

    fn find(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let bare = word.strip_suffix(".maas").unwrap_or(&word);
        KINDS.iter().find(|info| info.names().any(|name| name == bare)).map(|info| info.kind)
    }

    /// The plural, as messages name it.
    pub(crate) fn plural(self) -> &'static str {
        self.info().plural
    }

    /// The plural with its group: `modeldeployments.maas`.
    pub(crate) fn grouped(self) -> String {
        format!("{}{}", self.info().plural, self.info().group)
    }

    /// What stands before a name: `modeldeployment.maas`.
    pub(crate) fn prefix(self) -> String {
        format!("{}{}", self.info().singular, self.info().group)
    }
}

/// Resources of one kind that the command line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    /// None is all of them. NAME, and of instances and endpoints also DEPLOYMENT/INSTANCE.
    pub(crate) names: Vec<String>,
}

/// What `words` name: `KIND[,KIND...] [NAME...]`, or `KIND/NAME...`. `all` is a kind, too.
pub(crate) fn targets(words: &[String]) -> Result<Vec<Target>, ReferenceError> {
    let Some(first) = words.first() else { return Err(ReferenceError::NoKind) };
    if let Some((kind, _)) = first.split_once('/') {
        // The kind is what is wrong with `get foo/x`, not the slash.
        Kind::parse(kind)?;
        return pairs(words);
    }
    let mut kinds: Vec<Kind> = Vec::new();
    for word in first.split(',') {
        let found = if word.eq_ignore_ascii_case("all") {
            KINDS.iter().filter(|info| info.all).map(|info| info.kind).collect()
        } else {
            vec![Kind::parse(word)?]
        };
        kinds.extend(found.into_iter().filter(|kind| !kinds.contains(kind)).collect::<Vec<_>>());
    }
    let mut names: Vec<String> = Vec::new();
    for name in words.get(1..).unwrap_or_default() {
        if name.is_empty() {
            return Err(ReferenceError::NoName);
        }
        if let Some((kind, rest)) = name.split_once('/') {
            let of_instance = rest.parse::<Iid>().is_ok();
            if Kind::find(kind).is_some() && !of_instance {
                return Err(ReferenceError::Mixed);
            }
        }
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    Ok(kinds.into_iter().map(|kind| Target { kind, names: names.clone() }).collect())
}

/// `KIND/NAME`, one or many.
pub(crate) fn pairs(words: &[String]) -> Result<Vec<Target>, ReferenceError> {
    let mut targets: Vec<Target> = Vec::new();
    for word in words {
        let Some((kind, name)) = word.split_once('/') else {
            return Err(ReferenceError::NotPair(word.chars().take(80).collect()));
        };
        let kind = Kind::parse(kind)?;
        if name.is_empty() {
            return Err(ReferenceError::NoName);
        }
        let name = name.to_owned();
        match targets.iter_mut().find(|target| target.kind == kind) {
            Some(target) if target.names.contains(&name) => {}
            Some(target) => target.names.push(name),
            None => targets.push(Target { kind, names: vec![name] }),
        }
    }
    Ok(targets)
}

/// As [`targets`], where a word that is no kind names a model deployment: `wait dga-1.0`, `describe dga-1.0`.
pub(crate) fn targets_or_deployments(words: &[String]) -> Result<Vec<Target>, ReferenceError> {
    let kinded = words.first().is_some_and(|first| {
        let kind = first.split_once('/').map_or(first.as_str(), |(kind, _)| kind);
        // No name has a comma.
        first.contains(',') || Kind::find(kind).is_some()
    });
    if kinded {
        return targets(words);
    }
    Ok(vec![Target { kind: Kind::ModelDeployment, names: deployments(words)? }])
}

/// The deployments that `words` name: `[KIND] NAME...` or `KIND/NAME...`.
pub(crate) fn deployments(words: &[String]) -> Result<Vec<String>, ReferenceError> {
    let names = match words {
        // A lone word is a name, even if it is a kind's.
        [kind, rest @ ..] if !rest.is_empty() && Kind::find(kind).is_some() => {
            only_deployments(Kind::parse(kind)?)?;
            rest
        }
        [kind] if Kind::find(kind) == Some(Kind::ModelDeployment) => return Err(ReferenceError::NoName),
        all => all,
    };
    once_each(names, |kind| only_deployments(Kind::parse(kind)?))
}

/// The syncs that `words` name: `[sync] NAME...` or `sync/NAME...`.
pub(crate) fn syncs(words: &[String]) -> Result<Vec<String>, ReferenceError> {
    let is_kind = |word: &str| Kind::find(word) == Some(Kind::Sync);
    let names = match words {
        [kind, rest @ ..] if !rest.is_empty() && is_kind(kind) => rest,
        all => all,
    };
    once_each(names, |kind| if is_kind(kind) { Ok(()) } else { Err(ReferenceError::NotSync(kind.to_owned())) })
}

/// The names of `NAME` and `KIND/NAME` words, each once, whose kinds `check` lets pass.
fn once_each(
    words: &[String],
    check: impl Fn(&str) -> Result<(), ReferenceError>,
) -> Result<Vec<String>, ReferenceError> {
    let mut found: Vec<String> = Vec::new();
    for word in words {
        let name = match word.split_once('/') {
            Some((kind, name)) => {
                check(kind)?;
                name
            }
            None => word,
        };
        if name.is_empty() {
            return Err(ReferenceError::NoName);
        }
        if !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    }
    Ok(found)
}

/// The words that name syncs by their kind, and the others: `sync NAME...` names no other, nor does `syncs` where `all` are
/// meant; `sync/NAME` may stand among others.
pub(crate) fn with_syncs(words: &[String], all: bool) -> (Vec<String>, Vec<String>) {
    let is_sync = |kind: &str| Kind::find(kind) == Some(Kind::Sync);
    match words {
        [kind] if all && is_sync(kind) => (words.to_vec(), Vec::new()),
        [kind, _, ..] if !kind.contains('/') && is_sync(kind) => (words.to_vec(), Vec::new()),
        _ => words.iter().cloned().partition(|word| word.split_once('/').is_some_and(|(kind, _)| is_sync(kind))),
    }
}

fn only_deployments(kind: Kind) -> Result<(), ReferenceError> {
    if kind == Kind::ModelDeployment { Ok(()) } else { Err(ReferenceError::NotDeployment(kind.plural())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    fn names(line: &str) -> Result<Vec<String>, ReferenceError> {
        deployments(&words(line))
    }

    fn read(line: &str) -> Result<Vec<(Kind, Vec<String>)>, ReferenceError> {
        Ok(targets(&words(line))?.into_iter().map(|target| (target.kind, target.names)).collect())
    }

    #[test]
    fn deployments_are_named_with_or_without_their_kind() {
        for line in ["dga-1.0", "md dga-1.0", "modeldeployment.maas/dga-1.0", "model dga-1.0 md/dga-1.0"] {
            assert_eq!(names(line).unwrap(), ["dga-1.0"], "{line}");
        }
        assert_eq!(names("a b").unwrap(), ["a", "b"]);
    }

    #[test]
    fn other_kinds_and_empty_names_are_refused() {
        assert_eq!(names("md"), Err(ReferenceError::NoName));
        assert_eq!(names("md/"), Err(ReferenceError::NoName));
        assert_eq!(names("pod/x"), Err(ReferenceError::Kind("pod".into())));
        assert_eq!(names("instances 17"), Err(ReferenceError::NotDeployment("instances")));
    }

    #[test]
    fn kinds_may_be_several_and_names_may_bear_them() {
        use Kind::{Endpoint, Instance, ModelDeployment};
        let both = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(read("models,Instances,md").unwrap(), [(ModelDeployment, vec![]), (Instance, vec![])]);
        assert_eq!(
            read("all").unwrap().iter().map(|one| one.0).collect::<Vec<_>>(),
            [ModelDeployment, Instance, Endpoint]
        );
        assert_eq!(read("md a b a").unwrap(), [(ModelDeployment, both(&["a", "b"]))]);
        assert_eq!(
            read("md/a ep/b/1-1 model/c").unwrap(),
            [(ModelDeployment, both(&["a", "c"])), (Endpoint, both(&["b/1-1"]))]
        );
        assert_eq!(read("instances model/1-2").unwrap(), [(Instance, both(&["model/1-2"]))]);
    }

    #[test]
    fn what_names_nothing_is_refused_in_kubectls_words() {
        assert_eq!(read(""), Err(ReferenceError::NoKind));
        assert_eq!(read("md md/a"), Err(ReferenceError::Mixed));
        assert_eq!(read("md/a b"), Err(ReferenceError::NotPair("b".into())));
        assert_eq!(read("md/"), Err(ReferenceError::NoName));
        assert_eq!(read("foo/x"), Err(ReferenceError::Kind("foo".into())));
        assert_eq!(read("md,foo"), Err(ReferenceError::Kind("foo".into())));
    }

    #[test]
    fn a_wrong_kind_is_answered_with_the_right_one() {
        for (word, meant) in [
            ("modls", "did you mean modeldeployments?"),
            ("instnaces", "did you mean instances?"),
            ("pods", "did you mean instances?"),
            ("deploy", "did you mean modeldeployments?"),
            ("svc", "did you mean endpoints?"),
            ("evnets", "did you mean events?"),
            ("xyzzy", "expected modeldeployments (models, md), instances, endpoints (ep), events (ev) or syncs"),
        ] {
            let message = Kind::parse(word).unwrap_err().to_string();
            assert!(message.contains(&format!("resource type {word:?}: {meant}")), "{message}");
        }
    }

    #[test]
    fn a_word_without_a_kind_names_a_deployment() {
        let read = |line: &str| targets_or_deployments(&words(line)).unwrap();
        assert_eq!(read("dga-1.0"), [Target { kind: Kind::ModelDeployment, names: vec!["dga-1.0".into()] }]);
        assert_eq!(read("instance/a/1-1"), [Target { kind: Kind::Instance, names: vec!["a/1-1".into()] }]);
        assert_eq!(read("md"), [Target { kind: Kind::ModelDeployment, names: vec![] }]);
        assert_eq!(read("md,ep").len(), 2);
    }

    proptest! {
        #[test]
        fn any_words_are_read_or_refused(line in prop::collection::vec("[a-z/,.]{0,6}|md|instances|md/[a-z/]{0,4}|.{0,6}", 0..4)) {
            let _ = (targets(&line), targets_or_deployments(&line), deployments(&line));
            for word in &line {
                if let Err(error) = Kind::parse(word) { prop_assert!(error.to_string().len() < 500); }
            }
        }
    }
}
