//! `maas-runner`: no arguments; the container's environment says everything. It starts itself once more and guards that.

use std::ffi::OsStr;
use std::process::ExitCode;

use anyhow::Context;
use maas_runner::{container::Container, guard, process, registration::Registration, supervise, usage};

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_target(false).with_ansi(false).init();
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<u8> {
    let mut arguments = std::env::args_os().skip(1);
    let guard = match (arguments.next(), arguments.next()) {
        (Some(word), Some(guard)) if word == guard::SUPERVISE => Some(guard),
        _ => None,
    };
    process::become_subreaper().context("the kernel does not let this process take care of orphans")?;
    // One thread: the model gets the rest of the container. Blocking ones are for name look-ups alone.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .thread_stack_size(256 << 10)
        .build()
        .context("can't start the runtime")?;
    let code = match guard {
        Some(guard) => runtime.block_on(supervise(&guard)),
        None => runtime.block_on(guard::run()).context("can't start the runner"),
    };
    // A name look-up may hang for as long as the resolver likes.
    runtime.shutdown_background();
    code
}

async fn supervise(guard: &OsStr) -> anyhow::Result<u8> {
    let container = Container::read(std::env::vars_os())?;
    guard::watch(guard)?;
    let registration = Registration::start(container.author.clone());
    let logs = container.logs.clone();
    tokio::spawn(async move { usage::keep(&logs).await });
    supervise::run(container.plan(), registration).await.context("can't listen for signals")
}
