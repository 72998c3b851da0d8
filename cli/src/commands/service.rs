//! `service start`, `status` and `stop`: the operator as a YARN application.

use std::process::ExitCode;
use std::time::Duration;

use crate::args::Start;
use crate::legacy::service::ServiceRequest;
use crate::settings::Settings;

pub(crate) async fn start(_settings: &Settings, _start: Start) -> anyhow::Result<ExitCode> {
    anyhow::bail!("soon")
}
pub(crate) async fn legacy_start(_request: ServiceRequest) -> anyhow::Result<ExitCode> {
    anyhow::bail!("soon")
}
pub(crate) async fn status(_settings: &Settings) -> anyhow::Result<ExitCode> {
    anyhow::bail!("soon")
}
pub(crate) async fn stop(_settings: &Settings, _timeout: Duration) -> anyhow::Result<ExitCode> {
    anyhow::bail!("soon")
}
