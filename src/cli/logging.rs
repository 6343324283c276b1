//! Where log lines go: standard error, as text for people or JSON for collectors.
//!
//! Other people's crates are heard from `info` upwards only, whatever the filter says: below that they write down
//! requests and frames as they are, and with them what people said.

use anyhow::Context as _;
use tracing::level_filters::LevelFilter;
use tracing::{Subscriber, subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, Registry};

use crate::config::{Log, LogFormat};

/// Begins to log as the settings say, for the whole process.
///
/// Errors: the filter is none, or something logs already.
pub fn init(log: &Log) -> anyhow::Result<()> {
    let lines = lines(log, std::io::stderr)?;
    subscriber::set_global_default(lines).context("記録はすでに始まっています")
}

/// Makes what turns events into lines.
///
/// Errors: the filter is none.
pub fn lines<W>(log: &Log, writer: W) -> anyhow::Result<Box<dyn Subscriber + Send + Sync>>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let wanted = EnvFilter::builder().parse(&log.filter);
    let wanted = wanted.with_context(|| format!("log.filter の「{}」を読めません", log.filter))?;
    let ours = Targets::new().with_target("gijiroku", LevelFilter::TRACE).with_default(LevelFilter::INFO);
    let filter = wanted.and(ours);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    Ok(match log.format {
        LogFormat::Text => Box::new(Registry::default().with(layer.with_filter(filter))),
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true).with_current_span(false).with_span_list(false);
            Box::new(Registry::default().with(layer.with_filter(filter)))
        }
    })
}
