//! The figures of docs/benchmarks.md, measured on real daemons with the stock heartbeats of Hadoop 3.5.0.
//!
//! `BENCH_MINUTES=10` watches for so long before all else; the chapter `flat` does that alone.
//! `make bench` measures all; `cargo bench -p maas-e2e --bench bench -- starts size` some. A line a figure:
//! `bench=NAME median=X worst=Y reference=Z ratio=R must=M ok=yes|no`, units in the name. What has no bound of its own is
//! printed as `part=NAME …`. The exit code is 0 when all was measured, whatever came of it.

mod bed;
mod commands;
mod crowd;
mod faults;
mod figure;
mod flat;
mod floor;
mod hand;
mod many;
mod reads;
mod size;
mod starts;

use std::time::Instant;

use bed::Bed;

/// Which chapters are wanted; none named: all.
struct Wanted(Vec<String>);

impl Wanted {
    fn has(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|wanted| wanted == name)
    }
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let Ok(address) = std::env::var(floor::ADDRESS) {
        return runtime.block_on(floor::master(&address));
    }
    // Cargo adds --bench.
    let wanted = Wanted(std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect());
    runtime.block_on(measure(&wanted))
}

async fn measure(wanted: &Wanted) -> anyhow::Result<()> {
    let began = Instant::now();
    println!("load at the start: {}", load());
    if let Some(minutes) = flat::minutes()? {
        flat::watched(minutes).await?;
    }
    if wanted.0 == ["flat"] {
        return Ok(());
    }
    let mut bed = Bed::make().await?;
    bed.warm_up().await?;
    if wanted.has("first") {
        starts::first_instruction(&bed).await?;
    }
    if wanted.has("starts") {
        starts::live(&bed).await?;
    }
    if wanted.has("add") {
        starts::add(&bed).await?;
    }
    if wanted.has("model") || wanted.has("size") || wanted.has("reads") {
        bed.deploy_many(faults::MODELS).await?;
        if wanted.has("size") {
            size::resident(&bed).await?;
        }
        if wanted.has("reads") {
            reads::reads(&bed).await?;
        }
        if wanted.has("model") {
            faults::model_killed(&bed).await?;
        }
        bed.clear().await?;
    }
    if wanted.has("operator") {
        faults::operator_killed(&bed).await?;
    }
    if wanted.has("crowd") {
        crowd::twenty(&bed).await?;
    }
    if wanted.has("commands") {
        commands::start(&bed).await?;
        commands::watch(&bed).await?;
        commands::apply(&bed).await?;
    }
    if wanted.has("many") {
        many::ten_thousand(&bed).await?;
    }
    bed.end().await?;
    println!("load at the end: {}; measured in {} s", load(), began.elapsed().as_secs());
    Ok(())
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}
