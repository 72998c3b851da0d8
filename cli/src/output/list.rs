//! Metron's listing of live models, to the byte.

use maas_crd::ModelVersion;
use maas_store::Endpoint;

use super::printable;

/// `Model <name> @ <version>`, then each endpoint and its functions; sorted by name, then version as people count,
/// then URL. `model` and `version` keep only what equals them.
pub(crate) fn list(mut endpoints: Vec<Endpoint>, model: Option<&str>, version: Option<&str>) -> String {
    endpoints.retain(|endpoint| {
        model.is_none_or(|model| model == endpoint.model) && version.is_none_or(|version| version == endpoint.version)
    });
    endpoints.sort_by(|a, b| {
        a.model.cmp(&b.model).then_with(|| by_version(&a.version, &b.version)).then_with(|| a.url.cmp(&b.url))
    });
    let mut text = String::new();
    let mut heading = None;
    for endpoint in &endpoints {
        let of = (&endpoint.model, &endpoint.version);
        if heading != Some(of) {
            text.push_str(&format!("Model {} @ {}\n", printable(of.0), printable(of.1)));
            heading = Some(of);
        }
        text.push_str(&format!("{}:{} @ {} serving:\n", printable(of.0), printable(of.1), printable(&endpoint.url)));
        for (alias, path) in &endpoint.functions {
            text.push_str(&format!("\t{}={}\n", printable(alias), printable(path)));
        }
    }
    text
}

fn by_version(a: &str, b: &str) -> std::cmp::Ordering {
    match (a.parse::<ModelVersion>(), b.parse::<ModelVersion>()) {
        (Ok(a), Ok(b)) => a.cmp_newest(&b),
        _ => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(model: &str, version: &str, url: &str) -> Endpoint {
        Endpoint {
            url: url.into(),
            functions: [("apply".into(), "apply".into())].into(),
            model: model.into(),
            version: version.into(),
            revision: 1,
            container: "container_1_0001_01_000002".into(),
            since_ms: 0,
        }
    }

    #[test]
    fn one_endpoint_is_listed_as_the_original_lists_it() {
        let text = list(vec![endpoint("dga", "1.0", "http://localhost:44449")], None, None);
        assert_eq!(text, "Model dga @ 1.0\ndga:1.0 @ http://localhost:44449 serving:\n\tapply=apply\n");
    }

    #[test]
    fn blocks_are_sorted_by_name_version_and_url() {
        let all = || {
            vec![
                endpoint("dga", "10.0", "http://b:1"),
                endpoint("dga", "9.0", "http://c:1"),
                endpoint("dga", "10.0", "http://a:1"),
                endpoint("abc", "1", "http://z:1"),
            ]
        };
        let text = list(all(), None, None);
        let heads: Vec<&str> = text.lines().filter(|line| !line.starts_with('\t')).collect();
        assert_eq!(
            heads,
            [
                "Model abc @ 1",
                "abc:1 @ http://z:1 serving:",
                "Model dga @ 9.0",
                "dga:9.0 @ http://c:1 serving:",
                "Model dga @ 10.0",
                "dga:10.0 @ http://a:1 serving:",
                "dga:10.0 @ http://b:1 serving:",
            ]
        );
        assert_eq!(list(all(), Some("dga"), Some("9.0")).lines().next(), Some("Model dga @ 9.0"));
        assert_eq!(list(all(), Some("xyz"), None), "");
    }
}
