//! `set`: one field of one deployment after another.

use std::process::ExitCode;

use anyhow::{Context, bail};
use maas_crd::{Edit, Memory, REPLICAS_LIMIT, VCORES_LIMIT};

use super::change::{Teller, change, each, edited, stored};
use super::chosen::Chosen;
use super::connection::{open, warn_without_operator};
use crate::args::{How, Set, SetEnv, Which};
use crate::label::{Pair, split};
use crate::settings::Settings;

/// `set FIELD NAME... VALUE`.
pub(crate) async fn set(settings: &Settings, args: Set) -> anyhow::Result<ExitCode> {
    let (field, value, how) = match args {
        Set::Env(args) => return env(settings, args).await,
        Set::Script(args) if args.unset => {
            let words = Words { names: &args.words, which: &args.which };
            return edit(settings, words, &args.how, &[Edit::Script(None)], "script updated").await;
        }
        Set::Script(args) => ("script", (args.words, args.which), args.how),
        Set::Replicas(args) => ("replicas", (args.words, args.which), args.how),
        Set::Memory(args) => ("memory", (args.words, args.which), args.how),
        Set::Vcores(args) => ("vcores", (args.words, args.which), args.how),
        Set::Payload(args) => ("payload", (args.words, args.which), args.how),
    };
    let (words, which) = value;
    let Some((value, names)) = words.split_last() else { bail!("the value is missing") };
    if names.is_empty() && !which.all && which.selector.is_none() && which.files.filename.is_empty() {
        bail!("expected NAME... VALUE: `maasctl set {field} dga-1.0 {}`", example(field));
    }
    let number = |most: u32, least: u32| {
        let range = format!("{value:?}: expected a whole number from {least} to {most}");
        value.parse::<u32>().ok().filter(|number| (least..=most).contains(number)).context(range)
    };
    let (edit_of, word) = match field {
        "replicas" => (Edit::Replicas(number(REPLICAS_LIMIT, 0)?), "scaled"),
        "vcores" => (Edit::Vcores(number(VCORES_LIMIT, 1)?), "resource requirements updated"),
        "memory" => (Edit::Memory(value.parse::<Memory>()?), "resource requirements updated"),
        "payload" => (Edit::PayloadPath(value), "payload updated"),
        _ => (Edit::Script(Some(value)), "script updated"),
    };
    edit(settings, Words { names, which: &which }, &how, &[edit_of], word).await
}

fn example(field: &str) -> &'static str {
    match field {
        "replicas" => "3",
        "vcores" => "2",
        "memory" => "1Gi",
        "payload" => "hdfs:///models/dga/1.0",
        _ => "rest.sh",
    }
}

/// Which deployments.
struct Words<'a> {
    names: &'a [String],
    which: &'a Which,
}

async fn edit(
    settings: &Settings,
    words: Words<'_>,
    how: &How,
    edits: &[Edit<'_>],
    word: &str,
) -> anyhow::Result<ExitCode> {
    let chosen = Chosen::read(settings, words.names, words.which, "set")?;
    let store = open(settings).await?;
    let places = chosen.find(&store, "set").await?;
    let (dry_run, mut teller, mut changed) = (how.rehearsal.dry_run, Teller::new(how), false);
    each(&store, &places, &mut teller, async |teller, namespace, name| {
        let done = change(&store, namespace, name, dry_run, |stored| edited(stored, edits)).await?;
        changed |= done.differs;
        teller.tell(Some(&store), &done, if done.differs { word } else { "unchanged" }).await
    })
    .await?;
    let told = teller.end(places.len() == 1);
    if changed && !dry_run.is_dry() {
        warn_without_operator(&store).await?;
    }
    told
}

async fn env(settings: &Settings, args: SetEnv) -> anyhow::Result<ExitCode> {
    let (names, pairs) = split(&args.words, "env")?;
    let edits: Vec<Edit<'_>> = pairs.iter().map(|(key, value): &Pair| Edit::Env(key, value.as_deref())).collect();
    if args.list {
        let chosen = Chosen::read(settings, &names, &args.which, "list")?;
        let store = open(settings).await?;
        let (places, mut teller) = (chosen.find(&store, "list").await?, Teller::new(&args.how));
        each(&store, &places, &mut teller, async |teller, namespace, name| {
            let read = maas_store::get_spec(&store, namespace, name).await?;
            let read = read.ok_or_else(|| super::NotFound(name.to_string()))?;
            let text = edited(&stored(name, &read.text)?, &edits)?;
            let env = stored(name, text.as_bytes())?.resource.spec.template.env;
            let lines: String = env.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
            teller.data(&format!("# modeldeployments {name}\n{lines}"));
            Ok(())
        })
        .await?;
        return teller.end(false);
    }
    if edits.is_empty() {
        bail!("at least one environment variable must be provided: KEY=VALUE to set it, KEY- to take it out");
    }
    edit(settings, Words { names: &names, which: &args.which }, &args.how, &edits, "env updated").await
}
