//! What a backtest can be told beside the settings of `run`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use rust_decimal::Decimal;

use crate::backtest::data::{Jumps, Wanted};
use crate::config::{Layers, Source, WIDE_LIMITS};
use crate::domain::{BarSize, Symbol};
use crate::exchange::{ChildRule, CommissionPlan, Config, Friction, MarginPlan};

/// When orders trade that are decided on a closed bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fill {
    /// At the next bar's open.
    NextOpen,
    /// At the close that they were decided on: optimistic, for comparisons with engines that do it.
    ThisClose,
    /// At the next smaller bar's open, with stops and limits met bar by bar inside (--intrabar; else --data).
    Intrabar,
}

/// What becomes of a symbol whose price jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JumpsChoice {
    /// Its bars end before the jump.
    Stop,
    /// It is traded through.
    Trade,
}

/// Which limits bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LimitsChoice {
    /// Those of the settings, as in `run`.
    Settings,
    /// As wide as they go; they are evaluated all the same.
    Wide,
}

/// See the module.
#[derive(Debug, Clone, Args)]
pub struct BacktestOptions {
    /// Bar files and folders of them (SYMBOL-SIZE.csv).
    #[arg(long, value_name = "DIR|FILE", num_args = 1.., required = true)]
    pub data: Vec<PathBuf>,
    /// First exchange date, as 2013-10-04.
    #[arg(long, value_name = "DATE")]
    pub from: Option<NaiveDate>,
    /// Last exchange date.
    #[arg(long, value_name = "DATE")]
    pub to: Option<NaiveDate>,
    /// Cash at the beginning, USD (DEFAULT_CASH).
    #[arg(long, value_name = "USD")]
    pub cash: Option<String>,
    /// Shares of a full position (RISK_POSITION_SIZING=shares and RISK_FIXED_SHARES).
    #[arg(long, value_name = "N")]
    pub shares: Option<String>,
    /// What trades cost: ibkr-fixed, ibkr-tiered, none or per-share=USD.
    #[arg(long, value_name = "PLAN", default_value = "ibkr-fixed")]
    pub commission: CommissionPlan,
    /// Hundredths of a percent that orders at the market lose to slippage.
    #[arg(long, value_name = "BPS", default_value = "0", value_parser = bps, allow_negative_numbers = true)]
    pub slippage_bps: Decimal,
    /// Hundredths of a percent between bid and offer; orders at the market pay half.
    #[arg(long, value_name = "BPS", default_value = "0", value_parser = bps, allow_negative_numbers = true)]
    pub spread_bps: Decimal,
    /// The most of a bar's volume that an order fills, as a fraction; the rest goes on working.
    #[arg(long, value_name = "FRACTION", value_parser = share)]
    pub volume_share: Option<Decimal>,
    /// When orders trade.
    #[arg(long, value_enum, default_value = "next-open")]
    pub fill: Fill,
    /// Files and folders of smaller bars that are played inside those decided on.
    #[arg(long, value_name = "DIR|FILE", num_args = 1..)]
    pub intrabar: Vec<PathBuf>,
    /// Sessions: XNYS or always (CALENDAR).
    #[arg(long, value_name = "NAME")]
    pub calendar: Option<String>,
    /// Entries decided after the close: drop, requeue-at-open or auto (AFTER_CLOSE).
    #[arg(long, value_name = "WHAT")]
    pub after_close: Option<String>,
    /// Protective stop: none, fixed, atr or trailing (RISK_STOP).
    #[arg(long, value_name = "KIND")]
    pub stop: Option<String>,
    /// Limits of the settings, or as wide as they go.
    #[arg(long, value_enum, default_value = "settings")]
    pub limits: LimitsChoice,
    /// What becomes of a symbol whose price jumps as at a split: its bars end (stop), or not (trade).
    #[arg(long, value_enum, default_value = "stop")]
    pub jumps: JumpsChoice,
    /// Return a year without risk, a fraction, that Sharpe and Sortino ratios and alpha are measured above.
    #[arg(long, value_name = "FRACTION", default_value = "0", value_parser = rate, allow_negative_numbers = true)]
    pub risk_free: f64,
    /// Seed of the ledger's id.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

fn bps(text: &str) -> Result<Decimal, String> {
    ranged(text, Decimal::ZERO, Decimal::from(5_000)).ok_or_else(|| "use a number from 0 to 5000".to_owned())
}

fn share(text: &str) -> Result<Decimal, String> {
    let least = Decimal::new(1, 6);
    ranged(text, least, Decimal::ONE).ok_or_else(|| "use a fraction from 0.000001 to 1".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.trim().parse().ok().filter(|rate| (-0.1..=1.0).contains(rate));
    rate.ok_or_else(|| "use a fraction from -0.1 to 1, such as 0.04 for 4 %".to_owned())
}

fn ranged(text: &str, low: Decimal, high: Decimal) -> Option<Decimal> {
    text.trim().parse().ok().filter(|number| (low..=high).contains(number))
}

impl BacktestOptions {
    /// Puts the flags that are settings onto the others.
    pub(super) fn apply(&self, layers: &mut Layers) {
        if self.limits == LimitsChoice::Wide {
            for (name, value) in WIDE_LIMITS {
                layers.set(name, value, Source::Flag("--limits"));
            }
        }
        let after_close = self.after_close.as_ref().map(|word| match word.as_str() {
            "requeue" => "requeue-at-open".to_owned(),
            word => word.to_owned(),
        });
        let flags: [(&Option<String>, &'static str, &str); 4] = [
            (&self.cash, "--cash", "DEFAULT_CASH"),
            (&self.calendar, "--calendar", "CALENDAR"),
            (&after_close, "--after-close", "AFTER_CLOSE"),
            (&self.stop, "--stop", "RISK_STOP"),
        ];
        for (value, flag, name) in flags {
            if let Some(value) = value {
                layers.set(name, value.clone(), Source::Flag(flag));
            }
        }
        if let Some(shares) = &self.shares {
            layers.set("RISK_POSITION_SIZING", "shares", Source::Flag("--shares"));
            layers.set("RISK_FIXED_SHARES", shares.clone(), Source::Flag("--shares"));
        }
        // There is no history to fetch, and nothing is gained by deciding without trading.
        layers.set("DATA_DURATION", "60 Y", Source::Backtest);
        layers.set("IBKR_READONLY", "no", Source::Backtest);
        if layers.get("EXECUTION_MODE").0.trim().eq_ignore_ascii_case("observe") {
            layers.set("EXECUTION_MODE", "paper", Source::Backtest);
        }
    }

    /// The bars that are asked for, as far as settings say.
    pub(super) fn wanted(&self, layers: &Layers) -> Wanted {
        let said = |name: &str| Some(layers.get(name)).filter(|(_, source)| *source != Source::Default);
        let symbols = said("SYMBOLS").map(|(text, _)| text).unwrap_or_default();
        Wanted {
            paths: self.data.clone(),
            // What is no symbol is refused with the other settings.
            symbols: symbols.split(',').filter_map(|part| part.parse().ok()).collect(),
            size: said("DATA_BAR_SIZE").and_then(|(text, _)| text.parse().ok()),
            intrabar: match self.fill {
                Fill::Intrabar if self.intrabar.is_empty() => self.data.clone(),
                Fill::Intrabar | Fill::NextOpen | Fill::ThisClose => self.intrabar.clone(),
            },
            from: self.from,
            to: self.to,
            calendar: layers.get("CALENDAR").0.parse().unwrap_or_default(),
            jumps: match self.jumps {
                JumpsChoice::Stop => Jumps::Stop,
                JumpsChoice::Trade => Jumps::Trade,
            },
        }
    }

    /// What the bars themselves say where no setting does.
    pub(super) fn bars_say(&self, layers: &mut Layers, symbols: &BTreeSet<Symbol>, size: BarSize) {
        let symbols = symbols.iter().map(Symbol::as_str).collect::<Vec<_>>().join(",");
        layers.set_default("SYMBOLS", symbols, Source::Backtest);
        layers.set_default("DATA_BAR_SIZE", size.as_str(), Source::Backtest);
    }

    /// The exchange.
    pub(super) fn exchange(&self, allow_short: bool) -> Config {
        Config {
            commission: self.commission,
            children: ChildRule::ProRata,
            allow_short,
            margin: MarginPlan::RegT,
            slice: None,
            friction: Friction {
                slippage_bps: self.slippage_bps,
                spread_bps: self.spread_bps,
                volume_share: self.volume_share,
            },
            trades_at_close: self.fill == Fill::ThisClose,
        }
    }

    /// What has to be known before the results are read.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.fill == Fill::ThisClose {
            warnings.push(
                "optimistic fills: orders trade at the very close that they were decided on (--fill this-close)"
                    .to_owned(),
            );
        }
        warnings
    }
}
