//! How resources are named on the command line: `get md dga-1.0`, `delete dga-1.0`, `scale modeldeployments/dga-1.0`.

/// Kinds that can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A model version and how many instances of it should serve.
    ModelDeployment,
    /// One instance of a deployment.
    Instance,
    /// A URL that may be called.
    Endpoint,
    /// What happened to a deployment.
    Event,
}

/// Why a reference was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ReferenceError {
    /// No such kind.
    #[error(
        "the server doesn't have a resource type {0:?}: expected modeldeployments (models, md), instances, endpoints or events"
    )]
    Kind(String),
    /// A kind that this command cannot act on.
    #[error("{0} cannot be changed or described themselves: name a model deployment")]
    NotDeployment(&'static str),
    /// A kind and no name.
    #[error("no name is given")]
    NoName,
}

impl Kind {
    /// Reads a kind's name in any form that kubectl's users would try.
    pub(crate) fn parse(word: &str) -> Result<Self, ReferenceError> {
        Self::find(word).ok_or_else(|| ReferenceError::Kind(word.to_owned()))
    }

    fn find(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "modeldeployments"
            | "modeldeployment"
            | "modeldeployments.maas"
            | "modeldeployment.maas"
            | "models"
            | "model"
            | "md" => Some(Self::ModelDeployment),
            "instances" | "instance" => Some(Self::Instance),
            "endpoints" | "endpoint" | "ep" => Some(Self::Endpoint),
            "events" | "event" | "ev" => Some(Self::Event),
            _ => None,
        }
    }

    /// The plural, as messages name it.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::ModelDeployment => "modeldeployments",
            Self::Instance => "instances",
            Self::Endpoint => "endpoints",
            Self::Event => "events",
        }
    }
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
    let mut found = Vec::new();
    for word in names {
        let name = match word.split_once('/') {
            Some((kind, name)) => {
                only_deployments(Kind::parse(kind)?)?;
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

fn only_deployments(kind: Kind) -> Result<(), ReferenceError> {
    if kind == Kind::ModelDeployment { Ok(()) } else { Err(ReferenceError::NotDeployment(kind.plural())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Result<Vec<String>, ReferenceError> {
        deployments(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
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
}
