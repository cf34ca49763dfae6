//! `journal`: a backup of it, a close look at it, its facts as lines. Also while the daemon writes it.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::records::{SourceArgs, SourceError, SpanArgs};
use crate::domain::book::Fact;
use crate::domain::{MarketTime, Symbol};
use crate::journal::JournalError;
use crate::journal::upkeep::{self, RawRow, Verified};
use crate::runner::exit;

/// Flags of `journal`.
#[derive(Debug, Args)]
pub(super) struct JournalArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Copy it as it is now, verified, to a file that does not exist yet.
    Backup {
        #[command(flatten)]
        source: SourceArgs,
        /// The copy.
        to: PathBuf,
        /// Print the finding as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look at every page and every record.
    Verify {
        #[command(flatten)]
        source: SourceArgs,
        /// Another journal, as a backup; the ledger's own without it.
        file: Option<PathBuf>,
        /// Print the finding as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write its facts as lines.
    Export(Box<ExportArgs>),
}

#[derive(Debug, Args)]
struct ExportArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    span: SpanArgs,
    /// Only this symbol.
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<Symbol>,
    /// Only kinds that begin so, as fill or order.intended.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// The lines' form.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// The file; standard output without it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A JSON object a line.
    Jsonl,
    /// Comma separated, the fact's body as JSON in the last column.
    Csv,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("--kind {0}: no fact's kind begins so; they are: {known}", known = Fact::KINDS.join(", "))]
    Kind(String),
    #[error("{to}: {source}; what was written of it is not whole")]
    Write { to: String, source: std::io::Error },
}

impl Failed {
    fn code(&self) -> u8 {
        match self {
            Self::Source(error) => error.code(),
            Self::Journal(JournalError::File { .. }) | Self::Kind(_) => exit::USAGE,
            Self::Journal(_) => exit::JOURNAL,
            Self::Write { .. } => exit::RESTART,
        }
    }
}

pub(super) fn main(args: &JournalArgs) -> ExitCode {
    let (done, json) = match &args.action {
        Action::Backup { source, to, json } => (backup(source, to, *json), *json),
        Action::Verify { source, file, json } => (verify(source, file.as_deref(), *json), *json),
        Action::Export(args) => (export(args), false),
    };
    match done {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(text)) => super::say(&text),
        Err(error) => super::refuse(json, &error, error.code()),
    }
}

fn backup(source: &SourceArgs, to: &Path, json: bool) -> Result<Option<String>, Failed> {
    let (ledger, _) = source.find()?;
    let verified = upkeep::backup(&ledger.path, to)?;
    Ok(Some(told("backup", to, &verified, json)))
}

fn verify(source: &SourceArgs, file: Option<&Path>, json: bool) -> Result<Option<String>, Failed> {
    let path = file.map_or_else(|| source.find().map(|(ledger, _)| ledger.path), |file| Ok(file.to_path_buf()))?;
    let verified = upkeep::verify(&path)?;
    Ok(Some(told("sound", &path, &verified, json)))
}

fn told(word: &str, path: &Path, verified: &Verified, json: bool) -> String {
    let Verified { records, book, bytes, newest } = verified;
    let identity = book.identity();
    let account = identity.map(|me| me.account.to_string());
    let ledger = identity.map(|me| me.ledger.to_string());
    let newest = (*records > 0).then_some(*newest);
    if json {
        let all = json!({
            "file": path, "records": records, "bytes": bytes, "newest": newest, "account": account, "ledger": ledger,
            "orders": book.counts().orders, "fills": book.counts().executions,
        });
        return format!("{all:#}");
    }
    let unknown = || "unknown".to_owned();
    format!(
        "{word}: {}, {records} records up to {}, {} orders, {} fills, account {}, ledger {}",
        path.display(),
        newest.map_or_else(unknown, |at| at.to_string()),
        book.counts().orders,
        book.counts().executions,
        account.unwrap_or_else(unknown),
        ledger.unwrap_or_else(unknown),
    )
}

fn export(args: &ExportArgs) -> Result<Option<String>, Failed> {
    let (ledger, _) = args.source.find()?;
    let newest = upkeep::verify(&ledger.path)?.newest;
    if let Some(kind) = args.kind.as_ref().filter(|kind| !Fact::KINDS.iter().any(|known| known.starts_with(*kind))) {
        return Err(Failed::Kind(kind.clone()));
    }
    let (since, until) = args.span.bounds(newest);
    let to = args.out.as_ref().map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
    let wrong = |source| Failed::Write { to: to.clone(), source };
    let out: Box<dyn Write> = match &args.out {
        Some(path) => Box::new(crate::private_dir::create_new(path).map_err(wrong)?),
        None => Box::new(std::io::stdout().lock()),
    };
    let mut lines = Lines::new(out, args.format).map_err(wrong)?;
    let mut failure = None;
    upkeep::raw_rows(&ledger.path, &mut |row| {
        let at = serde_json::from_value::<MarketTime>(Value::String(row.at.clone()));
        let wanted = at.is_ok_and(|at| since <= at && at < until)
            && args.symbol.as_ref().is_none_or(|symbol| row.symbol.as_deref() == Some(symbol.as_str()))
            && args.kind.as_ref().is_none_or(|kind| row.kind.starts_with(kind.as_str()));
        if wanted {
            failure = lines.write(&row).err();
        }
        failure.is_none()
    })?;
    match failure.map_or_else(|| lines.end(), Err) {
        Ok(()) => {}
        // Somebody has seen enough (`| head`).
        Err(error) if args.out.is_none() && error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(None),
        Err(error) => return Err(wrong(error)),
    }
    Ok(args.out.as_ref().map(|path| format!("{} facts: {}", lines.written, path.display())))
}

const COLUMNS: [&str; 10] =
    ["seq", "at", "recorded_at", "account", "strategy", "symbol", "con_id", "kind", "version", "body"];

enum Sink {
    Jsonl(BufWriter<Box<dyn Write>>),
    Csv(Box<csv::Writer<Box<dyn Write>>>),
}

struct Lines {
    sink: Sink,
    written: u64,
}

impl Lines {
    fn new(out: Box<dyn Write>, format: Format) -> std::io::Result<Self> {
        let sink = match format {
            Format::Jsonl => Sink::Jsonl(BufWriter::new(out)),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(COLUMNS)?;
                Sink::Csv(Box::new(writer))
            }
        };
        Ok(Self { sink, written: 0 })
    }

    fn write(&mut self, row: &RawRow) -> std::io::Result<()> {
        self.written += 1;
        match &mut self.sink {
            Sink::Jsonl(out) => {
                let body: Value = serde_json::from_str(&row.body)?;
                let line = json!({
                    "seq": row.seq, "at": row.at, "recorded_at": row.recorded_at, "account": row.account,
                    "strategy": row.strategy, "symbol": row.symbol, "con_id": row.con_id, "kind": row.kind,
                    "version": row.version, "body": body,
                });
                writeln!(out, "{line}")
            }
            Sink::Csv(out) => {
                let con_id = row.con_id.map(|id| id.to_string()).unwrap_or_default();
                let (seq, version) = (row.seq.to_string(), row.version.to_string());
                let (strategy, symbol) = (row.strategy.as_deref(), row.symbol.as_deref());
                out.write_record([
                    seq.as_str(),
                    &row.at,
                    &row.recorded_at,
                    &row.account,
                    strategy.unwrap_or_default(),
                    symbol.unwrap_or_default(),
                    &con_id,
                    &row.kind,
                    &version,
                    &row.body,
                ])?;
                Ok(())
            }
        }
    }

    fn end(&mut self) -> std::io::Result<()> {
        match &mut self.sink {
            Sink::Jsonl(out) => out.flush(),
            Sink::Csv(out) => out.flush(),
        }
    }
}
