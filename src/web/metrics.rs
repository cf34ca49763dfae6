//! Metrics in Prometheus's text format, with units in their names. What is unknown is left out, never 0.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use rust_decimal::prelude::ToPrimitive;

use super::Shared;
use crate::clock::wall_now;
use crate::domain::Usd;
use crate::runner::board::Board;
use crate::runner::board::histogram::{BOUNDS_US, Histogram};

/// Every metric: name, type, help.
pub const METRICS: &[(&str, &str, &str)] = &[
    ("robo_trader_info", "gauge", "Always 1; the version is a label."),
    ("robo_trader_up_seconds", "gauge", "How long this process has served."),
    ("robo_trader_ready", "gauge", "1 while orders may be sent."),
    ("robo_trader_trading", "gauge", "1 while entries are made."),
    ("robo_trader_session_phase", "gauge", "1 for what the connection is doing."),
    ("robo_trader_breaker_state", "gauge", "1 for the circuit breaker's state."),
    ("robo_trader_connect_attempts", "gauge", "Attempts since the last session that was held."),
    ("robo_trader_sessions_total", "counter", "Sessions got by this process."),
    ("robo_trader_layer_up", "gauge", "1 while a layer of health is up."),
    ("robo_trader_detect_seconds", "gauge", "Time that the latest outage of a kind took to be noticed."),
    ("robo_trader_recover_seconds", "gauge", "Time that the latest outage of a kind lasted."),
    ("robo_trader_equity_usd", "gauge", "Equity."),
    ("robo_trader_cash_usd", "gauge", "Cash."),
    ("robo_trader_realized_pnl_usd", "gauge", "Profit realized since the ledger began, fees not deducted."),
    ("robo_trader_unrealized_pnl_usd", "gauge", "Profit of open positions."),
    ("robo_trader_day_pnl_usd", "gauge", "Equity less its value when the exchange day began."),
    ("robo_trader_fees_usd", "gauge", "Fees since the ledger began."),
    ("robo_trader_exposure_usd", "gauge", "Worth of all positions, magnitudes added."),
    ("robo_trader_drawdown_ratio", "gauge", "Loss since the highest equity."),
    ("robo_trader_limit", "gauge", "Limits, by name and unit."),
    ("robo_trader_limit_used", "gauge", "Their use."),
    ("robo_trader_position_shares", "gauge", "Signed shares of a symbol."),
    ("robo_trader_bar_age_seconds", "gauge", "Market time since a symbol's last closed bar ended."),
    ("robo_trader_working_orders", "gauge", "Live orders."),
    ("robo_trader_unknown_orders", "gauge", "Orders in doubt."),
    ("robo_trader_orders_total", "counter", "Orders intended since the ledger began."),
    ("robo_trader_fills_total", "counter", "Executions since the ledger began."),
    ("robo_trader_refusals_total", "counter", "Orders refused by risk, by limit, as far as the journal was read."),
    ("robo_trader_incidents_total", "counter", "Incidents since the ledger began."),
    ("robo_trader_locks", "gauge", "Locks in force."),
    ("robo_trader_journal_append_seconds", "histogram", "Appending a batch of facts to the journal."),
    ("robo_trader_decide_seconds", "histogram", "From a batch of inputs to the release of its orders."),
    ("robo_trader_feed_messages_total", "counter", "Messages of the feed."),
    ("robo_trader_feed_clients", "gauge", "Clients that listen to the feed."),
    ("robo_trader_feed_dropped_total", "counter", "Feed clients dropped because they did not read."),
];

struct Text(String);

impl Text {
    /// Begins a metric; its name must be in the table.
    fn head(&mut self, name: &str) {
        let row = METRICS.iter().find(|(known, ..)| *known == name);
        debug_assert!(row.is_some(), "{name} is not in the table");
        if let Some((name, kind, help)) = row {
            self.line(&format!("# HELP {name} {help}\n# TYPE {name} {kind}"));
        }
    }

    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn one(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.head(name);
            self.line(&format!("{name} {value}"));
        }
    }

    fn many(&mut self, name: &str, label: &str, rows: impl IntoIterator<Item = (String, f64)>) {
        self.head(name);
        for (text, value) in rows {
            self.line(&format!("{name}{{{label}=\"{}\"}} {value}", escaped(&text)));
        }
    }

    fn histogram(&mut self, name: &str, histogram: &Histogram) {
        self.head(name);
        let (counts, sum_s) = histogram.read();
        let mut all = 0;
        for (index, count) in counts.iter().enumerate() {
            let bound = BOUNDS_US.get(index).map_or_else(|| "+Inf".to_owned(), |us| seconds(*us).to_string());
            // Writing to a String cannot fail.
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{bound}\"}} {count}");
            all = *count;
        }
        self.line(&format!("{name}_sum {sum_s}\n{name}_count {all}"));
    }
}

fn seconds(us: u64) -> f64 {
    std::time::Duration::from_micros(us).as_secs_f64()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn yes(is: bool) -> f64 {
    f64::from(u8::from(is))
}

#[allow(clippy::cast_precision_loss, reason = "metrics are f64")]
fn number(count: u64) -> f64 {
    count as f64
}

/// All metrics as text.
pub fn text(shared: &Shared) -> String {
    let mut text = Text(String::new());
    let board = &shared.board;
    text.many("robo_trader_info", "version", [(env!("CARGO_PKG_VERSION").to_owned(), 1.0)]);
    text.one("robo_trader_up_seconds", Some(wall_now().since(shared.started).as_secs_f64()));
    connection(&mut text, board);
    money(&mut text, board);
    symbols(&mut text, board);
    text.histogram("robo_trader_journal_append_seconds", &board.stats().journal);
    text.histogram("robo_trader_decide_seconds", &board.stats().decide);
    text.one("robo_trader_feed_messages_total", Some(number(board.feed().told())));
    let clients = u64::try_from(board.feed().listeners()).unwrap_or(u64::MAX);
    text.one("robo_trader_feed_clients", Some(number(clients)));
    text.one("robo_trader_feed_dropped_total", Some(number(shared.dropped.load(Ordering::Relaxed))));
    text.0
}

fn connection(text: &mut Text, board: &Board) {
    let (snapshot, ..) = board.snapshot();
    let Some(link) = snapshot.connection else { return };
    text.one("robo_trader_ready", snapshot.account.as_ref().map(|account| yes(account.ready)));
    text.one("robo_trader_trading", Some(yes(link.trading == "yes")));
    text.many("robo_trader_session_phase", "phase", [(link.phase.to_owned(), 1.0)]);
    text.many("robo_trader_breaker_state", "state", [(link.breaker.to_owned(), 1.0)]);
    text.one("robo_trader_connect_attempts", Some(f64::from(link.attempts)));
    text.one("robo_trader_sessions_total", Some(number(link.sessions)));
    let layers = link.layers.iter().map(|layer| (layer.layer.clone(), yes(layer.up)));
    text.many("robo_trader_layer_up", "layer", layers);
    let mut latest = std::collections::BTreeMap::new();
    let mut recovered = std::collections::BTreeMap::new();
    for incident in &snapshot.incidents {
        if let Some(ms) = incident.detect_ms {
            latest.insert(incident.name.clone(), seconds(ms.saturating_mul(1_000)));
        }
        if let Some(ms) = incident.recover_ms {
            recovered.insert(incident.name.clone(), seconds(ms.saturating_mul(1_000)));
        }
    }
    text.many("robo_trader_detect_seconds", "incident", latest);
    text.many("robo_trader_recover_seconds", "incident", recovered);
}

fn money(text: &mut Text, board: &Board) {
    let (snapshot, ..) = board.snapshot();
    let Some(account) = snapshot.account else { return };
    let usd = |value: Option<Usd>| value.map(Usd::to_f64);
    text.one("robo_trader_equity_usd", usd(account.equity_usd));
    text.one("robo_trader_cash_usd", usd(account.cash_usd));
    text.one("robo_trader_realized_pnl_usd", usd(Some(account.realized_usd)));
    text.one("robo_trader_unrealized_pnl_usd", usd(account.unrealized_usd));
    text.one("robo_trader_day_pnl_usd", usd(account.day_pnl_usd));
    text.one("robo_trader_fees_usd", usd(Some(account.fees_usd)));
    text.one("robo_trader_exposure_usd", usd(account.exposure_usd));
    text.one("robo_trader_drawdown_ratio", account.drawdown.and_then(|part| part.to_f64()));
    let named = |limit: &crate::runner::board::positions::LimitView| format!("{}_{}", limit.name, limit.unit);
    let limits = account.limits.iter().filter_map(|limit| Some((named(limit), limit.limit.to_f64()?)));
    text.many("robo_trader_limit", "limit", limits);
    let used = account.limits.iter().filter_map(|limit| Some((named(limit), limit.used?.to_f64()?)));
    text.many("robo_trader_limit_used", "limit", used);
    text.one("robo_trader_working_orders", Some(number(account.working_orders)));
    text.one("robo_trader_unknown_orders", Some(number(account.unknown_orders)));
    text.one("robo_trader_orders_total", Some(number(account.counts.orders)));
    text.one("robo_trader_fills_total", Some(number(account.counts.executions)));
    let refused = board.refused().into_iter().map(|(name, count)| (name.to_owned(), number(count)));
    text.many("robo_trader_refusals_total", "limit", refused);
    text.one("robo_trader_incidents_total", Some(number(account.counts.incidents)));
    let locks = u64::try_from(snapshot.locks.len()).unwrap_or(u64::MAX);
    text.one("robo_trader_locks", Some(number(locks)));
}

fn symbols(text: &mut Text, board: &Board) {
    let (snapshot, ..) = board.snapshot();
    let Some(account) = snapshot.account else { return };
    #[allow(clippy::cast_precision_loss, reason = "metrics are f64")]
    let held = snapshot.positions.iter().map(|row| (row.symbol.to_string(), row.held_shares.0 as f64));
    text.many("robo_trader_position_shares", "symbol", held);
    let ages = snapshot
        .positions
        .iter()
        .filter_map(|row| Some((row.symbol.to_string(), account.market_time.since(row.last_bar_end?).as_secs_f64())));
    text.many("robo_trader_bar_age_seconds", "symbol", ages);
}
