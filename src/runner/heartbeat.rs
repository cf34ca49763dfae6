//! The heartbeat: one line now and then that says how the daemon is, whatever it is doing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{info, warn};

use super::view::DeskView;
use crate::robust_connection::{ConnectionState, Phase};

/// Writes a line every `interval`, for ever.
pub(super) async fn beat(
    interval: Duration,
    connection: watch::Receiver<ConnectionState>,
    shown: watch::Receiver<Option<watch::Receiver<Arc<DeskView>>>>,
    symbols: usize,
) {
    let mut tick = tokio::time::interval_at(Instant::now() + interval, interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let state = connection.borrow().clone();
        let view = shown.borrow().as_ref().map(|view| Arc::clone(&view.borrow()));
        line(&state, view.as_deref(), symbols);
    }
}

fn line(state: &ConnectionState, view: Option<&DeskView>, symbols: usize) {
    let connection = describe(state);
    let Some(view) = view else {
        warn!(connection, "heartbeat: not trading, no session was Ready yet");
        return;
    };
    let usd =
        |value: Option<crate::domain::Usd>| value.map_or_else(|| "unknown".to_owned(), |usd| format!("{:.2}", usd.0));
    let oldest = view.symbols.iter().filter_map(|symbol| symbol.last_bar_end).min();
    let oldest_bar_s = oldest.map(|end| view.market_time.since(end).as_secs());
    let without_bars =
        symbols - view.symbols.iter().filter(|symbol| symbol.last_bar_end.is_some()).count().min(symbols);
    let held = view.symbols.iter().filter(|symbol| !symbol.held.is_zero()).count();
    let trading = if !view.ready {
        "no: not ready"
    } else if view.locks.is_empty() {
        "yes"
    } else {
        "exits only: locked"
    };
    info!(
        trading,
        connection,
        market_time = %view.market_time,
        equity_usd = usd(view.equity_usd),
        day_pnl_usd = usd(view.day_pnl_usd),
        positions = held,
        working_orders = view.working_orders,
        unknown_orders = view.unknown_orders,
        oldest_bar_s,
        symbols_without_bars = without_bars,
        "heartbeat"
    );
}

fn describe(state: &ConnectionState) -> String {
    let now = Instant::now();
    let left = |until: Instant| until.saturating_duration_since(now).as_secs();
    match &state.phase {
        Phase::Idle => "idle".to_owned(),
        Phase::Dialing { attempt, .. } => format!("dialling, attempt {attempt}"),
        Phase::BackingOff { attempt, until, error, .. } => {
            format!("backing off after attempt {attempt}, next in {} s: {error}", left(*until))
        }
        Phase::Open { until } => format!("breaker open, next attempt in {} s", left(*until)),
        Phase::Connected => "connected, not reconciled yet".to_owned(),
        Phase::Held => format!("connected for {} s", now.saturating_duration_since(state.since).as_secs()),
        Phase::Lost { why, .. } => format!("lost: {why}"),
        Phase::Failed { error } => format!("failed: {error}"),
    }
}
