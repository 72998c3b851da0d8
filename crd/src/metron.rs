//! What Metron's ADD and REMOVE mean for the deployment that is there. Pure: the caller reads, asks, writes at the version read.

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
