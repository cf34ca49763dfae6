//! The heartbeat: one line now and then that says how the daemon is, whatever it is doing.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tracing::{error, info, warn};

use super::outlook::Outlook;
use super::view::{DeskView, SymbolView};
use crate::domain::MarketTime;
use crate::robust_connection::{ConnectionState, Phase};

/// Symbols named as stale in a line.
const STALE_AT_MOST: usize = 5;

/// Symbols told one by one in a line.
const SYMBOLS_AT_MOST: usize = 30;

/// Writes a line every `interval`, for ever.
pub(super) async fn beat(interval: Duration, outlook: Outlook, symbols: usize) {
    let mut tick = tokio::time::interval_at(Instant::now() + interval, interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut market = Market::default();
    loop {
        tick.tick().await;
        let state = outlook.connection.borrow().clone();
        match outlook.stuck() {
            Some(stuck) => {
                let (connection, for_s) = (describe(&state), stuck.as_secs());
                error!(
                    connection,
                    for_s, "heartbeat: the desk does not answer; where it stays so, start the daemon again"
                );
            }
            None => {
                let view = outlook.view();
                let stands = view.as_deref().map(|view| market.stands(view.market_time, Instant::now()));
                line(&state, view.as_deref(), stands.unwrap_or_default(), symbols);
            }
        }
    }
}

/// The market time that was seen last, and when it was new: without a session it stands, and bars grow old all the same.
#[derive(Debug, Default)]
struct Market(Option<(MarketTime, Instant)>);

impl Market {
    /// How long market time has stood, as far as it was looked at. For the eye only: nothing is decided by it.
    fn stands(&mut self, time: MarketTime, now: Instant) -> Duration {
        let (_, since) = *self.0.insert(self.0.filter(|(seen, _)| *seen == time).unwrap_or((time, now)));
        now.saturating_duration_since(since)
    }
}

/// Market time as it is.
pub(super) const NOW: Duration = Duration::ZERO;

fn line(state: &ConnectionState, view: Option<&DeskView>, stands: Duration, symbols: usize) {
    let connection = describe(state);
    let Some(view) = view else {
        warn!(connection, "heartbeat: not trading, no session was Ready yet");
        return;
    };
    let usd = |value: Option<crate::domain::Usd>| {
        value.map_or_else(|| "unknown".to_owned(), |usd| format!("{:.2}", usd.decimal()))
    };
    let oldest = view.symbols.iter().filter_map(|symbol| symbol.last_bar_end).min();
    let oldest_bar_s = oldest.map(|end| (view.market_time.since(end) + stands).as_secs());
    let without_bars =
        symbols - view.symbols.iter().filter(|symbol| symbol.last_bar_end.is_some()).count().min(symbols);
    let held = view.symbols.iter().filter(|symbol| !symbol.held_shares.is_zero()).count();
    let (trading, stale, each) = (trading(view), stale(view, stands), each(view, stands));
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
        stale,
        symbols = each,
        "heartbeat"
    );
}

/// Whether it trades; where not, the first reason that is true.
pub(super) fn trading(view: &DeskView) -> &'static str {
    if !view.ready {
        "no: not ready"
    } else if view.observes {
        "no: it observes"
    } else if view.symbols.is_empty() {
        "no: no contracts"
    } else if view.symbols.iter().all(|symbol| symbol.open_since.is_none()) {
        "no: market closed"
    } else if view
        .symbols
        .iter()
        .all(|symbol| symbol.open_since.is_none() || age(view, symbol, NOW).is_none_or(|s| s > 3 * view.bar_s))
    {
        "no: no bars of late"
    } else if view.equity_usd.is_none() {
        "exits only: equity unknown"
    } else if is_locked(view) {
        "exits only: locked"
    } else {
        "yes"
    }
}

/// Whether nothing may be entered: the account is locked, or each symbol is.
fn is_locked(view: &DeskView) -> bool {
    let locked = |what: &str| view.locks.iter().any(|lock| lock.what == what);
    locked("account") || view.symbols.iter().all(|symbol| locked(symbol.symbol.as_str()))
}

/// Seconds since a symbol's newest closed bar ended; the time before today's open counts for
/// nothing while the market is open. `stands`: how long market time has stood since. `None` without a bar.
pub(super) fn age(view: &DeskView, symbol: &SymbolView, stands: Duration) -> Option<u64> {
    let end = symbol.last_bar_end?;
    Some((view.market_time.since(end.max(symbol.open_since.unwrap_or(end))) + stands).as_secs())
}

/// The symbols whose market is open and whose newest bar is older than three bars, with its age.
fn stale(view: &DeskView, stands: Duration) -> String {
    let open = view.symbols.iter().filter(|symbol| symbol.open_since.is_some());
    let old = open
        .filter_map(|symbol| Some((&symbol.symbol, age(view, symbol, stands).filter(|age| *age > 3 * view.bar_s)?)));
    listed(old.map(|(symbol, age)| format!("{symbol}={age}s")).collect(), STALE_AT_MOST)
}

/// Every symbol as name=age of its newest bar/target/shares held.
fn each(view: &DeskView, stands: Duration) -> String {
    let one = |symbol: &SymbolView| {
        let age = age(view, symbol, stands).map_or_else(|| "none".to_owned(), |age| format!("{age}s"));
        let target = symbol.target.map_or_else(|| "none".to_owned(), |target| format!("{target:+}"));
        format!("{}={age}/{target}/{}", symbol.symbol, symbol.held_shares)
    };
    listed(view.symbols.iter().map(one).collect(), SYMBOLS_AT_MOST)
}

fn listed(mut words: Vec<String>, at_most: usize) -> String {
    let more = words.len().saturating_sub(at_most);
    words.truncate(at_most);
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    words.join(" ")
}

pub(super) fn describe(state: &ConnectionState) -> String {
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

#[cfg(test)]
mod tests {
    use super::super::view::{LockView, tests_view as view};
    use super::*;
    use crate::domain::book::LockCause;

    #[test]
    fn the_first_true_reason_is_told() {
        let mut view = view();
        assert_eq!(trading(&view), "yes");
        let lock = |what: &str| LockView {
            what: what.to_owned(),
            cause: LockCause::DailyLoss,
            why: "loss".into(),
            since: MarketTime::MIN,
            ends: "tomorrow".into(),
            ends_itself: true,
        };
        view.locks = ["AAPL", "MSFT"].map(lock).to_vec();
        assert_eq!(trading(&view), "yes", "SPY may still be entered");
        view.locks.push(lock("SPY"));
        assert_eq!(trading(&view), "exits only: locked");
        view.locks = vec![lock("account")];
        assert_eq!(trading(&view), "exits only: locked");
        view.equity_usd = None;
        assert_eq!(trading(&view), "exits only: equity unknown");
        view.symbols[0].last_bar_end = None;
        assert_eq!(trading(&view), "no: no bars of late");
        view.symbols.iter_mut().for_each(|symbol| symbol.open_since = None);
        assert_eq!(trading(&view), "no: market closed");
        view.observes = true;
        assert_eq!(trading(&view), "no: it observes");
        view.ready = false;
        assert_eq!(trading(&view), "no: not ready");
    }

    #[test]
    fn symbols_are_told_with_the_age_of_their_bars_and_the_night_counts_for_nothing() {
        assert_eq!(stale(&view(), NOW), "MSFT=400s");
        assert_eq!(each(&view(), NOW), "AAPL=10s/+1/10 MSFT=400s/+1/10 SPY=none/+1/10");
        assert_eq!(listed(vec!["a".into(), "b".into(), "c".into()], 2), "a b and 1 more");
    }

    #[test]
    fn bars_grow_old_in_the_log_while_market_time_stands() {
        let (mut market, begin) = (Market::default(), Instant::now());
        let at = |minutes: u64| begin + Duration::from_secs(60 * minutes);
        let noon = MarketTime::from_secs(43_200);
        assert_eq!(market.stands(noon, at(0)), NOW);
        assert_eq!(market.stands(noon, at(120)), Duration::from_secs(7_200));
        let stands = market.stands(noon, at(120));
        assert_eq!(stale(&view(), stands), "AAPL=7210s MSFT=7600s");
        assert_eq!(each(&view(), stands), "AAPL=7210s/+1/10 MSFT=7600s/+1/10 SPY=none/+1/10");
        assert_eq!(market.stands(noon + Duration::from_secs(1), at(121)), NOW, "a session again");
    }
}
