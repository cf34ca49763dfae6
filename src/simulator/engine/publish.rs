//! What the tape does, told to those who subscribed to it.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::Engine;
use super::streams::{BarStream, FORMING_EVERY, TickStream, merged};
use crate::domain::{Bar, ContractId, MarketTime};
use crate::simulator::bar_words;
use crate::simulator::requests::market_data::DELAY;
use crate::simulator::requests::tick_words::changed_ticks;
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::history::{HistoricalDataBar, HistoricalDataUpdate};
use crate::simulator::wire::ids::answer;
use crate::simulator::wire::market_data::RealTimeBarTick;

/// An update of a bar stream, to be sent.
struct Update {
    to: ConnectionId,
    req_id: i32,
    bar: HistoricalDataBar,
}

fn update(to: ConnectionId, req_id: i32, stream: &BarStream, bar: &Bar) -> Update {
    let bar = stream.show.of(bar, stream.tick);
    Update { to, req_id, bar: bar_words::bar(&bar, stream.size, stream.format_date) }
}

impl Engine {
    fn send_updates(&mut self, updates: Vec<Update>) {
        for Update { to, req_id, bar } in updates {
            let message = HistoricalDataUpdate { req_id: Some(req_id), historical_data_bar: Some(bar) };
            self.send(to, answer::HISTORICAL_DATA_UPDATE, &message);
        }
    }

    /// Contracts whose bars somebody follows (or ticks, where nobody keeps step).
    pub(super) fn watched(&self) -> BTreeSet<ContractId> {
        let lock_step = self.driver.is_lock_step();
        let streams = self.clients.iter().flat_map(|(_, client)| {
            let bars = client.bars.values().map(|stream| stream.contract);
            let ticks = client.ticks.values().filter(move |_| !lock_step).map(|stream| stream.contract);
            bars.chain(client.real_time.values().map(|stream| stream.contract)).chain(ticks)
        });
        // Polling is following too, where nobody keeps step: the second time that the newest bars
        // of one size are asked for.
        let polled = self.polled.iter().filter(|(_, times)| **times > 1).map(|((contract, _), _)| *contract);
        streams.chain(polled).collect()
    }

    /// Contracts of which some client's bar is over at `at`.
    pub(super) fn streams_ending(&self, at: MarketTime) -> BTreeSet<ContractId> {
        let streams = self.clients.iter().flat_map(|(_, client)| client.bars.values());
        streams.filter(|stream| stream.ended(at)).map(|stream| stream.contract).collect()
    }

    /// A tape bar ended. Returns the end of the longest client bar that ended with it, where
    /// somebody decides on it.
    pub(super) fn publish_close(
        &mut self,
        contract: ContractId,
        bar: Option<&Bar>,
        next: Option<f64>,
        at: MarketTime,
    ) -> Option<MarketTime> {
        let calendar = self.calendar;
        let regular = bar.is_some_and(|bar| self.is_regular(bar.time));
        let regular_next = self.is_regular(at);
        let (real, lock_step) = (Instant::now(), self.driver.is_lock_step());
        let (mut updates, mut ended) = (Vec::new(), None);
        for (to, client) in self.clients.iter_mut() {
            for (req_id, stream) in client.bars.iter_mut().filter(|(_, stream)| stream.contract == contract) {
                if let Some(bar) = bar.filter(|_| stream.covers(regular)) {
                    stream.fold(calendar, bar);
                }
                let Some(forming) = stream.forming else { continue };
                if stream.ended(at) {
                    // The market's own bar: what a history request would now say, also where the
                    // stream began in its midst.
                    let (from, until) = (forming.time, forming.end);
                    let known = self.market.bars(contract, stream.size, from, until, stream.regular_only);
                    let whole = known.last().copied().filter(|bar| bar.time == from).unwrap_or(forming);
                    updates.push(update(to, *req_id, stream, &whole));
                    ended = ended.max(Some(forming.end));
                    stream.forming = None;
                    if let Some(price) = next.filter(|_| stream.covers(regular_next)) {
                        let first = stream.begin(calendar, at, price);
                        updates.push(update(to, *req_id, stream, &first));
                    }
                    stream.sent = Some((real, at));
                } else if bar.is_some() && stream.due(at, real, lock_step) {
                    updates.push(update(to, *req_id, stream, &forming));
                    stream.sent = Some((real, at));
                }
            }
        }
        self.send_updates(updates);
        if let Some(bar) = bar {
            self.publish_real_time(contract, bar, regular);
            let decides = self.decided_by_aggregates(contract, bar);
            ended = ended.max(decides);
        }
        self.publish_ticks(contract, at, real);
        ended
    }

    /// Where a client aggregates real-time bars itself: the end of its bar, if it ends with this.
    pub(super) fn decided_by_aggregates(&self, contract: ContractId, bar: &Bar) -> Option<MarketTime> {
        let size = self.config.decision_size?;
        let follows = |stream: &super::streams::RealTimeBars| stream.contract == contract;
        self.clients.iter().find(|(_, client)| client.real_time.values().any(follows))?;
        let end = self.calendar.bar_end(self.calendar.bar_open(bar.time, size), size);
        (end <= bar.end).then_some(end)
    }

    /// A tape bar opened: longer bars that have not begun with its announcement begin now.
    pub(super) fn publish_open(&mut self, contract: ContractId, at: MarketTime, price: f64) {
        let (calendar, regular, real) = (self.calendar, self.is_regular(at), Instant::now());
        let mut updates = Vec::new();
        for (to, client) in self.clients.iter_mut() {
            for (req_id, stream) in client.bars.iter_mut().filter(|(_, stream)| stream.contract == contract) {
                if stream.forming.is_none() && stream.covers(regular) {
                    let first = stream.begin(calendar, at, price);
                    stream.sent = Some((real, at));
                    updates.push(update(to, *req_id, stream, &first));
                }
            }
        }
        self.send_updates(updates);
        self.publish_ticks(contract, at, real);
    }

    /// Paced only: bars that are forming, a few times a second, and the exchange's last prices.
    pub(super) fn publish_forming(&mut self, real: Instant) {
        let now = self.now;
        let mut contracts: BTreeSet<ContractId> =
            self.exchange.live_orders().map(|order| order.order.contract).collect();
        contracts.extend(self.watched());
        contracts.extend(self.clients.iter().flat_map(|(_, client)| {
            let single = client.wishes.tick_by_tick.values().map(|stream| stream.contract);
            client.ticks.values().map(|stream| stream.contract).chain(single)
        }));
        for contract in contracts {
            let Some(part) = self.market.forming(contract, now) else { continue };
            if !self.is_halted(contract) {
                let events = self.exchange.touch(contract, now, part.close);
                self.deliver(events);
            }
            let regular = self.is_regular(part.time);
            let mut updates = Vec::new();
            for (to, client) in self.clients.iter_mut() {
                for (req_id, stream) in client.bars.iter_mut().filter(|(_, stream)| stream.contract == contract) {
                    let Some(forming) = stream.forming.filter(|_| stream.covers(regular)) else { continue };
                    let contains = forming.time <= part.time && part.time < forming.end;
                    if contains && stream.due(now, real, false) {
                        updates.push(update(to, *req_id, stream, &merged(&forming, &part)));
                        stream.sent = Some((real, now));
                    }
                }
            }
            self.send_updates(updates);
            self.publish_ticks(contract, now, real);
        }
    }

    fn publish_real_time(&mut self, contract: ContractId, bar: &Bar, regular: bool) {
        let mut bars = Vec::new();
        for (to, client) in self.clients.iter() {
            for (req_id, stream) in client.real_time.iter().filter(|(_, stream)| stream.contract == contract) {
                if regular || !stream.regular_only {
                    bars.push((to, real_time_bar(*req_id, &stream.show.of(bar, stream.tick))));
                }
            }
        }
        for (to, message) in bars {
            self.send(to, answer::REAL_TIME_BAR, &message);
        }
    }

    /// Sends what has changed in prices to those who follow ticks.
    fn publish_ticks(&mut self, contract: ContractId, at: MarketTime, real: Instant) {
        self.publish_single_ticks(contract, at);
        let follows = |stream: &TickStream| {
            stream.contract == contract && stream.at.is_none_or(|sent| real.duration_since(sent) >= FORMING_EVERY)
        };
        if !self.clients.iter().any(|(_, client)| client.ticks.values().any(follows)) {
            return;
        }
        let (live, late) = (self.market.quote(contract), self.market.quote_at(contract, at - DELAY));
        let mut changed = Vec::new();
        for (to, client) in self.clients.iter_mut() {
            for (req_id, stream) in client.ticks.iter_mut().filter(|(_, stream)| follows(stream)) {
                let (quote, of) = if stream.delayed { (&late, at - DELAY) } else { (&live, at) };
                let Some(quote) = quote else { continue };
                stream.at = Some(real);
                changed.push((to, changed_ticks(*req_id, stream, quote, of)));
            }
        }
        for (to, ticks) in changed {
            self.send_ticks(to, ticks);
        }
    }
}

fn real_time_bar(req_id: i32, bar: &Bar) -> RealTimeBarTick {
    let words = bar_words::bar(bar, crate::domain::BarSize::Secs5, 2);
    RealTimeBarTick {
        req_id: Some(req_id),
        time: Some(bar.time.secs()),
        open: words.open,
        high: words.high,
        low: words.low,
        close: words.close,
        volume: words.volume,
        wap: words.wap,
        count: words.bar_count,
    }
}
