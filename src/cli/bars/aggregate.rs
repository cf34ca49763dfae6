//! `robo-trader bars aggregate`: bigger bars of a file's.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::bar_files::{BarFile, Reader, Writer};
use crate::calendar::Calendar;
use crate::domain::BarSize;
use crate::tape;

use super::BarsError;

#[derive(Debug, Args)]
pub(super) struct AggregateArgs {
    /// The bar file to read.
    file: PathBuf,
    /// Size of the bars to make (`5mins`, "1 hour", `1day`).
    #[arg(long)]
    bar_size: BarSize,
    /// Size of the file's bars, where its name does not say it.
    #[arg(long)]
    from_size: Option<BarSize>,
    /// The market's calendar, by which bars begin and end: XNYS or always.
    #[arg(long, default_value_t)]
    calendar: Calendar,
    /// The file to write; `.parquet` where this program is built with it, else CSV.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Tell what was written as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &AggregateArgs) -> Result<ExitCode, BarsError> {
    let file = BarFile::of(&args.file, None, args.from_size)?;
    let (from, to) = (file.size, args.bar_size);
    if to <= from {
        return Err(BarsError::Shorter { from, to });
    }
    let mut reader = Reader::open(&file.path, from, args.calendar)?;
    let mut writer = Writer::create(&args.out, to)?;
    // The tape takes bars alone: the first fault ends them, and nothing is written.
    let mut fault = None;
    let mut read = 0_u64;
    let bars = std::iter::from_fn(|| match reader.next()? {
        Ok(bar) => {
            read += 1;
            Some(bar)
        }
        Err(error) => {
            fault = Some(error);
            None
        }
    })
    .fuse();
    for bar in tape::aggregate(bars, args.calendar, to) {
        writer.push(&bar)?;
    }
    if let Some(fault) = fault {
        return Err(fault.into());
    }
    let written = writer.finish()?;
    Ok(super::written(&args.out, written, to, Some((read, from)), args.json))
}
