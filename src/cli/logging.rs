//! Logging: console for people, and a file that `tail -F` can follow. With a file, standard error that nobody sees (a
//! service manager's, which may keep it without bound) has only what ends the daemon.

#[cfg(feature = "otlp")]
mod otlp;

use std::io::IsTerminal;
use std::path::Path;
use std::sync::{Arc, Mutex};

use logroller::{LogRoller, LogRollerBuilder, Rotation, RotationSize};
use tracing::{Metadata, warn};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::time::ChronoUtc;
use tracing_subscriber::layer::Identity;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogFormat, Settings};
use crate::runner::board::Board;
use crate::web::log_tail::LogTail;

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The file cannot be written.
    #[error("LOG_FILE {path:?} cannot be used: {why}; choose a file in a directory that can be written")]
    File {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// A filter that cannot be read.
    #[error("RUST_LOG {filter:?} cannot be read: {why}; use a level, or target=level, comma separated")]
    Filter {
        /// As given.
        filter: String,
        /// Why.
        why: String,
    },
    /// The collector of spans is none.
    #[cfg(feature = "otlp")]
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT cannot be used: {0}; use an address as http://localhost:4318")]
    Traces(String),
    /// Somebody else logs already.
    #[error("logging was started before: {0}")]
    Twice(String),
}

/// Stamps every line in UTC, to the millisecond.
fn utc() -> ChronoUtc {
    ChronoUtc::new("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned())
}

/// Spans on their way to a collector: those that are left are sent when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Traces {
    #[cfg(feature = "otlp")]
    _exporting: Option<otlp::Exporting>,
}

/// The settings of OpenTelemetry that name a collector.
const COLLECTORS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

fn wants_traces() -> bool {
    COLLECTORS.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Starts logging by the settings.
///
/// # Errors
/// A file, a filter or a collector that cannot be used.
pub(super) fn init(
    settings: &Settings,
    embedded_simulator: bool,
    board: Option<Arc<Board>>,
) -> Result<Traces, LoggingError> {
    let file = match &settings.log_file {
        Some(path) => Some(open(path, settings.log_max_mb, settings.log_keep)?),
        None => None,
    };
    let console = match &settings.log_file {
        Some(path) if !std::io::stderr().is_terminal() => {
            super::complain(&format_args!("the log is in {}; only what ends the daemon is said here", path.display()));
            Console::Ends
        }
        Some(_) | None => Console::All,
    };
    let file = file.map(|roller| {
        let layer = fmt::layer().with_timer(utc()).with_ansi(false);
        match settings.log_format {
            LogFormat::Text => layer.with_target(false).with_writer(Mutex::new(roller)).boxed(),
            LogFormat::Json => layer
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .with_writer(Mutex::new(roller))
                .boxed(),
        }
    });
    // The daemon's own lines tell every order's life; the embedded simulator's would tell it twice.
    let quiet = if embedded_simulator { ",robo_trader::simulator=warn" } else { "" };
    let tail = board.map(|board| LogTail(board).boxed());
    let level = format!("{}{quiet}", settings.log_level);
    #[cfg(feature = "otlp")]
    if wants_traces() {
        let exporting = otlp::start().map_err(|error| LoggingError::Traces(error.to_string()))?;
        start(&level, console, file.into_iter().chain(tail), Some(exporting.layer()))?;
        return Ok(Traces { _exporting: Some(exporting) });
    }
    start(&level, console, file.into_iter().chain(tail), None::<Identity>)?;
    if wants_traces() {
        warn!(
            "a collector of spans is set ({}), but this program is built without otlp: cargo build --features otlp",
            COLLECTORS[0]
        );
    }
    Ok(Traces::default())
}

/// Starts logging to the console alone.
///
/// # Errors
/// A filter that cannot be read.
pub fn console(level: &str) -> Result<(), LoggingError> {
    start(level, Console::All, std::iter::empty(), None::<Identity>)
}

/// What the console says.
#[derive(Debug, Clone, Copy)]
enum Console {
    All,
    /// Only why the daemon ends, where it was not asked to.
    Ends,
}

/// Whether an event says why the daemon ends: it has the exit code.
fn ends(event: &Metadata<'_>) -> bool {
    event.is_event() && event.fields().field("exit_code").is_some()
}

fn start(
    level: &str,
    console: Console,
    besides: impl Iterator<Item = Box<dyn Layer<Registry> + Send + Sync>>,
    spans: Option<impl Layer<Registry> + Send + Sync>,
) -> Result<(), LoggingError> {
    let told = fmt::layer()
        .with_timer(utc())
        .with_target(false)
        .with_ansi(super::colours(&std::io::stderr()))
        .with_writer(std::io::stderr);
    let told = match console {
        Console::All => told.boxed(),
        Console::Ends => told.with_filter(filter_fn(ends)).boxed(),
    };
    let layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = besides.chain(std::iter::once(told)).collect();
    let logged = layers.with_filter(filter(level)?);
    // Spans first, as a layer of the registry itself; a log shows none of them.
    let all: Vec<Box<dyn Layer<Registry> + Send + Sync>> =
        spans.map(Layer::boxed).into_iter().chain(std::iter::once(logged.boxed())).collect();
    tracing_subscriber::registry().with(all).try_init().map_err(|error| LoggingError::Twice(error.to_string()))
}

/// `RUST_LOG` if it is set; else the level, without the API crate's own lines (the daemon says what they mean).
fn filter(level: &str) -> Result<EnvFilter, LoggingError> {
    let given = std::env::var("RUST_LOG").ok().filter(|text| !text.trim().is_empty());
    let text = given.unwrap_or_else(|| format!("{level},ibapi=off"));
    EnvFilter::try_new(&text).map_err(|error| LoggingError::Filter { filter: text, why: error.to_string() })
}

fn open(path: &Path, max_mb: u64, keep: u64) -> Result<LogRoller, LoggingError> {
    let bad = |why: String| LoggingError::File { path: path.display().to_string(), why };
    let name = path.file_name().ok_or_else(|| bad("it names no file".to_owned()))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).map_err(|error| bad(error.to_string()))?;
    LogRollerBuilder::new(directory, Path::new(name))
        .rotation(Rotation::SizeBased(RotationSize::MB(max_mb)))
        .max_keep_files(keep)
        .build()
        .map_err(|error| bad(error.to_string()))
}
