//! Metrics in Prometheus's text format, with units in their names. What is unknown is left out, never 0.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use rust_decimal::prelude::ToPrimitive;

use super::Shared;
use crate::clock::wall_now;
use crate::domain::{MarketTime, Usd};
use crate::notify::ChannelView;
use crate::runner::board::Board;
use crate::runner::histogram::Histogram;
use crate::runner::measured::QueueView;
use crate::runner::outlook::Status;

/// Every metric: name, type, help.
pub const METRICS: &[(&str, &str, &str)] = &[
    ("robo_trader_info", "gauge", "Always 1; the version is a label."),
    ("robo_trader_up_seconds", "gauge", "How long this process has served."),
    ("robo_trader_ready", "gauge", "1 while orders may be sent; 0 where none ever is (EXECUTION_MODE=observe)."),
    ("robo_trader_trading", "gauge", "1 while entries are made."),
    (
        "robo_trader_trading_since_timestamp_seconds",
        "gauge",
        "When entries began to be permitted, or not to be, by this machine's clock.",
    ),
    ("robo_trader_session_phase", "gauge", "1 for what the connection is doing."),
    ("robo_trader_breaker_state", "gauge", "1 for the circuit breaker's state."),
    ("robo_trader_connect_attempts", "gauge", "Attempts since the last session that was held."),
    ("robo_trader_sessions_total", "counter", "Sessions got by this process."),
    ("robo_trader_sessions_lost_total", "counter", "Sessions lost by this process."),
    ("robo_trader_dial_attempts_total", "counter", "Attempts to get a session by this process."),
    (
        "robo_trader_lost_to_ready_seconds",
        "histogram",
        "From losing a session to the first order permitted in another one, waits between attempts included.",
    ),
    (
        "robo_trader_dial_to_ready_seconds",
        "histogram",
        "From the beginning of the attempt that got a session to the first order permitted in it.",
    ),
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
    (
        "robo_trader_bar_age_seconds",
        "gauge",
        "Time since a symbol's last closed bar ended: market time, and time of this machine since that moved last.",
    ),
    ("robo_trader_working_orders", "gauge", "Live orders."),
    ("robo_trader_unknown_orders", "gauge", "Orders in doubt."),
    ("robo_trader_orders_total", "counter", "Orders intended since the ledger began."),
    ("robo_trader_fills_total", "counter", "Executions since the ledger began."),
    ("robo_trader_refusals_total", "counter", "Orders refused by risk, by limit, as far as the journal was read."),
    ("robo_trader_incidents_total", "counter", "Incidents since the ledger began."),
    ("robo_trader_locks", "gauge", "Locks in force."),
    ("robo_trader_journal_append_seconds", "histogram", "Appending a batch of facts to the journal."),
    ("robo_trader_decide_seconds", "histogram", "From a batch of inputs to the release of its orders."),
    (
        "robo_trader_tick_to_order_seconds",
        "histogram",
        "From a closed bar's arrival in its feed to its entry or exit handed to the gateway's socket.",
    ),
    (
        "robo_trader_tick_to_order_stage_seconds",
        "histogram",
        "The same by stage: strategy, desk, journal, send. Of one order they add up to it.",
    ),
    ("robo_trader_desk_heartbeat_age_seconds", "gauge", "Time since the desk gave its last sign of life."),
    ("robo_trader_queue_depth", "gauge", "What waits in a bounded queue."),
    ("robo_trader_queue_capacity", "gauge", "What it holds at most."),
    (
        "robo_trader_messages_left",
        "gauge",
        "Messages to the gateway that may leave now before the limit holds one back.",
    ),
    ("robo_trader_messages_waiting", "gauge", "Messages that wait for the limit."),
    ("robo_trader_orders_held_back_total", "counter", "Orders, new or changed, that had to wait for the limit."),
    ("robo_trader_history_requests_left", "gauge", "Historical requests that IBKR's rules still allow now, by rule."),
    ("robo_trader_alerts_delivered_total", "counter", "Alerts that a channel has taken."),
    ("robo_trader_alerts_failed_total", "counter", "Alerts that a channel has not taken."),
    ("robo_trader_alerts_failing", "gauge", "1 while a channel of the alerts fails."),
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
        self.buckets(name, "", histogram);
    }

    /// One of those that share a name; `label` as Prometheus writes it, or nothing.
    fn buckets(&mut self, name: &str, label: &str, histogram: &Histogram) {
        let (own, before) = if label.is_empty() {
            (String::new(), String::new())
        } else {
            (format!("{{{label}}}"), format!("{label},"))
        };
        let (bounds, (counts, sum_s)) = (histogram.bounds_us(), histogram.read());
        let mut all = 0;
        for (index, count) in counts.iter().enumerate() {
            let bound = bounds.get(index).map_or_else(|| "+Inf".to_owned(), |us| seconds(*us).to_string());
            // Writing to a String cannot fail.
            let _ = writeln!(self.0, "{name}_bucket{{{before}le=\"{bound}\"}} {count}");
            all = *count;
        }
        self.line(&format!("{name}_sum{own} {sum_s}\n{name}_count{own} {all}"));
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

fn size(count: usize) -> f64 {
    number(u64::try_from(count).unwrap_or(u64::MAX))
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
    text.histogram("robo_trader_tick_to_order_seconds", &board.stats().tick_to_order);
    text.head("robo_trader_tick_to_order_stage_seconds");
    for (stage, histogram) in board.stats().stages.named() {
        text.buckets("robo_trader_tick_to_order_stage_seconds", &format!("stage=\"{stage}\""), histogram);
    }
    text.histogram("robo_trader_lost_to_ready_seconds", &board.stats().lost_to_ready);
    text.histogram("robo_trader_dial_to_ready_seconds", &board.stats().dial_to_ready);
    waiting(&mut text, board);
    let alerts = board.stats().alerts();
    let channels = |of: fn(&ChannelView) -> f64| alerts.iter().map(move |view| (view.channel.to_owned(), of(view)));
    text.many("robo_trader_alerts_delivered_total", "channel", channels(|view| number(view.delivered)));
    text.many("robo_trader_alerts_failed_total", "channel", channels(|view| number(view.failed)));
    text.many("robo_trader_alerts_failing", "channel", channels(|view| yes(view.failing_for_s.is_some())));
    text.one("robo_trader_feed_messages_total", Some(number(board.feed().told())));
    text.one("robo_trader_feed_clients", Some(size(board.feed().listeners())));
    text.one("robo_trader_feed_dropped_total", Some(number(shared.dropped.load(Ordering::Relaxed))));
    text.0
}

/// What waits, and what pacing leaves.
fn waiting(text: &mut Text, board: &Board) {
    let stats = board.stats();
    text.one("robo_trader_desk_heartbeat_age_seconds", stats.desk_heartbeat_age().map(|age| age.as_secs_f64()));
    let (behind, at_most) = board.feed().behind();
    let clients = QueueView { queue: "feed_client", waiting: Some(behind), capacity: at_most };
    let queues: Vec<QueueView> = stats.queue_views().into_iter().chain([clients]).collect();
    let depths = queues.iter().filter_map(|row| Some((row.queue.to_owned(), size(row.waiting?))));
    text.many("robo_trader_queue_depth", "queue", depths);
    let capacities = queues.iter().map(|row| (row.queue.to_owned(), size(row.capacity)));
    text.many("robo_trader_queue_capacity", "queue", capacities);
    let Some(pacing) = stats.pacing() else { return };
    text.one("robo_trader_messages_left", Some(size(pacing.messages_left)));
    text.one("robo_trader_messages_waiting", Some(size(pacing.messages_waiting)));
    text.one("robo_trader_orders_held_back_total", Some(number(pacing.orders_held_back)));
    let left = [
        ("ten_minutes", pacing.small_bar_requests_left.map(f64::from)),
        ("open", Some(size(pacing.open_requests_left))),
        ("streams", Some(size(pacing.streams_left))),
    ];
    let left = left.into_iter().filter_map(|(rule, left)| Some((rule.to_owned(), left?)));
    text.many("robo_trader_history_requests_left", "rule", left);
}

fn connection(text: &mut Text, board: &Board) {
    let Some(link) = board.connection() else { return };
    let observes = |status: &Status| status.desk.as_ref().is_some_and(|desk| desk.observes);
    text.one("robo_trader_ready", board.status().map(|status| yes(status.ready && !observes(&status))));
    text.one("robo_trader_trading", Some(yes(link.trading == "yes")));
    let since = number(u64::try_from(link.trading_since.millis()).unwrap_or(0)) / 1e3;
    text.one("robo_trader_trading_since_timestamp_seconds", Some(since));
    text.many("robo_trader_session_phase", "phase", [(link.phase.to_owned(), 1.0)]);
    text.many("robo_trader_breaker_state", "state", [(link.breaker.to_owned(), 1.0)]);
    text.one("robo_trader_connect_attempts", Some(f64::from(link.attempts)));
    text.one("robo_trader_sessions_total", Some(number(link.sessions)));
    text.one("robo_trader_sessions_lost_total", Some(number(link.lost)));
    text.one("robo_trader_dial_attempts_total", Some(number(link.dials)));
    let layers = link.layers.iter().map(|layer| (layer.layer.clone(), yes(layer.up)));
    text.many("robo_trader_layer_up", "layer", layers);
    let mut latest = std::collections::BTreeMap::new();
    let mut recovered = std::collections::BTreeMap::new();
    for incident in board.incidents().iter().flatten() {
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
    let Some(account) = board.account() else { return };
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
    text.one("robo_trader_locks", board.locks().map(|locks| size(locks.len())));
}

fn symbols(text: &mut Text, board: &Board) {
    let Some(account) = board.account() else { return };
    let positions = board.positions();
    #[allow(clippy::cast_precision_loss, reason = "metrics are f64")]
    let held = positions.iter().flatten().map(|row| (row.symbol.to_string(), row.held_shares.0 as f64));
    text.many("robo_trader_position_shares", "symbol", held);
    // Market time stands while there is no session; a bar grows old all the same.
    let stands = board.market_stands().unwrap_or_default();
    let age = |end: MarketTime| (account.market_time.since(end) + stands).as_secs_f64();
    let ages = positions.iter().flatten().filter_map(|row| Some((row.symbol.to_string(), age(row.last_bar_end?))));
    text.many("robo_trader_bar_age_seconds", "symbol", ages);
}
