//! `call`: asks a model by the client library, and says why when nobody answers.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use maas_client::{CallError, Client, Options, Question, Wanted};
use serde_json::{Map, Value};

use super::connection::{Part, has_leader, load, open};
use super::missing::nearest;
use crate::args::{Call, CallOutput, Verb};
use crate::awaited::unready;
use crate::input::text_within;
use crate::output::{self, printable};
use crate::settings::Settings;
use crate::tree::Tree;

/// The longest text that is read from a file or stdin to be sent, in bytes.
const MOST: u64 = 8 * 1024 * 1024;

/// `call MODEL[:VERSION] [KEY=VALUE...]`.
pub(crate) async fn call(settings: &Settings, args: Call) -> anyhow::Result<ExitCode> {
    let (model, version) = match args.model.split_once(':') {
        None => (args.model.as_str(), None),
        Some((model, version)) if !model.is_empty() && !version.is_empty() => (model, Some(version)),
        Some(_) => bail!("{:?} names no model: write MODEL or MODEL:VERSION, as in dga:1.0", args.model),
    };
    let question = question(&args)?;
    let namespace = settings.namespace();
    let newest = Wanted::newest(model).of(namespace.as_str());
    let wanted = version.map_or(newest, |version| newest.version(version));
    let options = Options { deadline: args.timeout, ..Options::default() };
    let client = Client::open(settings.tree(), options).await?;
    match client.ask(wanted, &args.function, &question).await {
        Ok(answer) => {
            match args.output {
                CallOutput::Raw => output::bytes(&[&answer.raw[..], b"\n"].concat())?,
                CallOutput::Json => output::data(&output::object::json(&Value::Object(answer.fields))?)?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ CallError::NoEndpoint { .. }) => {
            let store = open(settings).await?;
            let tree = load(&store, &[Part::Specs, Part::Status, Part::Endpoints], None).await?;
            Err(anyhow!("{error}\n{}", why(&tree, wanted, has_leader(&store).await?)))
        }
        Err(error) => Err(error.into()),
    }
}

/// What is to be asked.
fn question(args: &Call) -> anyhow::Result<Question> {
    if let Some(data) = &args.data {
        if args.verb == Some(Verb::Get) {
            bail!("-d is sent by POST: leave out -X GET, or give the arguments as KEY=VALUE");
        }
        let text = match data.strip_prefix('@') {
            None => data.clone(),
            Some("-") => read(std::io::stdin()).context("cannot read stdin")?,
            Some(path) => {
                let file = std::fs::File::open(path).with_context(|| format!("cannot read {path}"))?;
                read(file).with_context(|| format!("cannot read {path}"))?
            }
        };
        let json: Value = serde_json::from_str(&text).context("what is to be sent is no JSON")?;
        return Ok(Question::post(&json));
    }
    let pairs: Vec<(&str, Option<&str>)> = args
        .arguments
        .iter()
        .map(|word| word.split_once('=').map_or((word.as_str(), None), |(key, value)| (key, Some(value))))
        .collect();
    if let Some(at) = pairs.iter().position(|(key, _)| key.is_empty()) {
        bail!("{:?} has no key: write KEY=VALUE", args.arguments.get(at).map_or("", String::as_str));
    }
    if args.verb != Some(Verb::Post) {
        return Ok(Question::get(&pairs));
    }
    let mut fields = Map::new();
    for (key, value) in pairs {
        if fields.insert(key.to_owned(), value.into()).is_some() {
            bail!("{key} is given twice, and JSON can hold it once: give the whole with -d");
        }
    }
    Ok(Question::post(&Value::Object(fields)))
}

fn read(from: impl Read) -> anyhow::Result<String> {
    text_within(MOST, from)?.ok_or_else(|| anyhow!("it is longer than {MOST} bytes"))
}

/// Why nothing of a model is live, and what to do. Pure.
fn why(tree: &Tree, wanted: Wanted<'_>, has_operator: bool) -> String {
    let all = tree.deployments(None);
    let declared =
        all.iter().filter_map(|one| one.spec.as_ref().ok().map(|spec| (one, &spec.resource.spec.template.model)));
    let of_model: Vec<_> = declared.clone().filter(|(_, model)| model.name.to_string() == wanted.model).collect();
    let here: Vec<_> = of_model.iter().filter(|(one, _)| one.namespace.as_str() == wanted.namespace).collect();
    if here.is_empty() {
        if let Some((other, _)) = of_model.first() {
            return format!("hint: it is in namespace {0}: add -n {0}", other.namespace);
        }
        let names = declared
            .filter(|(one, _)| one.namespace.as_str() == wanted.namespace)
            .map(|(_, model)| model.name.to_string());
        let names: Vec<String> = names.collect::<BTreeSet<_>>().into_iter().collect();
        return match nearest(wanted.model, &names) {
            Some(near) => format!("hint: did you mean {near}?"),
            None if names.is_empty() => {
                format!("hint: namespace {} has no model; maasctl get models -A lists those of all", wanted.namespace)
            }
            None => format!("hint: its models are {}", names.join(", ")),
        };
    }
    let asked: Vec<_> = here
        .iter()
        .filter(|(_, model)| wanted.version.is_none_or(|version| model.version.as_str() == version))
        .collect();
    if asked.is_empty() {
        let versions: Vec<String> = here.iter().map(|(_, model)| model.version.to_string()).collect();
        return format!("hint: {} has the versions {}", wanted.model, versions.join(", "));
    }
    let reasons = asked.iter().map(|(one, _)| {
        let lacks = match one.replicas() {
            Some(0) => "it has no replicas: maasctl scale".to_owned() + &format!(" {} --replicas 1", one.name),
            _ => unready(one).unwrap_or_else(|| "its instances came or went just now: try again".to_owned()),
        };
        format!("{}: {}", one.name, printable(&lacks))
    });
    let mut lines: Vec<String> = reasons.collect();
    if !has_operator {
        lines.push("no operator is running: maasctl service start".to_owned());
    }
    lines.push(format!(
        "hint: maasctl describe model {} says more",
        asked.first().map_or("", |(one, _)| one.name.as_str())
    ));
    lines.join("\n")
}
