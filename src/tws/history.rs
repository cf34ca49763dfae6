//! Questions for history, paced and bounded.

use std::time::Duration;

use ibapi::Client;
use ibapi::market_data::TradingHours;
use ibapi::market_data::historical::{BarSize as ApiSize, Duration as ApiDuration, WhatToShow as ApiShow};
use ibapi::market_data::realtime::WhatToShow as RealtimeShow;
use time::OffsetDateTime;

use super::bars::{BarClock, BarStream};
use super::codes::{self, HistoryFault};
use super::error::RequestError;
use super::limiter::Priority;
use super::orders::api_contract;
use super::pacer::Pacer;
use super::requests::{Desk, within};
use super::turns::Turn;
use crate::domain::history::DurationUnit;
use crate::domain::{Bar, BarSize, Contract, HistoryDuration, HistoryRequest, WhatToShow};

fn api_size(size: BarSize) -> ApiSize {
    match size {
        BarSize::Secs1 => ApiSize::Sec,
        BarSize::Secs5 => ApiSize::Sec5,
        BarSize::Secs10 => ApiSize::Sec10,
        BarSize::Secs15 => ApiSize::Sec15,
        BarSize::Secs30 => ApiSize::Sec30,
        BarSize::Min1 => ApiSize::Min,
        BarSize::Mins2 => ApiSize::Min2,
        BarSize::Mins3 => ApiSize::Min3,
        BarSize::Mins4 => ApiSize::Min4,
        BarSize::Mins5 => ApiSize::Min5,
        BarSize::Mins10 => ApiSize::Min10,
        BarSize::Mins15 => ApiSize::Min15,
        BarSize::Mins20 => ApiSize::Min20,
        BarSize::Mins30 => ApiSize::Min30,
        BarSize::Hour1 => ApiSize::Hour,
        BarSize::Hours2 => ApiSize::Hour2,
        BarSize::Hours3 => ApiSize::Hour3,
        BarSize::Hours4 => ApiSize::Hour4,
        BarSize::Hours8 => ApiSize::Hour8,
        BarSize::Day1 => ApiSize::Day,
        BarSize::Week1 => ApiSize::Week,
        BarSize::Month1 => ApiSize::Month,
    }
}

fn api_show(show: WhatToShow) -> ApiShow {
    match show {
        WhatToShow::Trades => ApiShow::Trades,
        WhatToShow::Midpoint => ApiShow::MidPoint,
        WhatToShow::Bid => ApiShow::Bid,
        WhatToShow::Ask => ApiShow::Ask,
        WhatToShow::BidAsk => ApiShow::BidAsk,
        WhatToShow::AdjustedLast => ApiShow::AdjustedLast,
    }
}

/// Real-time bars know only four of them; `None` for the others.
fn realtime_show(show: WhatToShow) -> Option<RealtimeShow> {
    match show {
        WhatToShow::Trades => Some(RealtimeShow::Trades),
        WhatToShow::Midpoint => Some(RealtimeShow::MidPoint),
        WhatToShow::Bid => Some(RealtimeShow::Bid),
        WhatToShow::Ask => Some(RealtimeShow::Ask),
        WhatToShow::BidAsk | WhatToShow::AdjustedLast => None,
    }
}

fn api_duration(duration: HistoryDuration) -> ApiDuration {
    let count = i32::try_from(duration.count).unwrap_or(i32::MAX);
    match duration.unit {
        DurationUnit::Seconds => ApiDuration::seconds(count),
        DurationUnit::Days => ApiDuration::days(count),
        DurationUnit::Weeks => ApiDuration::weeks(count),
        DurationUnit::Months => ApiDuration::months(count),
        DurationUnit::Years => ApiDuration::years(count),
    }
}

fn hours(regular_only: bool) -> TradingHours {
    if regular_only { TradingHours::Regular } else { TradingHours::Extended }
}

fn what(contract: &Contract, request: &HistoryRequest) -> String {
    format!("history of {}, {} of {} bars ({})", contract.symbol, request.duration, request.size, request.show)
}

/// One question for history: it is slower than others, so that it gets four times as long.
pub(super) struct Historian<'a> {
    pub(super) client: &'a Client,
    pub(super) desk: Desk<'a>,
    pub(super) pacer: &'a Pacer,
}

impl Historian<'_> {
    fn patience(&self) -> Duration {
        self.desk.within.saturating_mul(4)
    }

    /// Bars of the past.
    pub(super) async fn fetch(&self, contract: &Contract, request: &HistoryRequest) -> Result<Vec<Bar>, RequestError> {
        // Held until the answer is here.
        let _open = self.pacer.admit(contract, request).await;
        self.ask(contract, request).await
    }

    /// The same for one who can wait; `None` where pacing does not let it through within `within`.
    pub(super) async fn fetch_as_guest(
        &self,
        contract: &Contract,
        request: &HistoryRequest,
        within: Duration,
    ) -> Result<Option<Vec<Bar>>, RequestError> {
        let Some(_open) = self.pacer.admit_guest(contract, request, within).await else { return Ok(None) };
        self.ask(contract, request).await.map(Some)
    }

    /// Asks, once pacing has let it through.
    async fn ask(&self, contract: &Contract, request: &HistoryRequest) -> Result<Vec<Bar>, RequestError> {
        let what = what(contract, request);
        self.desk.turn(&what, Priority::Data).await?;
        let asked = api_contract(contract);
        let mut question = self
            .client
            .historical_data(&asked, api_size(request.size))
            .duration(api_duration(request.duration))
            .what_to_show(api_show(request.show))
            .trading_hours(hours(request.regular_only));
        if let Some(end) = request.end {
            let end = OffsetDateTime::from_unix_timestamp(end.secs()).map_err(|error| RequestError::Unreadable {
                what: what.clone(),
                reason: format!("its end {end} is out of range: {error}"),
            })?;
            question = question.ending(end);
        }
        match within(&what, self.patience(), question.fetch()).await {
            Ok(data) => Ok(BarClock::new(contract, request.size, request.regular_only).bars(&data.bars)),
            Err(RequestError::Refused { code, text, .. })
                if codes::history_fault(code, &text) == HistoryFault::NoData =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(self.noted(error)),
        }
    }

    /// Bars of the past, then the forming bar.
    pub(super) async fn stream(
        &self,
        contract: &Contract,
        request: &HistoryRequest,
    ) -> Result<BarStream, RequestError> {
        let what = format!("stream: {}", what(contract, request));
        let open = self
            .pacer
            .admit_stream(contract, request)
            .await
            .map_err(|full| RequestError::TooManyStreams { what: what.clone(), limit: full.limit })?;
        let asked = api_contract(contract);
        let question = self
            .client
            .historical_data(&asked, api_size(request.size))
            .duration(api_duration(request.duration))
            .what_to_show(api_show(request.show))
            .trading_hours(hours(request.regular_only));
        let updates = self.desk.ask(&what, Priority::Data, question.stream()).await?;
        let clock = BarClock::new(contract, request.size, request.regular_only);
        Ok(BarStream::historical(updates, clock, self.patience(), open))
    }

    /// Five-second bars, once it is their turn.
    pub(super) async fn realtime(
        &self,
        turn: Turn,
        contract: &Contract,
        show: WhatToShow,
        regular_only: bool,
    ) -> Result<BarStream, RequestError> {
        let what = format!("real-time bars of {} ({show})", contract.symbol);
        let Some(api_show) = realtime_show(show) else {
            return Err(RequestError::Unreadable { what, reason: format!("TWS makes no real-time bars of {show}") });
        };
        let asked = api_contract(contract);
        let question = self.client.realtime_bars(&asked).what_to_show(api_show).trading_hours(hours(regular_only));
        turn.come().await;
        let bars = self.desk.ask(&what, Priority::Data, question.subscribe()).await?;
        turn.left();
        Ok(BarStream::realtime(bars, BarClock::new(contract, BarSize::Secs5, regular_only)))
    }

    /// Tells the pacer and the limiter of a violation.
    fn noted(&self, error: RequestError) -> RequestError {
        if let RequestError::Refused { code, text, .. } = &error {
            if codes::history_fault(*code, text) == HistoryFault::Pacing {
                self.pacer.violated();
            } else if *code == codes::TOO_FAST {
                self.desk.limiter.hold();
            }
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_words_are_the_apis_words() {
        for size in BarSize::all() {
            assert_eq!(api_size(size).to_string(), size.as_str());
        }
        for text in ["10 D", "3600 S", "2 W", "6 M", "1 Y"] {
            assert_eq!(api_duration(text.parse().unwrap()).to_string(), text);
        }
        for word in ["TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK", "ADJUSTED_LAST"] {
            assert_eq!(api_show(word.parse().unwrap()).to_string(), word);
        }
    }
}
