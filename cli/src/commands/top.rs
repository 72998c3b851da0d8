//! `top`: what instances use, by the samples that their runners keep beside the logs (`runner/src/usage.rs`).

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use maas_crd::{Iid, Name, Namespace};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::NotFound;
use super::connection::{Part, load, open};
use super::missing::hint;
use crate::args::{Top, TopColumn};
use crate::node_http::LogDirectory;
use crate::node_logs::unwrap;
use crate::output::{self, table::Table};
use crate::reference::Kind;
use crate::settings::Settings;
use crate::tree::Instance;

/// The file of samples is some hundred bytes.
const MOST: u64 = 4096;
/// NodeManagers that are asked at a time.
const AT_ONCE: usize = 64;
/// A sample older than this is of a runner that samples no more, or of a clock that is wrong.
const STALE_MS: i64 = 60_000;
const UNKNOWN: &str = "<unknown>";

/// What a container used when it was sampled last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Usage {
    /// Thousandths of a core.
    millicores: u64,
    bytes: u64,
}

/// One row.
#[derive(Debug)]
struct Row {
    namespace: Namespace,
    name: Name,
    /// None sums up a deployment.
    iid: Option<Iid>,
    instances: usize,
    usage: Option<Usage>,
    /// The limit that holds for what is known, in bytes.
    limit: Option<u64>,
}

/// `top models|instances [NAME...]`.
pub(crate) async fn top(settings: &Settings, args: Top) -> anyhow::Result<ExitCode> {
    let kind = match Kind::parse(&args.kind)? {
        kind @ (Kind::ModelDeployment | Kind::Instance) => kind,
        other => bail!("{} use nothing themselves: maasctl top models, or maasctl top instances", other.plural()),
    };
    if args.all_namespaces && !args.names.is_empty() {
        bail!("a resource cannot be retrieved by name across all namespaces: give -n, or no name");
    }
    if !args.names.is_empty() && !args.selector.is_empty() {
        bail!("name cannot be provided when a selector is specified: give one of them");
    }
    let store = open(settings).await?;
    let namespace = (!args.all_namespaces).then(|| settings.namespace());
    let tree = load(&store, &[Part::Specs, Part::Instances], namespace.as_ref()).await?;
    let mut deployments = tree.deployments(namespace.as_ref());
    for name in &args.names {
        if !deployments.iter().any(|deployment| deployment.name.as_str() == name) {
            output::note(&NotFound(name.clone()).to_string());
            output::note(&hint(&store, &settings.namespace(), name).await);
            return Ok(ExitCode::FAILURE);
        }
    }
    deployments.retain(|one| {
        (args.names.is_empty() || args.names.iter().any(|name| one.name.as_str() == name))
            && (args.selector.is_empty() || args.selector.matches(&tree.labels(&one.namespace, &one.name)))
    });
    let instances: Vec<Instance> =
        deployments.iter().flat_map(|one| tree.instances_of(&one.namespace, &one.name)).collect();
    let used = ask(settings, &instances).await;
    let mut known = BTreeMap::new();
    for (at, usage) in used {
        let Some(instance) = instances.get(at) else { continue };
        match usage {
            Ok(usage) => drop(known.insert((&instance.namespace, &instance.name, instance.iid), usage)),
            Err(error) => output::note(&format!("note: {}/{}: {error:#}", instance.name, instance.iid)),
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for deployment in &deployments {
        let spec = deployment.spec.as_ref().ok();
        let limit = spec.map(|manifest| manifest.resource.spec.template.resources.memory.mib().saturating_mul(1 << 20));
        let own =
            instances.iter().filter(|one| (&one.namespace, &one.name) == (&deployment.namespace, &deployment.name));
        let of_instances = own.map(|one| Row {
            namespace: one.namespace.clone(),
            name: one.name.clone(),
            iid: Some(one.iid),
            instances: 1,
            usage: known.get(&(&one.namespace, &one.name, one.iid)).copied(),
            limit,
        });
        match kind {
            Kind::Instance => rows.extend(of_instances),
            _ => rows.push(sum(&deployment.namespace, &deployment.name, &of_instances.collect::<Vec<_>>())),
        }
    }
    if rows.is_empty() {
        output::note(&match &namespace {
            Some(namespace) => format!("No resources found in {namespace} namespace."),
            None => "No resources found".to_owned(),
        });
        return Ok(ExitCode::SUCCESS);
    }
    sort(&mut rows, args.sort_by);
    output::data(&table(&rows, kind, args.all_namespaces).render(!args.no_headers))?;
    let none = !instances.is_empty() && known.is_empty();
    Ok(if none { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Asks every instance's NodeManager, some at a time; by the instance's place.
async fn ask(settings: &Settings, instances: &[Instance]) -> BTreeMap<usize, anyhow::Result<Usage>> {
    let (mut asked, gate) = (JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
    let mut answers = BTreeMap::new();
    let now = output::now_ms();
    for (at, instance) in instances.iter().enumerate() {
        let Some(runner) = &instance.runner else {
            answers.insert(at, Err(anyhow!("it has not started yet")));
            continue;
        };
        let node = runner.node_http.clone().unwrap_or_else(|| runner.node.clone());
        match LogDirectory::new(&node, &runner.container, settings) {
            Ok(directory) => {
                let gate = Arc::clone(&gate);
                asked.spawn(async move {
                    let _held = gate.acquire_owned().await;
                    (at, sample(&directory, now).await)
                });
            }
            Err(error) => drop(answers.insert(at, Err(error))),
        }
    }
    while let Some(answer) = asked.join_next().await {
        if let Ok((at, usage)) = answer {
            answers.insert(at, usage);
        }
    }
    answers
}

async fn sample(directory: &LogDirectory, now_ms: i64) -> anyhow::Result<Usage> {
    let answer = directory.last("runner.usage", MOST).await?;
    let piece = unwrap(&answer, MOST).context("the NodeManager's answer has another shape than Hadoop 3's")?;
    read(&String::from_utf8_lossy(piece.bytes), now_ms)
}

/// The last sample of memory, and the CPU between the last two.
fn read(text: &str, now_ms: i64) -> anyhow::Result<Usage> {
    let mut samples = Vec::new();
    for line in text.lines() {
        let numbers: Option<Vec<u64>> = line.split(' ').map(|word| word.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[ms, bytes, cpu_ms]) => samples.push((ms, bytes, cpu_ms)),
            _ => bail!("runner.usage does not hold samples"),
        }
    }
    let (Some((at, bytes, cpu)), before) = (samples.pop(), samples.pop()) else {
        bail!("its runner has not sampled yet: try again in some seconds");
    };
    let age = now_ms.saturating_sub(i64::try_from(at).unwrap_or(i64::MAX));
    if age.saturating_abs() > STALE_MS {
        bail!("its runner's last sample is {} s old, or the clocks differ", age / 1000);
    }
    let (before_at, _, before_cpu) = before.context("its runner has sampled once only: try again in a second")?;
    // A process that was reaped by another leaves the sum smaller.
    let millicores = cpu.saturating_sub(before_cpu).saturating_mul(1000).checked_div(at.saturating_sub(before_at));
    Ok(Usage { millicores: millicores.unwrap_or(0), bytes })
}

fn sum(namespace: &Namespace, name: &Name, rows: &[Row]) -> Row {
    let known: Vec<(Usage, Option<u64>)> = rows.iter().filter_map(|row| Some((row.usage?, row.limit))).collect();
    let usage = known.iter().fold(Usage::default(), |sum, (usage, _)| Usage {
        millicores: sum.millicores.saturating_add(usage.millicores),
        bytes: sum.bytes.saturating_add(usage.bytes),
    });
    Row {
        namespace: namespace.clone(),
        name: name.clone(),
        iid: None,
        instances: rows.len(),
        // None running use nothing; running ones of which nothing is known use nobody knows what.
        usage: (!known.is_empty() || rows.is_empty()).then_some(usage),
        limit: known.iter().try_fold(0_u64, |sum, (_, limit)| Some(sum.saturating_add((*limit)?))),
    }
}

fn sort(rows: &mut [Row], by: Option<TopColumn>) {
    match by {
        Some(TopColumn::Cpu) => rows.sort_by_key(|row| Reverse(row.usage.map(|usage| usage.millicores))),
        Some(TopColumn::Memory) => rows.sort_by_key(|row| Reverse(row.usage.map(|usage| usage.bytes))),
        None => {}
    }
}

fn table(rows: &[Row], kind: Kind, namespaces: bool) -> Table {
    let mut header = if namespaces { vec!["NAMESPACE", "NAME"] } else { vec!["NAME"] };
    if kind == Kind::ModelDeployment {
        header.push("INSTANCES");
    }
    header.extend(["CPU(cores)", "MEMORY(bytes)", "MEMORY%"]);
    let mut table = Table::new(header);
    for row in rows {
        let mut cells = if namespaces { vec![row.namespace.to_string()] } else { Vec::new() };
        match row.iid {
            Some(iid) => cells.push(format!("{}/{iid}", row.name)),
            None => cells.extend([row.name.to_string(), row.instances.to_string()]),
        }
        match row.usage {
            Some(usage) => {
                let share = row.limit.filter(|limit| *limit > 0).map(|limit| usage.bytes.saturating_mul(100) / limit);
                let share = share.map_or_else(|| UNKNOWN.to_owned(), |share| format!("{share}%"));
                cells.extend([format!("{}m", usage.millicores), format!("{}Mi", usage.bytes >> 20), share]);
            }
            None => cells.extend([UNKNOWN; 3].map(str::to_owned)),
        }
        table.push(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_from_the_last_two_samples() {
        let usage = read("10000 1048576 500\n20000 2097152 3000\n", 25_000).unwrap();
        assert_eq!(usage, Usage { millicores: 250, bytes: 2 << 20 });
        for (text, now, expect) in [
            ("", 0, "not sampled yet"),
            ("20000 1 1\n", 25_000, "once only"),
            ("10000 1 1\n20000 1 1\n", 100_000, "80 s old"),
            ("x\n", 0, "does not hold samples"),
            ("1 2\n", 0, "does not hold samples"),
        ] {
            let error = read(text, now).unwrap_err().to_string();
            assert!(error.contains(expect), "{text:?}: {error}");
        }
        assert_eq!(read("20000 1 9\n20000 1 1\n", 20_000).unwrap().millicores, 0);
    }

    #[test]
    fn deployments_sum_their_instances_and_the_largest_come_first() {
        let row = |name: &str, counter: u32, usage: Option<Usage>| Row {
            namespace: Namespace::default(),
            name: name.parse().unwrap(),
            iid: Some(Iid::new(1, counter)),
            instances: 1,
            usage,
            limit: Some(4 << 20),
        };
        let usage = |millicores: u64, mib: u64| Some(Usage { millicores, bytes: mib << 20 });
        let mut rows = vec![row("a", 1, usage(5, 1)), row("a", 2, None), row("a", 3, usage(1, 3))];
        let models = [sum(&Namespace::default(), &"a".parse().unwrap(), &rows)];
        assert_eq!(
            table(&models, Kind::ModelDeployment, false).render(true),
            "NAME   INSTANCES   CPU(cores)   MEMORY(bytes)   MEMORY%\na      3           6m           4Mi             50%\n"
        );
        sort(&mut rows, Some(TopColumn::Memory));
        assert_eq!(
            table(&rows, Kind::Instance, true).render(false),
            "default   a/1-3   1m          3Mi         75%\ndefault   a/1-1   5m          1Mi         25%\ndefault   a/1-2   <unknown>   <unknown>   <unknown>\n"
        );
    }
}
