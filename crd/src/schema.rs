//! The JSON Schema of a manifest, as users write it.

use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::RecursiveTransform};

use crate::deployment::{Metadata, Spec};

/// One model version and how many instances of it should serve.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ModelDeployment")]
#[allow(dead_code, reason = "only its schema is used")]
struct Document {
    /// The version of the resource.
    #[schemars(extend("const" = "maas/v1"))]
    api_version: String,
    /// The kind of resource.
    #[schemars(extend("const" = "ModelDeployment"))]
    kind: String,
    /// Who it is.
    #[schemars(default)]
    metadata: Option<UserMetadata>,
    /// What is wanted.
    spec: Spec,
    /// Written by the operator, ignored when applied.
    #[schemars(default)]
    status: Option<serde_json::Value>,
}

/// Metadata with what the server adds.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Metadata")]
#[allow(dead_code, reason = "only its schema is used")]
struct UserMetadata {
    #[serde(flatten)]
    own: Metadata,
    uid: Option<serde_json::Value>,
    generation: Option<serde_json::Value>,
    resource_version: Option<serde_json::Value>,
    creation_timestamp: Option<serde_json::Value>,
}

/// The JSON Schema (2020-12) of `kind: ModelDeployment`. Unknown fields are refused by it, as by `parse`.
#[must_use]
pub fn schema() -> serde_json::Value {
    let close = |schema: &mut Schema| {
        if schema.get("properties").is_some() {
            schema.insert("additionalProperties".to_owned(), false.into());
        }
    };
    let mut settings = SchemaSettings::draft2020_12();
    settings.transforms.push(Box::new(RecursiveTransform(close)));
    let mut schema = settings.into_generator().into_root_schema_for::<Document>();
    // The name has a default that depends on the model.
    if let Some(required) = schema.pointer_mut("/$defs/Metadata/required") {
        *required = serde_json::json!([]);
    }
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_schema_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/modeldeployment.schema.json");
        let now = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        if std::env::var_os("MAAS_BLESS").is_some() {
            std::fs::write(path, &now).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), now, "run: make schema");
    }
}
