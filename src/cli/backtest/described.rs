//! A run in words, so that it can be run again: what its flags say, how symbols are sized and protected, and
//! every setting that is no default.

use std::collections::BTreeSet;

use clap::ValueEnum;

use super::options::{BacktestOptions, LimitsChoice};
use super::without_effect::WITHOUT_EFFECT;
use crate::backtest::outcome::Described;
use crate::config::{Layers, Settings, Source, words};
use crate::desk::{AfterClose, OrderStyle, SymbolPlan};

/// Settings that have words of their own in a run's description.
const IN_WORDS: [&str; 6] = ["SYMBOLS", "STRATEGY", "STRATEGY_PARAMS", "DATA_BAR_SIZE", "CALENDAR", "DEFAULT_CASH"];

/// The run in words: name and value, what matters most first.
pub(super) fn described(options: &BacktestOptions, settings: &Settings, layers: &Layers) -> Described {
    let mut all = Described::new();
    let mut say = |name: &str, value: String| all.push((name.to_owned(), value));
    say("strategy", by_symbol(settings, strategy));
    say("bar size", settings.bar_size.to_string());
    say("calendar", settings.calendar.to_string());
    say("fill", word(options.fill));
    let inside = !options.wanted(layers).intrabar.is_empty();
    say("smaller bars inside", if inside { "yes" } else { "no" }.to_owned());
    say("commission", options.commission.to_string());
    say("slippage", format!("{} bps", options.slippage_bps));
    say("spread", format!("{} bps", options.spread_bps));
    say("volume share", options.volume_share.map_or_else(|| "unlimited".to_owned(), |share| share.to_string()));
    say("sizing", by_symbol(settings, |plan| words::sizing(&plan.sizing)));
    say("stop", by_symbol(settings, |plan| words::stop(&plan.stop)));
    say("take-profit", by_symbol(settings, |plan| plan.take_profit.map_or_else(none, |part| part.to_string())));
    say("time exit", by_symbol(settings, |plan| plan.time_exit.map_or_else(none, |bars| format!("{bars} bars"))));
    say("limits", limits(options, settings));
    say("cash", format!("{} USD", settings.default_cash.decimal()));
    say("orders", by_symbol(settings, |plan| style(plan.style)));
    say("after the close", by_symbol(settings, |plan| after_close(plan.after_close)));
    say("short selling", if settings.limits.allow_short { "yes" } else { "no" }.to_owned());
    say("jumps", word(options.jumps));
    let date = |date: Option<chrono::NaiveDate>, none: &str| date.map_or_else(|| none.to_owned(), |d| d.to_string());
    say("dates", format!("{} to {}", date(options.from, "the first"), date(options.to, "the last")));
    say("riskless return a year", options.risk_free.to_string());
    say("prices", "as in the files: nothing is adjusted here".to_owned());
    say("seed", options.seed.to_string());
    let mut scripts = BTreeSet::new();
    for script in settings.symbols.iter().filter_map(|(_, plan)| plan.script.as_ref()) {
        if scripts.insert(script.file()) {
            say("script", format!("{}, its text's FNV-1a {}", script.file(), script.fingerprint()));
        }
    }
    all.extend(given(settings, layers));
    all
}

/// Settings that somebody has given, by their own names.
fn given(settings: &Settings, layers: &Layers) -> Described {
    let counts = |name: &str, source: &Source| {
        let limits = *source == Source::Flag("--limits");
        let spec = crate::config::table::find(name);
        !limits && *source != Source::Default && !WITHOUT_EFFECT.contains(&name) && spec.is_some_and(|s| !s.secret)
    };
    let common = layers.shown().into_iter().filter(|(name, value, source)| {
        let default = crate::config::table::find(name).is_some_and(|spec| spec.default == value);
        counts(name, source) && !default && !IN_WORDS.contains(name)
    });
    let mut words: Described = common.map(|(name, value, _)| (name.to_owned(), value)).collect();
    for (symbol, _) in &settings.symbols {
        let own = layers.shown_for(symbol).into_iter().filter(|(name, _, source)| counts(name, source));
        words.extend(own.map(|(name, value, _)| (format!("{symbol}: {name}"), value)));
    }
    words
}

/// What is said of every symbol; where they differ, each group of them with its own.
fn by_symbol(settings: &Settings, words: impl Fn(&SymbolPlan) -> String) -> String {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for (symbol, plan) in &settings.symbols {
        let text = words(plan);
        match groups.iter_mut().find(|(said, _)| *said == text) {
            Some((_, symbols)) => symbols.push(symbol.as_str()),
            None => groups.push((text, vec![symbol.as_str()])),
        }
    }
    match groups.as_slice() {
        [(text, _)] => text.clone(),
        groups => groups
            .iter()
            .map(|(text, symbols)| format!("{text} ({})", symbols.join(" ")))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

fn none() -> String {
    "none".to_owned()
}

fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|word| word.get_name().to_owned()).unwrap_or_default()
}

fn strategy(plan: &SymbolPlan) -> String {
    let params = plan.params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
    format!("{} {}", plan.strategy, params.join(" ")).trim().to_owned()
}

fn style(style: OrderStyle) -> String {
    match style {
        OrderStyle::Market => "at the market".to_owned(),
        OrderStyle::MarketableLimit(offset) => format!("limit, {offset} beyond the last close"),
    }
}

fn after_close(choice: AfterClose) -> String {
    match choice {
        AfterClose::Drop => "drop",
        AfterClose::RequeueAtOpen => "requeue-at-open",
    }
    .to_owned()
}

fn limits(options: &BacktestOptions, settings: &Settings) -> String {
    if options.limits == LimitsChoice::Wide {
        return "wide".to_owned();
    }
    let limits = &settings.limits;
    format!(
        "entry {} USD, entries of a day {} USD, position {} USD, leverage {}, {} symbols, loss of a day {} of equity, \
         drawdown {} of equity",
        limits.max_order_notional.decimal(),
        limits.max_daily_notional.decimal(),
        limits.max_position_notional.decimal(),
        limits.max_leverage,
        limits.max_open_positions,
        limits.max_daily_loss,
        settings.guards.max_drawdown,
    )
}
