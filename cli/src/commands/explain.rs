//! `explain`: the fields of a manifest, from its JSON Schema, in kubectl's layout.

use std::process::ExitCode;

use anyhow::bail;
use maas_crd::{API_VERSION, KIND};
use serde_json::Value;

use super::missing::nearest;
use crate::args::Explain;
use crate::output;
use crate::reference::Kind;

/// `explain KIND[.FIELD...]`; connects to nothing.
pub(crate) fn explain(args: &Explain) -> anyhow::Result<ExitCode> {
    let mut words = args.path.split('.').filter(|word| !word.is_empty());
    // `modeldeployments.maas` is a kind's whole name.
    let kind = Kind::parse(words.next().unwrap_or_default())?;
    if kind != Kind::ModelDeployment {
        bail!(
            "{0} are written by the service alone and have no schema: `maasctl get {0} -o yaml` shows them",
            kind.plural()
        );
    }
    let schema = maas_crd::schema();
    let path: Vec<&str> = words.filter(|word| *word != "maas").collect();
    output::data(&Page::of(&schema, &path)?.text(args.recursive))?;
    Ok(ExitCode::SUCCESS)
}

/// The paths of all fields, for completion.
pub(crate) fn paths() -> Vec<String> {
    fn add(node: Node<'_>, path: &str, all: &mut Vec<String>) {
        for (name, field) in node.fields() {
            let path = format!("{path}.{name}");
            all.push(path.clone());
            add(field, &path, all);
        }
    }
    let (schema, mut all) = (maas_crd::schema(), vec!["models".to_owned()]);
    add(Node::new(&schema, &schema), "models", &mut all);
    all
}

/// A place in a schema.
#[derive(Clone, Copy)]
struct Node<'a> {
    root: &'a Value,
    /// As the field has it: its description and default are its own.
    field: &'a Value,
    /// What it refers to, or itself.
    of: &'a Value,
    /// The name of what it refers to.
    name: Option<&'a str>,
}

impl<'a> Node<'a> {
    fn new(root: &'a Value, field: &'a Value) -> Self {
        // An optional field may be a choice between something and null.
        let some = |field: &'a Value| {
            let choices = field.get("anyOf").or_else(|| field.get("oneOf"))?.as_array()?;
            choices.iter().find(|choice| choice.get("type").and_then(Value::as_str) != Some("null"))
        };
        let inner = some(field).unwrap_or(field);
        let name = inner.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix("#/$defs/"));
        let of = name.and_then(|name| root.get("$defs")?.get(name)).unwrap_or(inner);
        Self { root, field, of, name }
    }

    /// What is below, through arrays and maps.
    fn inner(self) -> Option<Self> {
        let inner =
            self.of.get("items").or_else(|| self.of.get("additionalProperties").filter(|more| more.is_object()));
        inner.map(|inner| Self::new(self.root, inner))
    }

    fn fields(self) -> Vec<(&'a str, Self)> {
        match self.of.get("properties").and_then(Value::as_object) {
            Some(fields) => fields.iter().map(|(name, field)| (name.as_str(), Self::new(self.root, field))).collect(),
            None => self.inner().map(Self::fields).unwrap_or_default(),
        }
    }

    fn requires(self, field: &str) -> bool {
        match self.of.get("required").and_then(Value::as_array) {
            Some(required) => required.iter().any(|name| name == field),
            None => self.inner().is_some_and(|inner| inner.requires(field)),
        }
    }

    fn type_name(self) -> String {
        if self.of.get("properties").is_some() {
            return self.name.unwrap_or("Object").to_owned();
        }
        let inner = || self.inner().map_or_else(|| "Object".to_owned(), Self::type_name);
        let of_type = match self.of.get("type") {
            Some(Value::Array(types)) => types.iter().find(|one| *one != "null"),
            other => other,
        };
        match of_type.and_then(Value::as_str) {
            Some("array") => format!("[]{}", inner()),
            Some("object") => format!("map[string]{}", inner()),
            Some(plain) => plain.to_owned(),
            None => "Object".to_owned(),
        }
    }

    fn description(self) -> Option<&'a str> {
        let said = |value: &'a Value| value.get("description").and_then(Value::as_str);
        said(self.field).or_else(|| said(self.of))
    }

    /// What else is to know: one line each.
    fn rules(self) -> Vec<String> {
        let get = |name: &str| self.field.get(name).or_else(|| self.of.get(name)).filter(|value| !value.is_null());
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut rules = Vec::new();
        if let Some(values) = get("enum").and_then(Value::as_array) {
            rules.push(format!("One of: {}", values.iter().map(plain).collect::<Vec<_>>().join(", ")));
        }
        if let Some(only) = get("const") {
            rules.push(format!("Always: {}", plain(only)));
        }
        if let Some(default) = get("default") {
            rules.push(format!("Default: {}", plain(default)));
        }
        match (get("minimum"), get("maximum")) {
            (Some(least), Some(most)) => rules.push(format!("From {least} to {most}")),
            (Some(least), None) => rules.push(format!("At least {least}")),
            (None, Some(most)) => rules.push(format!("At most {most}")),
            (None, None) => {}
        }
        if let Some(pattern) = get("pattern") {
            rules.push(format!("Pattern: {}", plain(pattern)));
        }
        rules
    }
}

/// What is said of one field, or of the kind.
struct Page<'a> {
    node: Node<'a>,
    /// The field's name and whether it is required; none for the kind.
    field: Option<(&'a str, bool)>,
}

impl<'a> Page<'a> {
    fn of(schema: &'a Value, path: &[&'a str]) -> anyhow::Result<Self> {
        let mut page = Self { node: Node::new(schema, schema), field: None };
        for (at, name) in path.iter().enumerate() {
            let fields = page.node.fields();
            let Some((_, field)) = fields.iter().find(|(known, _)| known == name) else {
                let above = path
                    .get(..at)
                    .unwrap_or_default()
                    .iter()
                    .fold("models".to_owned(), |path, name| format!("{path}.{name}"));
                let names: Vec<String> = fields.iter().map(|(name, _)| (*name).to_owned()).collect();
                match nearest(name, &names) {
                    Some(near) => bail!("field {name:?} does not exist in {above}: did you mean {near}?"),
                    None if names.is_empty() => bail!("field {name:?} does not exist: {above} has no fields"),
                    None => bail!("field {name:?} does not exist in {above}: it has {}", names.join(", ")),
                }
            };
            page = Self { field: Some((name, page.node.requires(name))), node: *field };
        }
        Ok(page)
    }

    fn text(&self, recursive: bool) -> String {
        let (group, version) = API_VERSION.split_once('/').unwrap_or(("", API_VERSION));
        let mut text = format!("GROUP:      {group}\nKIND:       {KIND}\nVERSION:    {version}\n\n");
        if let Some((name, required)) = self.field {
            text += &format!("FIELD: {name} <{}>{}\n\n", self.node.type_name(), mark(required));
        }
        text += "DESCRIPTION:\n";
        for line in self.node.description().unwrap_or("<empty>").lines().map(str::to_owned).chain(self.node.rules()) {
            text += &wrap(&line, 4);
        }
        let fields = self.node.fields();
        if !fields.is_empty() {
            text += "\nFIELDS:\n";
            if recursive {
                below(&mut text, self.node, 2);
            } else {
                for (name, field) in fields {
                    text += &format!("  {name}\t<{}>{}\n", field.type_name(), mark(self.node.requires(name)));
                    for line in field
                        .description()
                        .unwrap_or("<no description>")
                        .lines()
                        .map(str::to_owned)
                        .chain(field.rules())
                    {
                        text += &wrap(&line, 4);
                    }
                    text.push('\n');
                }
            }
        }
        text
    }
}

fn below(text: &mut String, node: Node<'_>, indent: usize) {
    for (name, field) in node.fields() {
        *text += &format!("{:indent$}{name}\t<{}>{}\n", "", field.type_name(), mark(node.requires(name)));
        below(text, field, indent + 2);
    }
}

fn mark(required: bool) -> &'static str {
    if required { " -required-" } else { "" }
}

/// Lines of 80 characters at most where words allow for it.
fn wrap(line: &str, indent: usize) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > 80 {
            text.push('\n');
            column = 0;
        }
        if column == 0 {
            text += &" ".repeat(indent);
            column = indent;
        } else {
            text.push(' ');
            column += 1;
        }
        text += word;
        column += length;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &[&str], recursive: bool) -> String {
        let schema = maas_crd::schema();
        Page::of(&schema, path).unwrap().text(recursive)
    }

    #[test]
    fn a_field_is_explained_in_kubectls_layout() {
        let text = page(&["spec", "resources"], false);
        let head = "GROUP:      maas\nKIND:       ModelDeployment\nVERSION:    v1\n\nFIELD: resources <Resources>";
        assert!(text.starts_with(head), "{text}");
        assert!(text.contains("\nDESCRIPTION:\n    ") && text.contains("\nFIELDS:\n  memory\t<string>"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 80 || !line.trim().contains(' ')), "{text}");
    }

    #[test]
    fn every_field_has_a_page_and_stands_in_the_recursive_one() {
        let all = page(&[], true);
        for path in paths() {
            let words: Vec<&str> = path.split('.').skip(1).collect();
            let text = page(&words, false);
            assert!(text.contains("\nDESCRIPTION:\n    "), "{path}: {text}");
            if let Some(last) = words.last() {
                assert!(all.contains(&format!("{last}\t<")), "{path}");
            }
        }
        assert!(all.contains("    model\t<ModelRef> -required-\n"), "{all}");
        assert!(all.contains("    labels\t<map[string]string>\n"), "{all}");
    }

    #[test]
    fn a_field_that_is_none_leads_to_the_one_meant() {
        let schema = maas_crd::schema();
        let error = Page::of(&schema, &["spec", "replcas"]).err().unwrap().to_string();
        assert_eq!(error, "field \"replcas\" does not exist in models.spec: did you mean replicas?");
    }
}
