//! `robo-trader bars convert`: other people's files as this program reads them.

use std::path::PathBuf;
use std::process::ExitCode;

use chrono_tz::Tz;
use clap::Args;

use crate::bar_files::{self, Layout, Reader, Times, Writer};
use crate::calendar::Calendar;
use crate::domain::BarSize;

use super::BarsError;

#[derive(Debug, Args)]
pub(super) struct ConvertArgs {
    /// The file to read.
    file: PathBuf,
    /// The file to write: Parquet where its name ends with `.parquet`, else CSV.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Size of the bars, where neither the file's name nor its times tell it.
    #[arg(long)]
    bar_size: Option<BarSize>,
    /// The file's names of columns, where they are others: `time=Date,open=O`.
    #[arg(long, value_delimiter = ',', value_name = "OURS=THEIRS")]
    columns: Vec<String>,
    /// What stands between fields: one character, or `tab`.
    #[arg(long, default_value = ",")]
    delimiter: String,
    /// The zone of times that name none, for example America/New_York.
    #[arg(long, value_name = "ZONE")]
    timezone: Option<Tz>,
    /// How times are written: rfc3339, seconds or millis (since 1970), or a pattern like "%m/%d/%Y %H:%M".
    #[arg(long, default_value = "rfc3339", value_name = "FORMAT")]
    time_format: String,
    /// The market's calendar: XNYS or always.
    #[arg(long, default_value_t)]
    calendar: Calendar,
    /// Tell what was written as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ConvertArgs) -> Result<ExitCode, BarsError> {
    let layout = layout(args)?;
    let named = bar_files::named(&args.file).map(|(_, size)| size);
    let size = match args.bar_size.or(named) {
        Some(size) => size,
        None => bar_files::guess_size(&args.file, &layout)?,
    };
    if size.is_intraday() && args.timezone.is_none() && args.time_format.contains('%') {
        let told = "times of a pattern name no zone: say it with --timezone, for example America/New_York";
        return Err(BarsError::Usage(told.to_owned()));
    }
    let reader = Reader::open_laid_out(&args.file, size, args.calendar, layout)?;
    let mut writer = Writer::create(&args.out, size)?;
    for bar in reader {
        writer.push(&bar?)?;
    }
    let written = writer.finish()?;
    Ok(super::written(&args.out, written, size, None, args.json))
}

fn layout(args: &ConvertArgs) -> Result<Layout, BarsError> {
    let mut layout = Layout::default();
    for column in &args.columns {
        let wrong = || {
            let told = "use OURS=THEIRS, where OURS is one of time, open, high, low, close, volume";
            BarsError::Usage(format!("--columns {column}: {told}"))
        };
        let (ours, theirs) = column.split_once('=').ok_or_else(wrong)?;
        let ours = ours.trim().to_ascii_lowercase();
        let known = Layout::default().names;
        let place = known.iter().position(|name| *name == ours).ok_or_else(wrong)?;
        layout.names.get_mut(place).ok_or_else(wrong)?.replace_range(.., theirs.trim());
    }
    layout.delimiter = match args.delimiter.as_bytes() {
        b"tab" | b"\\t" => b'\t',
        [one] if !matches!(one, b'"' | b'\n' | b'\r') => *one,
        _ => {
            let told = format!("--delimiter {:?}: use one character, or tab", args.delimiter);
            return Err(BarsError::Usage(told));
        }
    };
    let zone = args.timezone;
    layout.times = match (args.time_format.as_str(), zone) {
        ("rfc3339", None) => Times::Rfc3339,
        ("rfc3339", Some(zone)) => Times::Local { zone, format: None },
        ("seconds", _) => Times::EpochSeconds,
        ("millis", _) => Times::EpochMillis,
        (pattern, zone) if pattern.contains('%') => {
            Times::Local { zone: zone.unwrap_or(Tz::UTC), format: Some(pattern.to_owned()) }
        }
        (other, _) => {
            let told =
                format!("--time-format {other:?}: use rfc3339, seconds, millis or a pattern like \"%Y%m%d %H:%M\"");
            return Err(BarsError::Usage(told));
        }
    };
    Ok(layout)
}
