//! `robo-trader bars generate`: made-up bars, the same bytes for the same arguments on any machine.

use std::path::PathBuf;
use std::process::ExitCode;

use chrono::{Datelike, NaiveDate, Weekday};
use clap::Args;

use crate::bar_files::{self, Windows, Writer};
use crate::calendar::{Calendar, Day};
use crate::domain::{Bar, BarSize, MarketTime, Symbol, Window};

use super::BarsError;

#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// One file for each of these symbols.
    #[arg(long, value_delimiter = ',', required = true)]
    symbols: Vec<Symbol>,
    /// Bars in each file.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    bars: u64,
    /// Size of the bars (`1min`, "5 mins", `1day`).
    #[arg(long, default_value = "1min")]
    bar_size: BarSize,
    /// What the prices are drawn from, together with the symbol.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The first date.
    #[arg(long, default_value = "2024-01-02")]
    start: NaiveDate,
    /// When the market is open: XNYS or always.
    #[arg(long, default_value_t)]
    calendar: Calendar,
    /// The first price, USD a share.
    #[arg(long, default_value_t = 100.0)]
    price: f64,
    /// Volatility a year: 0.2 is 20 %.
    #[arg(long, default_value_t = 0.2)]
    volatility: f64,
    /// The folder to write to, made where it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Tell what was written as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &GenerateArgs) -> Result<ExitCode, BarsError> {
    let usage = |told: &str| Err(BarsError::Usage(told.to_owned()));
    if !(0.01..=1_000_000.0).contains(&args.price) {
        return usage("--price must be from 0.01 to 1000000 USD");
    }
    if !(0.0..=10.0).contains(&args.volatility) {
        return usage("--volatility must be from 0 to 10 (1000 % a year)");
    }
    if !(1970..=2100).contains(&args.start.year()) {
        return usage("--start must be a date from 1970 to 2100");
    }
    if let Some(symbol) = args.symbols.iter().find(|symbol| symbol.as_str().contains('/')) {
        return Err(BarsError::Usage(format!("{symbol} cannot be a file's name")));
    }
    std::fs::create_dir_all(&args.out)
        .map_err(|source| bar_files::BarFileError::Write { path: args.out.clone(), source })?;
    for symbol in &args.symbols {
        let path = args.out.join(format!("{}.csv", bar_files::stem(symbol, args.bar_size)));
        let mut writer = Writer::create(&path, args.bar_size)?;
        let mut walk = Walk::new(args, symbol);
        let times = Times::new(args.calendar, args.bar_size, args.start);
        for window in times.take(usize::try_from(args.bars).unwrap_or(usize::MAX)) {
            writer.push(&walk.bar(window))?;
        }
        let bars = writer.finish()?;
        let size = args.bar_size;
        // Who does not read on still gets the files.
        let _ = super::written(&path, bars, size, None, args.json);
    }
    Ok(ExitCode::SUCCESS)
}

/// The windows of a market's bars, one after the other.
struct Times {
    calendar: Calendar,
    size: BarSize,
    windows: Windows,
    /// The session of the next bar.
    session: Option<(NaiveDate, Window)>,
    /// When it begins.
    next: MarketTime,
}

impl Times {
    fn new(calendar: Calendar, size: BarSize, start: NaiveDate) -> Self {
        let windows = Windows::new(calendar, size);
        let mut times = Self { calendar, size, windows, session: None, next: MarketTime::MIN };
        times.begin(start);
        times
    }

    /// Goes to the first session on this date or after it. Beyond what the calendar knows, weekdays
    /// have the usual hours.
    fn begin(&mut self, date: NaiveDate) {
        let session = |date: NaiveDate| match self.calendar.day(date) {
            Day::Open(session) => Some((date, session)),
            Day::Unknown if !matches!(date.weekday(), Weekday::Sat | Weekday::Sun) => {
                Some((date, self.calendar.nominal_session(date)))
            }
            Day::Closed | Day::Unknown => None,
        };
        self.session = date.iter_days().take(30).find_map(session);
        if let Some((_, session)) = self.session {
            self.next = session.open;
        }
    }
}

impl Iterator for Times {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        let (date, session) = self.session?;
        let window = self.windows.around(self.next);
        self.next = window.close;
        if !self.size.is_intraday() {
            let last = self.calendar.date_of(MarketTime::from_millis(window.close.millis() - 1));
            self.begin(last.max(date).succ_opt()?);
        } else if window.close >= session.close {
            self.begin(date.succ_opt()?);
        }
        Some(window)
    }
}

/// Steps that a price takes within a bar.
const STEPS: usize = 5;

/// Whole cents that wander. Only sums, products and square roots, which every machine computes alike.
struct Walk {
    draw: Draw,
    cents: f64,
    /// Standard deviation of a step, as a part of the price.
    step: f64,
}

impl Walk {
    fn new(args: &GenerateArgs, symbol: &Symbol) -> Self {
        let year = match args.calendar {
            // 252 sessions of six and a half hours.
            Calendar::Xnys => 252.0 * 6.5 * 3_600.0,
            Calendar::Always => 365.0 * 86_400.0,
        };
        let length = match (args.bar_size, args.calendar) {
            (BarSize::Day1, Calendar::Xnys) => year / 252.0,
            (BarSize::Week1, Calendar::Xnys) => year / 52.0,
            (BarSize::Month1, Calendar::Xnys) => year / 12.0,
            (size, _) => size.duration().as_secs_f64(),
        };
        let step = args.volatility * (length / year / STEPS as f64).sqrt();
        Self { draw: Draw::new(args.seed, symbol), cents: (args.price * 100.0).round(), step }
    }

    fn bar(&mut self, window: Window) -> Bar {
        let open = self.wander();
        let (mut high, mut low, mut close) = (open, open, open);
        for _ in 1..STEPS {
            close = self.wander();
            high = high.max(close);
            low = low.min(close);
        }
        let volume = Some(100 * (1 + self.draw.next() % 100));
        let usd = |cents: f64| cents / 100.0;
        Bar {
            time: window.open,
            end: window.close,
            open: usd(open),
            high: usd(high),
            low: usd(low),
            close: usd(close),
            volume,
        }
    }

    fn wander(&mut self) -> f64 {
        self.cents = (self.cents * (1.0 + self.step * self.draw.normal())).round().clamp(1.0, 1e11);
        self.cents
    }
}

/// SplitMix64: fixed for ever, where a library's generator may change with its version.
struct Draw(u64);

impl Draw {
    /// Each symbol has its own, whatever the others are (FNV-1a of its text).
    fn new(seed: u64, symbol: &Symbol) -> Self {
        let hash = symbol
            .as_str()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Self(hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Nearly normal, with mean 0 and deviation 1: the sum of twelve even draws of 16 bits.
    fn normal(&mut self) -> f64 {
        let mut sum = 0_u64;
        for _ in 0..3 {
            let drawn = self.next();
            sum += (drawn & 0xffff) + ((drawn >> 16) & 0xffff) + ((drawn >> 32) & 0xffff) + (drawn >> 48);
        }
        (sum as f64 - 12.0 * 32_767.5) / 65_536.0
    }
}
