//! Settings as checked values.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::Layers;
use super::reader::{BadSettings, Reader};
use super::warm_up::bars_at_most;
use crate::calendar::Calendar;
use crate::desk::{AfterClose, Guards, Mode, OrderStyle, StopBreached, StopPolicy, SymbolPlan};
use crate::domain::broker::AccountId;
use crate::domain::history::{HistoryDuration, WhatToShow};
use crate::domain::{BarSize, Symbol, Usd};
use crate::risk::{Limits, OnDailyLoss};
use crate::strategy;

/// How live bars come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedKind {
    /// Chosen by the number of symbols.
    Auto,
    /// A historical stream kept up to date.
    Stream,
    /// Five-second real-time bars, aggregated.
    Realtime,
    /// History asked for again and again.
    Poll,
}

/// How the log file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One flat JSON object a line.
    Json,
}

/// What an order's facts must survive before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A power cut.
    Full,
    /// A kill of the process.
    Process,
}

/// How the gateway is reached and watched.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionSettings {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Our client id.
    pub client_id: i32,
    /// The client id of commands that ask the gateway themselves.
    pub tool_client_id: i32,
    /// The account, where one is named.
    pub account: Option<AccountId>,
    /// Bound of a request.
    pub reply_within: Duration,
    /// Messages in any second.
    pub message_rate: u32,
    /// Whether IBKR's historical pacing is obeyed.
    pub historical_pacing: bool,
    /// Bound of connecting, the handshake included.
    pub dial_deadline: Duration,
    /// First wait.
    pub backoff_base: Duration,
    /// Growth of waits.
    pub backoff_multiplier: f64,
    /// Longest wait.
    pub backoff_cap: Duration,
    /// Random part of a wait.
    pub backoff_jitter: f64,
    /// Failures that open the breaker.
    pub breaker_threshold: u32,
    /// How long it stays open.
    pub breaker_timeout: Duration,
    /// Successes that close it.
    pub breaker_successes: u32,
    /// Time between probes.
    pub probe_interval: Duration,
    /// Bound of a probe.
    pub probe_deadline: Duration,
    /// Misses that end a session.
    pub probe_misses: u32,
}

/// Everything the daemon is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The gateway.
    pub connection: ConnectionSettings,
    /// Whether orders leave.
    pub mode: Mode,
    /// How each symbol is traded, in the order given.
    pub symbols: Vec<(Symbol, SymbolPlan)>,
    /// Limits.
    pub limits: Limits,
    /// Bars.
    pub bar_size: BarSize,
    /// History at the start.
    pub duration: HistoryDuration,
    /// What bars are made of.
    pub show: WhatToShow,
    /// Regular hours only.
    pub regular_only: bool,
    /// How live bars come.
    pub feed: FeedKind,
    /// Time between polls.
    pub poll_interval: Duration,
    /// Bound of a bar's age.
    pub freshness: Option<Duration>,
    /// Histories fetched at a time.
    pub max_concurrent: usize,
    /// When a missing stop's price has been passed.
    pub stop_breached: StopBreached,
    /// Live entries without a stop.
    pub allow_unprotected: bool,
    /// No entries after the open.
    pub no_entry_after_open: Duration,
    /// No entries before the close.
    pub no_entry_before_close: Duration,
    /// Flat by the close.
    pub flat_by_close: Option<Duration>,
    /// When an unanswered order is in doubt.
    pub ack_deadline: Duration,
    /// Time between two agreeing reads.
    pub settle_time: Duration,
    /// Time between comparisons of broker and book.
    pub reconcile_interval: Duration,
    /// What stops entries by itself, and what is made of what others do.
    pub guards: Guards,
    /// Silent subscriptions in a row that park a symbol.
    pub park_after: u32,
    /// Calendar beside the gateway's hours.
    pub calendar: Calendar,
    /// Where all state lies; `None`: the platform's place.
    pub state_dir: Option<PathBuf>,
    /// How long the desk may not answer before the process ends itself; `None`: for ever.
    pub desk_stall_abort: Option<Duration>,
    /// What an order's facts survive.
    pub durability: Durability,
    /// Bound of a shutdown.
    pub shutdown_grace: Duration,
    /// Cash of the embedded simulator's account.
    pub default_cash: Usd,
    /// Log file.
    pub log_file: Option<PathBuf>,
    /// Its format.
    pub log_format: LogFormat,
    /// Filter.
    pub log_level: String,
    /// Rotation size, megabytes.
    pub log_max_mb: u64,
    /// Rotated files kept.
    pub log_keep: u64,
    /// Time between heartbeat lines.
    pub heartbeat_interval: Duration,
    /// Who is told what.
    pub notify: super::NotifySettings,
    /// Dashboard, API and feed.
    pub web: super::WebSettings,
}

impl Settings {
    /// Checks every setting.
    ///
    /// # Errors
    /// All bad settings, each with its value, range and source.
    pub fn resolve(layers: &Layers) -> Result<Self, BadSettings> {
        let mut read = Reader::new(layers, None);
        let connection = connection(&mut read);
        let mode = mode(&mut read);
        let names = symbols(&mut read);
        let bar_size = read.parsed("DATA_BAR_SIZE", BarSize::Min1);
        if bar_size > BarSize::Day1 {
            read.reject("DATA_BAR_SIZE", "bars longer than a day are not traded on; use 1 day at most");
        }
        let limits = limits(&mut read);
        let mut settings = process(&mut read, connection, mode, limits, bar_size);
        let mut bad = read.bad;
        for symbol in names {
            let mut own = Reader::new(layers, Some(&symbol));
            let plan = symbol_plan(&mut own, &settings);
            let own_bad = own.bad;
            // A mistake in a common setting is the same for every symbol: it is told once.
            for mut wrong in own_bad {
                let has_own = layers.shown_for(&symbol).iter().any(|(name, ..)| wrong.name.ends_with(name));
                if !has_own {
                    wrong.name = wrong.name.rsplit(": ").next().unwrap_or_default().to_owned();
                }
                if !bad.contains(&wrong) {
                    bad.push(wrong);
                }
            }
            settings.symbols.push((symbol, plan));
        }
        if bad.is_empty() { Ok(settings) } else { Err(BadSettings(bad)) }
    }
}

fn connection(read: &mut Reader<'_>) -> ConnectionSettings {
    let host = read.text("IBKR_HOST");
    if host.is_empty() {
        read.reject("IBKR_HOST", "use a host name or address");
    }
    let account = read.text("IBKR_ACCOUNT");
    if !account.chars().all(|c| c.is_ascii_alphanumeric()) {
        read.reject("IBKR_ACCOUNT", "use letters and digits, as DU1234567");
    }
    let client_id = i32::try_from(read.whole("IBKR_CLIENT_ID", 1, 999)).unwrap_or(1);
    let tool_client_id = i32::try_from(read.whole("IBKR_TOOL_CLIENT_ID", 1, 999)).unwrap_or(998);
    if client_id == tool_client_id {
        read.reject("IBKR_TOOL_CLIENT_ID", "use another one than IBKR_CLIENT_ID: a gateway takes each once");
    }
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let fraction = |number: Decimal| number.to_f64().unwrap_or(0.0);
    ConnectionSettings {
        host,
        port: u16::try_from(read.whole("IBKR_PORT", 1, 65_535)).unwrap_or(7497),
        client_id,
        tool_client_id,
        account: (!account.is_empty()).then_some(AccountId(account.into())),
        reply_within: read.span("IBKR_TIMEOUT", 1, "0.1", "300"),
        message_rate: small(read.whole("MESSAGE_RATE", 1, 100_000)),
        historical_pacing: read.yes("HISTORICAL_PACING"),
        dial_deadline: read.span("DIAL_DEADLINE", 1, "0.1", "300"),
        backoff_base: read.span("BACKOFF_BASE", 1, "0.01", "3600"),
        backoff_multiplier: fraction(read.decimal("BACKOFF_MULTIPLIER", "1", "10")),
        backoff_cap: read.span("BACKOFF_CAP", 1, "0.01", "86400"),
        backoff_jitter: fraction(read.decimal("BACKOFF_JITTER", "0", "1")),
        breaker_threshold: small(read.whole("CIRCUIT_BREAKER_THRESHOLD", 1, 1_000)),
        breaker_timeout: read.span("CIRCUIT_BREAKER_TIMEOUT", 1, "0.01", "86400"),
        breaker_successes: small(read.whole("CIRCUIT_BREAKER_SUCCESSES", 1, 100)),
        probe_interval: read.span("PROBE_INTERVAL", 1, "0.05", "3600"),
        probe_deadline: read.span("PROBE_DEADLINE", 1, "0.05", "300"),
        probe_misses: small(read.whole("PROBE_MISSES", 1, 100)),
    }
}

fn mode(read: &mut Reader<'_>) -> Mode {
    let words = [("observe", Mode::Observe), ("paper", Mode::Paper), ("live", Mode::Live)];
    let mode = read.choice("EXECUTION_MODE", &words, Mode::Observe);
    if read.yes("IBKR_READONLY") { Mode::Observe } else { mode }
}

fn symbols(read: &mut Reader<'_>) -> Vec<Symbol> {
    let text = read.text("SYMBOLS");
    let mut symbols: Vec<Symbol> = Vec::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        match part.parse::<Symbol>() {
            Ok(symbol) if symbols.contains(&symbol) => {}
            Ok(symbol) => symbols.push(symbol),
            Err(error) => read.reject("SYMBOLS", error.to_string()),
        }
    }
    if symbols.is_empty() || symbols.len() > 100 {
        read.reject("SYMBOLS", format!("use 1 to 100 symbols, comma separated; these are {}", symbols.len()));
    }
    symbols
}

fn limits(read: &mut Reader<'_>) -> Limits {
    let usd = |read: &mut Reader<'_>, name| Usd::of(read.decimal(name, "1", "1000000000"));
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let losses = [("lock", OnDailyLoss::Lock), ("flatten", OnDailyLoss::Flatten)];
    Limits {
        max_order_notional: usd(read, "RISK_MAX_ORDER_NOTIONAL"),
        max_daily_notional: usd(read, "RISK_MAX_DAILY_NOTIONAL"),
        max_position_notional: usd(read, "RISK_MAX_POSITION_NOTIONAL"),
        max_leverage: read.decimal("RISK_MAX_LEVERAGE", "0.01", "4"),
        max_open_positions: small(read.whole("RISK_MAX_OPEN_POSITIONS", 1, 1_000)),
        max_daily_loss: read.decimal("RISK_MAX_DAILY_LOSS_PCT", "0.0001", "1"),
        on_daily_loss: read.choice("RISK_ON_DAILY_LOSS", &losses, OnDailyLoss::Lock),
        max_orders_per_minute: small(read.whole("RISK_MAX_ORDERS_PER_MINUTE", 1, 10_000)),
        price_collar: read.decimal("RISK_PRICE_COLLAR_PCT", "0.0001", "0.5"),
        allow_short: read.yes("EXECUTION_SHORT_SELLING"),
    }
}

fn process(
    read: &mut Reader<'_>,
    connection: ConnectionSettings,
    mode: Mode,
    limits: Limits,
    bar_size: BarSize,
) -> Settings {
    let feeds = [
        ("auto", FeedKind::Auto),
        ("stream", FeedKind::Stream),
        ("realtime", FeedKind::Realtime),
        ("poll", FeedKind::Poll),
    ];
    let path = |text: String| (!text.is_empty()).then(|| PathBuf::from(text));
    let full = [("full", Durability::Full), ("process", Durability::Process)];
    let breached = [("hold", StopBreached::Hold), ("exit", StopBreached::Exit)];
    let calendars = [("XNYS", Calendar::Xnys), ("always", Calendar::Always)];
    Settings {
        connection,
        mode,
        symbols: Vec::new(),
        limits,
        bar_size,
        duration: read.parsed("DATA_DURATION", HistoryDuration::days(2)),
        show: read.parsed("DATA_SHOW", WhatToShow::Trades),
        regular_only: read.yes("DATA_RTH"),
        feed: read.choice("DATA_FEED", &feeds, FeedKind::Auto),
        poll_interval: read.span("DATA_INTERVAL", 1, "0.1", "86400"),
        freshness: read.optional_span("DATA_FRESHNESS", 1, "0.1", "604800"),
        max_concurrent: usize::try_from(read.whole("MAX_CONCURRENT", 1, 50)).unwrap_or(8),
        stop_breached: read.choice("RISK_STOP_BREACHED", &breached, StopBreached::Hold),
        allow_unprotected: read.yes("RISK_ALLOW_UNPROTECTED"),
        no_entry_after_open: read.span("NO_ENTRY_AFTER_OPEN", 60, "0", "390"),
        no_entry_before_close: read.span("NO_ENTRY_BEFORE_CLOSE", 60, "0", "390"),
        flat_by_close: read.optional_span("FLAT_BY_CLOSE", 60, "0", "390"),
        ack_deadline: read.span("ACK_DEADLINE", 1, "0.1", "600"),
        settle_time: read.span("SETTLE_TIME", 1, "0", "300"),
        reconcile_interval: read.span("RECONCILE_INTERVAL", 1, "0.1", "86400"),
        guards: super::guards::read(read),
        park_after: u32::try_from(read.whole("PARK_AFTER", 1, 100)).unwrap_or(3),
        calendar: read.choice("CALENDAR", &calendars, Calendar::Xnys),
        state_dir: path(read.text("STATE_DIR")),
        // The desk may wait for a minute for a journal that somebody holds.
        desk_stall_abort: read.optional_span("DESK_STALL_ABORT", 1, "90", "86400"),
        durability: read.choice("JOURNAL_DURABILITY", &full, Durability::Full),
        shutdown_grace: read.span("SHUTDOWN_GRACE", 1, "0.1", "600"),
        default_cash: Usd::of(read.decimal("DEFAULT_CASH", "1", "1000000000")),
        log_file: path(read.text("LOG_FILE")),
        log_format: read.choice("LOG_FORMAT", &[("text", LogFormat::Text), ("json", LogFormat::Json)], LogFormat::Text),
        log_level: level(read),
        log_max_mb: read.whole("LOG_MAX_MB", 1, 10_000),
        log_keep: read.whole("LOG_KEEP", 1, 1_000),
        heartbeat_interval: read.span("HEARTBEAT_INTERVAL", 1, "1", "86400"),
        notify: super::notify::read(read),
        web: super::web::read(read),
    }
}

fn level(read: &mut Reader<'_>) -> String {
    let words = ["error", "warn", "info", "debug", "trace"].map(|word| (word, word));
    read.choice("LOG_LEVEL", &words, "info").to_owned()
}

fn symbol_plan(read: &mut Reader<'_>, settings: &Settings) -> SymbolPlan {
    let sizing = super::sizing::read(read);
    let stop = match read.text("RISK_STOP").as_str() {
        "none" => StopPolicy::None,
        "fixed" => StopPolicy::Fixed(read.decimal("RISK_STOP_LOSS_PCT", "0.0001", "0.9")),
        "atr" => StopPolicy::Atr(read.decimal("RISK_STOP_ATR", "0.1", "100")),
        "trailing" => StopPolicy::Trailing(read.decimal("RISK_TRAILING_STOP_PCT", "0.0001", "0.9")),
        _ => {
            read.reject("RISK_STOP", "use one of none, fixed, atr, trailing");
            StopPolicy::None
        }
    };
    let offset = read.decimal("ORDER_LIMIT_OFFSET_PCT", "0", "0.1");
    let limit = OrderStyle::MarketableLimit(offset);
    let automatic = if settings.mode == Mode::Live { limit } else { OrderStyle::Market };
    let style =
        read.choice("ORDER_STYLE", &[("auto", automatic), ("market", OrderStyle::Market), ("limit", limit)], limit);
    if style == limit && offset > settings.limits.price_collar {
        read.reject(
            "ORDER_LIMIT_OFFSET_PCT",
            format!("it lies beyond RISK_PRICE_COLLAR_PCT ({})", settings.limits.price_collar),
        );
    }
    let by_size = if settings.bar_size.is_intraday() { AfterClose::Drop } else { AfterClose::RequeueAtOpen };
    let closes = [("auto", by_size), ("drop", AfterClose::Drop), ("requeue-at-open", AfterClose::RequeueAtOpen)];
    let after_close = read.choice("AFTER_CLOSE", &closes, by_size);
    let take_profit = read.optional_decimal("RISK_TAKE_PROFIT_PCT", "0.0001", "10");
    let time_exit = read.optional_whole("RISK_TIME_EXIT", 1, 100_000).and_then(|bars| u32::try_from(bars).ok());
    let params = params(read);
    let name = read.text("STRATEGY");
    let script = strategy_of(read, settings, &name, &params);
    SymbolPlan { strategy: name, params, script, sizing, stop, take_profit, time_exit, style, after_close }
}

/// Checks that the strategy can be built and warmed; its script, where it is one.
fn strategy_of(
    read: &mut Reader<'_>,
    settings: &Settings,
    name: &str,
    params: &BTreeMap<String, String>,
) -> Option<strategy::Script> {
    let script = match super::script::read(name) {
        Ok(script) => script,
        Err(error) => {
            read.reject("STRATEGY", error.to_string());
            return None;
        }
    };
    match strategy::build_with(name, params, script.as_ref()) {
        Ok(strategy) => warm_up(read, settings, name, strategy.warm_up()),
        Err(error) => {
            let setting = match error {
                strategy::BuildError::UnknownStrategy { .. } => "STRATEGY",
                // What a script refuses by itself in init is what its parameters are.
                strategy::BuildError::Param { .. } | strategy::BuildError::Script(_) => "STRATEGY_PARAMS",
            };
            read.reject(setting, error.to_string());
        }
    }
    script
}

/// Refuses a history that could never give the strategy its warm-up.
fn warm_up(read: &mut Reader<'_>, settings: &Settings, strategy: &str, needed: usize) {
    let available = bars_at_most(settings.duration, settings.bar_size, settings.calendar, settings.regular_only);
    if u64::try_from(needed).unwrap_or(u64::MAX) > available {
        let size = settings.bar_size;
        read.reject(
            "DATA_DURATION",
            format!(
                "it holds at most {available} bars of {size}, and {strategy} with these STRATEGY_PARAMS needs {needed}: use a longer one"
            ),
        );
    }
}

fn params(read: &mut Reader<'_>) -> BTreeMap<String, String> {
    let mut params = BTreeMap::new();
    for part in read.text("STRATEGY_PARAMS").split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some((name, value)) => {
                params.insert(name.trim().to_owned(), value.trim().to_owned());
            }
            None => read.reject("STRATEGY_PARAMS", format!("{part:?} is not name=value")),
        }
    }
    params
}
