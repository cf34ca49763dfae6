//! Bars of the API in our words, and live bars.

use std::time::Duration;

use chrono::NaiveDate;
use futures::StreamExt;
use ibapi::market_data::historical::{Bar as ApiBar, BarTimestamp, HistoricalBarUpdate};
use ibapi::market_data::realtime::Bar as RealtimeBar;
use ibapi::subscriptions::{Subscription, SubscriptionItem};
use ibapi::{Error, Notice, SUBSCRIPTION_LAG_CODE};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use super::codes::{self, HistoryFault};
use super::error::StreamEnd;
use super::pacer::OpenRequest;
use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, Contract, Hours, MarketTime, Window, plain};

/// One item of a bar stream.
#[derive(Debug, Clone, PartialEq)]
pub enum BarItem {
    /// The history asked for, first and normally once, ascending; the last may still be forming.
    /// A gateway that finds its source again may repeat it.
    History(Vec<Bar>),
    /// The bar now forming, as it is so far; a later open instant means the one before it ended.
    /// Real-time bars are whole when they come.
    Update(Bar),
}

/// Gives bars their ends, which the API leaves out: by the contract's own hours where they speak
/// of that day (trading-rules 24), else by the calendar.
#[derive(Debug, Clone)]
pub struct BarClock {
    calendar: Calendar,
    hours: Hours,
    size: BarSize,
    regular_only: bool,
}

const DAY: Duration = Duration::from_secs(86_400);

impl BarClock {
    /// The clock of a contract's bars of this size, in regular hours only or in all.
    pub fn new(contract: &Contract, size: BarSize, regular_only: bool) -> Self {
        let whole_day = |window: &Window| window.close.since(window.open) >= DAY;
        let always = contract.liquid_hours.windows.iter().any(whole_day);
        Self {
            calendar: if always { Calendar::Always } else { Calendar::Xnys },
            hours: if regular_only { contract.liquid_hours.clone() } else { contract.trading_hours.clone() },
            size,
            regular_only,
        }
    }

    /// Open and end of the bar that opens at `open`.
    fn intraday(&self, open: MarketTime) -> Window {
        let calendar = match self.hours.window(open) {
            // Our own regular hours: steps of the wall clock, cut only where these hours close,
            // whatever the calendar believes of that day.
            Some(_) if self.regular_only => Calendar::Always,
            // All hours also step at the regular session's ends, which these do not state.
            Some(_) | None => self.calendar,
        };
        let end = calendar.bar_end(open, self.size);
        let close = self.hours.window(open).map_or(end, |own| end.min(own.close));
        Window { open, close }
    }

    /// Open and end of the bar that TWS dates so: for a day its session; for longer ones the
    /// session of the date named, to the close of the last session of its week or month.
    fn dated(&self, date: NaiveDate) -> Window {
        let nominal = self.calendar.nominal_session(date);
        let own = self.hours.windows.iter().copied().find(|own| {
            // Regular hours of that day; all-hours statements begin before the session, and a
            // window of several days is no day's session.
            own.open == nominal.open && own.close.since(own.open) < DAY
        });
        let session = own.unwrap_or(nominal);
        if self.size == BarSize::Day1 {
            return session;
        }
        Window { open: session.open, close: self.calendar.bar_end(session.open, self.size) }
    }

    fn window(&self, date: &BarTimestamp) -> Option<Window> {
        match date {
            BarTimestamp::DateTime(at) => Some(self.intraday(MarketTime::from_secs(at.unix_timestamp()))),
            BarTimestamp::Date(date) => {
                let month = u32::from(u8::from(date.month()));
                NaiveDate::from_ymd_opt(date.year(), month, u32::from(date.day())).map(|date| self.dated(date))
            }
        }
    }

    /// The API's bar; `None` only for a date that no calendar has.
    pub fn bar(&self, bar: &ApiBar) -> Option<Bar> {
        let window = self.window(&bar.date)?;
        let ApiBar { open, high, low, close, .. } = *bar;
        Some(Bar { time: window.open, end: window.close, open, high, low, close, volume: volume(bar.volume) })
    }

    /// The API's real-time bar.
    fn realtime(&self, bar: &RealtimeBar) -> Bar {
        let window = self.intraday(MarketTime::from_secs(bar.date.unix_timestamp()));
        let RealtimeBar { open, high, low, close, .. } = *bar;
        Bar { time: window.open, end: window.close, open, high, low, close, volume: volume(bar.volume) }
    }

    /// A whole answer.
    pub fn bars(&self, bars: &[ApiBar]) -> Vec<Bar> {
        bars.iter().filter_map(|bar| self.bar(bar)).collect()
    }
}

/// Bars of quotes have none: the API writes -1.
fn volume(volume: f64) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked, and saturates")]
    (volume.is_finite() && volume >= 0.0).then(|| volume.round() as u64)
}

enum Source {
    Historical(Subscription<HistoricalBarUpdate>),
    Realtime(Subscription<RealtimeBar>),
}

/// Bars as they happen. Dropping it cancels the subscription and frees its place.
pub struct BarStream {
    source: Source,
    clock: BarClock,
    /// By when the history must have come; `None` once it has, and for real-time bars.
    first_by: Option<(Instant, Duration)>,
    ended: Option<StreamEnd>,
    _open: Option<OpenRequest>,
}

impl BarStream {
    pub(super) fn historical(
        updates: Subscription<HistoricalBarUpdate>,
        clock: BarClock,
        first_within: Duration,
        open: OpenRequest,
    ) -> Self {
        Self {
            source: Source::Historical(updates),
            clock,
            first_by: Some((Instant::now() + first_within, first_within)),
            ended: None,
            _open: Some(open),
        }
    }

    pub(super) fn realtime(bars: Subscription<RealtimeBar>, clock: BarClock) -> Self {
        Self { source: Source::Realtime(bars), clock, first_by: None, ended: None, _open: None }
    }

    /// The next item; after the end, the end again. Cancel-safe. The history comes within the
    /// request's deadline or the stream ends; updates have none (a quiet market sends none).
    ///
    /// # Errors
    /// Why the stream ended.
    pub async fn next(&mut self) -> Result<BarItem, StreamEnd> {
        if let Some(end) = &self.ended {
            return Err(end.clone());
        }
        let next = match self.first_by {
            None => self.read().await,
            Some((deadline, within)) => {
                timeout_at(deadline, self.read()).await.unwrap_or(Err(StreamEnd::Deadline { within }))
            }
        };
        match &next {
            Ok(_) => self.first_by = None,
            Err(end) => self.ended = Some(end.clone()),
        }
        next
    }

    async fn read(&mut self) -> Result<BarItem, StreamEnd> {
        loop {
            let item = match &mut self.source {
                Source::Historical(updates) => match updates.next().await {
                    Some(Ok(SubscriptionItem::Data(update))) => self.clock.item(&update),
                    Some(Ok(SubscriptionItem::Notice(notice))) => told(&notice)?,
                    Some(Err(error)) => return Err(ended(&error)),
                    None => return Err(ended(&Error::Shutdown)),
                },
                Source::Realtime(bars) => match bars.next().await {
                    Some(Ok(SubscriptionItem::Data(bar))) => Some(BarItem::Update(self.clock.realtime(&bar))),
                    Some(Ok(SubscriptionItem::Notice(notice))) => told(&notice)?,
                    Some(Err(error)) => return Err(ended(&error)),
                    None => return Err(ended(&Error::Shutdown)),
                },
            };
            if let Some(item) = item {
                return Ok(item);
            }
        }
    }
}

impl BarClock {
    fn item(&self, update: &HistoricalBarUpdate) -> Option<BarItem> {
        match update {
            HistoricalBarUpdate::Historical(data) => Some(BarItem::History(self.bars(&data.bars))),
            HistoricalBarUpdate::Update(bar) => self.bar(bar).map(BarItem::Update),
            HistoricalBarUpdate::End { .. } => None,
        }
    }
}

/// A notice within a stream: lost updates end it, the rest is for the log.
fn told(notice: &Notice) -> Result<Option<BarItem>, StreamEnd> {
    if notice.code == SUBSCRIPTION_LAG_CODE {
        warn!(text = %notice.message, "bar updates were lost on the way");
        return Err(StreamEnd::Lagged);
    }
    debug!(code = notice.code, text = %notice.message, "notice within a bar stream");
    Ok(None)
}

fn ended(error: &Error) -> StreamEnd {
    match error {
        Error::Notice(notice) if codes::history_fault(notice.code, &notice.message) == HistoryFault::Permanent => {
            StreamEnd::NotPermitted { code: notice.code, text: plain(&notice.message) }
        }
        error => StreamEnd::from_api(error),
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::domain::{ContractId, PriceRule};

    fn contract(liquid: &str, trading: &str) -> Contract {
        let hours = |text: &str| super::super::hours::parse(&[text.to_owned()], chrono_tz::US::Eastern);
        Contract {
            id: ContractId(1),
            symbol: "AAPL".parse().unwrap(),
            security_type: "STK".into(),
            exchange: "SMART".into(),
            primary_exchange: "NASDAQ".into(),
            currency: "USD".into(),
            local_symbol: "AAPL".into(),
            trading_class: "NMS".into(),
            price_rule: PriceRule::new(vec![]),
            time_zone: "US/Eastern".into(),
            trading_hours: hours(trading),
            liquid_hours: hours(liquid),
        }
    }

    fn at(text: &str) -> BarTimestamp {
        let at = chrono::DateTime::parse_from_rfc3339(text).unwrap();
        BarTimestamp::DateTime(OffsetDateTime::from_unix_timestamp(at.timestamp()).unwrap())
    }

    fn date(text: &str) -> BarTimestamp {
        text.parse().unwrap()
    }

    fn span(contract: &Contract, size: BarSize, regular_only: bool, open: BarTimestamp) -> String {
        let window = BarClock::new(contract, size, regular_only).window(&open).unwrap();
        format!("{} {}", window.open, window.close)
    }

    #[test]
    fn own_hours_decide_before_the_calendar() {
        // A made-up early close that no calendar knows.
        let contract = contract("20261123:0930-20261123:1215", "20261123:0400-20261123:2000");
        let hour = |regular, open| span(&contract, BarSize::Hour1, regular, at(open));
        assert_eq!(hour(true, "2026-11-23T14:30:00Z"), "2026-11-23T14:30:00Z 2026-11-23T15:00:00Z");
        assert_eq!(hour(true, "2026-11-23T17:00:00Z"), "2026-11-23T17:00:00Z 2026-11-23T17:15:00Z");
        assert_eq!(hour(false, "2026-11-23T17:00:00Z"), "2026-11-23T17:00:00Z 2026-11-23T18:00:00Z");
        assert_eq!(span(&contract, BarSize::Day1, true, date("20261123")), "2026-11-23T14:30:00Z 2026-11-23T17:15:00Z");
    }

    #[test]
    fn the_calendar_decides_where_own_hours_say_nothing() {
        let contract = contract("20261123:0930-20261123:1600", "20261123:0400-20261123:2000");
        // The day after Thanksgiving 2025 closed at 13:00.
        assert_eq!(span(&contract, BarSize::Day1, true, date("20251128")), "2025-11-28T14:30:00Z 2025-11-28T18:00:00Z");
        assert_eq!(
            span(&contract, BarSize::Hours2, true, at("2025-11-28T17:00:00Z")),
            "2025-11-28T17:00:00Z 2025-11-28T18:00:00Z"
        );
        assert_eq!(
            span(&contract, BarSize::Week1, true, date("20251128")),
            "2025-11-28T14:30:00Z 2025-11-28T18:00:00Z"
        );
    }

    #[test]
    fn a_market_that_never_closes_has_whole_days() {
        let contract = contract("20261123:0000-20261124:0000", "20261123:0000-20261124:0000");
        assert_eq!(span(&contract, BarSize::Day1, true, date("20261120")), "2026-11-20T05:00:00Z 2026-11-21T05:00:00Z");
        assert_eq!(
            span(&contract, BarSize::Hours4, true, at("2026-11-20T21:00:00Z")),
            "2026-11-20T21:00:00Z 2026-11-21T01:00:00Z"
        );
    }

    #[test]
    fn quotes_have_no_volume() {
        assert_eq!((volume(-1.0), volume(f64::NAN), volume(12.4), volume(0.0)), (None, None, Some(12), Some(0)));
    }
}
