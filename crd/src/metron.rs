//! What Metron's ADD and REMOVE mean for the deployment that is there, given as words of a command or as an item of its
//! queue. Pure: the caller reads, asks, writes at the version read.

mod request;

use crate::{Manifest, ModelRef, Name};

pub use request::{ITEM_LIMIT, Request, RequestError};

/// What the verbs look at in a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Instances wanted.
    pub replicas: u32,
    /// Memory of each, MiB.
    pub memory_mib: u64,
    /// Where the payload is.
    pub payload: String,
}

/// A deployment that ADD must not change.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AddRefused {
    /// ADD only counts instances; a deployment's template is changed by `apply`.
    #[error("{} {} is deployed with other settings: {}; deploy another version, or change this one with maasctl apply", .model, .version, .fields.join(", "))]
    Differs {
        /// Model name.
        model: String,
        /// Model version.
        version: String,
        /// `field: there, asked`.
        fields: Vec<String>,
    },
    /// More instances than a number can say.
    #[error("{0} instances and {1} more are too many")]
    TooMany(u32, u32),
    /// No manifest may say this.
    #[error("{0}")]
    Invalid(String),
}

/// Several deployments of one model.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{} {} is deployed as {}: say which with `maasctl scale` or `maasctl delete`", .model.name, .model.version, .names.join(" and "))]
pub struct Ambiguous {
    /// The model.
    model: ModelRef,
    /// Their names.
    names: Vec<String>,
}

/// The one deployment of a model among those that were found, whatever its name.
///
/// # Errors
/// There are several.
pub fn only<T>(model: &ModelRef, mut found: Vec<(Name, T)>) -> Result<Option<(Name, T)>, Ambiguous> {
    if found.len() > 1 {
        let names = found.iter().map(|(name, _)| name.to_string()).collect();
        return Err(Ambiguous { model: model.clone(), names });
    }
    Ok(found.pop())
}

impl Known {
    /// Of a deployment.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let spec = &manifest.resource.spec;
        Self {
            replicas: spec.replicas,
            memory_mib: spec.template.resources.memory.mib(),
            payload: spec.template.payload.path.clone(),
        }
    }
}

/// What stands in the tree when these are the first instances of their model: no more than was said.
///
/// # Errors
/// Something in it may not be said.
pub fn manifest(model: &ModelRef, asked: &Known) -> Result<Manifest, AddRefused> {
    // JSON's quoting is valid in YAML.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let text = format!(
        "apiVersion: {}\nkind: {}\nmetadata:\n  name: {}\nspec:\n  model: {{name: {}, version: {}}}\n  replicas: {}\n  payload: {{path: {}}}\n  resources: {{memory: {}Mi}}\n",
        crate::API_VERSION,
        crate::KIND,
        quoted(Name::of_model(&model.name, &model.version).as_str()),
        quoted(model.name.as_str()),
        quoted(model.version.as_str()),
        asked.replicas,
        quoted(&asked.payload),
        asked.memory_mib,
    );
    crate::parse_one(text.as_bytes()).map_err(|faults| {
        let faults: Vec<String> = faults.0.iter().map(|fault| format!("{}: {}", fault.path, fault.message)).collect();
        AddRefused::Invalid(faults.join("; "))
    })
}

/// The text of a deployment with another number of instances, which may be more than one may have.
///
/// # Errors
/// It is, or the text can't be edited.
pub fn counted(manifest: &Manifest, replicas: u32) -> Result<String, AddRefused> {
    let text = crate::set_replicas(&manifest.text, replicas).map_err(|e| AddRefused::Invalid(e.to_string()))?;
    crate::parse_one(text.as_bytes())
        .map_err(|faults| AddRefused::Invalid(format!("{replicas} instances in all: {faults}")))?;
    Ok(text)
}

/// A path in HDFS as Hadoop resolves it: against the user's home, if it names no place of its own.
///
/// # Errors
/// `user` could not tell who that is.
pub fn hdfs_path<E>(path: &str, user: impl FnOnce() -> Result<String, E>) -> Result<String, E> {
    let trimmed = trimmed(path);
    if path.contains("://") || path.starts_with('/') {
        return Ok(trimmed.to_owned());
    }
    Ok(format!("/user/{}/{trimmed}", user()?))
}

/// The number of instances after adding `asked.replicas` to `known`.
///
/// # Errors
/// Another template than is there, or more than a number can say.
pub fn add(model: &str, version: &str, known: &Known, asked: &Known) -> Result<u32, AddRefused> {
    let mut fields = Vec::new();
    if known.memory_mib != asked.memory_mib {
        fields.push(format!("spec.resources.memory is {}Mi, asked {}Mi", known.memory_mib, asked.memory_mib));
    }
    if trimmed(&known.payload) != trimmed(&asked.payload) {
        fields.push(format!("spec.payload.path is {}, asked {}", known.payload, asked.payload));
    }
    if !fields.is_empty() {
        return Err(AddRefused::Differs { model: model.to_owned(), version: version.to_owned(), fields });
    }
    known.replicas.checked_add(asked.replicas).ok_or(AddRefused::TooMany(known.replicas, asked.replicas))
}

/// `/a/b/` and `/a/b` are one directory.
fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// What REMOVE leaves.
#[derive(Debug, PartialEq, Eq)]
pub enum Removal {
    /// This many instances stay.
    Lower(u32),
    /// Nothing stays; the deployment goes.
    Delete,
}

/// Takes `asked` instances away from `replicas`.
#[must_use]
pub fn remove(replicas: u32, asked: u32) -> Removal {
    match replicas.saturating_sub(asked) {
        0 => Removal::Delete,
        left => Removal::Lower(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(replicas: u32, memory_mib: u64, payload: &str) -> Known {
        Known { replicas, memory_mib, payload: payload.to_owned() }
    }

    #[test]
    fn adding_counts_on_the_same_template_only() {
        assert_eq!(add("dga", "1.0", &known(2, 512, "/m/"), &known(3, 512, "/m")), Ok(5));
        let refused = add("dga", "1.0", &known(2, 512, "/m"), &known(1, 256, "/n")).unwrap_err().to_string();
        assert!(
            refused.contains("spec.resources.memory is 512Mi, asked 256Mi, spec.payload.path is /m, asked /n"),
            "{refused}"
        );
        assert!(add("dga", "1.0", &known(u32::MAX, 1, "/m"), &known(1, 1, "/m")).is_err());
    }

    #[test]
    fn removing_all_or_more_deletes() {
        assert_eq!(remove(3, 1), Removal::Lower(2));
        assert_eq!(remove(3, 3), Removal::Delete);
        assert_eq!(remove(3, 9), Removal::Delete);
    }
}
