//! Which order follows from which bar, and how long after it came.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::{Seen, What, fields};
use crate::simulator::wire::ids::{answer, request};

/// The window of the daemon's message limit.
const WINDOW: Duration = Duration::from_millis(1_100);

/// The newest bar of a symbol.
#[derive(Debug, Default)]
struct Newest {
    /// Its date, as written.
    date: Vec<u8>,
    /// When the frame had left that closed the bar before; nothing once anything of the symbol has come since.
    left: Option<Instant>,
    /// Whether the broker's time was told since: that may have closed this bar, too.
    timed: bool,
}

/// Follows what a tap sees: an order that is the first thing to come of its symbol after a bar has closed follows
/// from that bar. A bar closes with the first frame of the next one; one of five seconds, sent whole, with itself or
/// with the next. Where the broker's time was told between that frame and the order, it may be what closed the bar:
/// such an order is counted, not measured. An order later than the next bar's frame is measured from that one: times
/// near the interval of the bars, and beyond it, cannot be told from shorter ones.
#[derive(Debug, Default)]
pub struct Matching {
    /// Frames of bars that have left.
    pub frames: u64,
    /// Bars that have closed.
    pub bars: u64,
    /// Orders that came after something else of their symbol: protective legs, exits behind a cancel.
    pub others: u64,
    /// Orders before which the broker's time was told after their bar's frame.
    pub timed: u64,
    /// The most messages that came within the window of the daemon's message limit.
    pub peak: usize,
    /// The symbol that each request is about.
    asked: BTreeMap<(u64, u64), Vec<u8>>,
    newest: BTreeMap<Vec<u8>, Newest>,
    /// The symbol of each order.
    orders: BTreeMap<(u64, u64), Vec<u8>>,
    came: VecDeque<Instant>,
}

impl Matching {
    /// Counts anew; what the requests are about stays known.
    pub fn begin(&mut self) {
        (self.frames, self.bars, self.others, self.timed, self.peak) = (0, 0, 0, 0, 0);
        self.came.clear();
        self.newest.values_mut().for_each(|newest| newest.left = None);
    }

    /// Takes what was seen. Of an order that follows from a bar: from the last byte of that bar's frame to the first
    /// of the order's.
    pub fn hear(&mut self, seen: &Seen) -> Option<Duration> {
        match &seen.what {
            What::Came { id, head } => self.came(seen.connection, seen.at, *id, head),
            What::Left { id, head } => {
                self.left(seen.connection, seen.at, *id, head);
                None
            }
            What::Accepted | What::Ended => None,
        }
    }

    fn came(&mut self, connection: u64, at: Instant, id: i32, head: &[u8]) -> Option<Duration> {
        self.came.push_back(at);
        while self.came.front().is_some_and(|first| at.saturating_duration_since(*first) >= WINDOW) {
            self.came.pop_front();
        }
        self.peak = self.peak.max(self.came.len());
        let number = fields::number(head, 1)?;
        match id {
            request::HISTORICAL_DATA | request::REAL_TIME_BARS => {
                self.asked.insert((connection, number), symbol(head)?);
                None
            }
            request::PLACE_ORDER => {
                let symbol = symbol(head)?;
                let newest = self.newest.get_mut(&symbol);
                let found = newest.and_then(|newest| Some((newest.left.take()?, newest.timed)));
                self.orders.insert((connection, number), symbol);
                match found {
                    Some((left, false)) => return Some(at.saturating_duration_since(left)),
                    Some((_, true)) => self.timed += 1,
                    None => self.others += 1,
                }
                None
            }
            request::CANCEL_ORDER => {
                let symbol = self.orders.get(&(connection, number))?;
                self.newest.get_mut(symbol)?.left = None;
                None
            }
            _ => None,
        }
    }

    fn left(&mut self, connection: u64, at: Instant, id: i32, head: &[u8]) {
        if matches!(id, answer::CURRENT_TIME | answer::CURRENT_TIME_IN_MILLIS) {
            self.newest.values_mut().for_each(|newest| newest.timed = true);
        }
        if !matches!(id, answer::HISTORICAL_DATA_UPDATE | answer::REAL_TIME_BAR) {
            return;
        }
        self.frames += 1;
        let asked = fields::number(head, 1).and_then(|number| self.asked.get(&(connection, number)));
        let Some(symbol) = asked.cloned() else { return };
        let date = match id {
            answer::HISTORICAL_DATA_UPDATE => {
                fields::bytes(head, 2).and_then(|bar| fields::bytes(bar, 1)).unwrap_or_default().to_vec()
            }
            _ => fields::number(head, 2).unwrap_or_default().to_be_bytes().to_vec(),
        };
        let newest = self.newest.entry(symbol).or_default();
        if newest.date != date {
            self.bars += 1;
            *newest = Newest { date, left: Some(at), timed: false };
        }
    }
}

/// The symbol of a message whose second field is its contract.
fn symbol(head: &[u8]) -> Option<Vec<u8>> {
    Some(fields::bytes(fields::bytes(head, 2)?, 2)?.to_vec())
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::simulator::wire::Numbered;
    use crate::simulator::wire::contracts::Contract;
    use crate::simulator::wire::history::{HistoricalDataBar, HistoricalDataRequest, HistoricalDataUpdate};
    use crate::simulator::wire::orders::PlaceOrderRequest;

    #[test]
    fn an_order_follows_from_the_frame_that_closed_its_symbols_bar_unless_something_else_came_first() {
        let (begin, mut matching) = (Instant::now(), Matching::default());
        let contract = |name: &str| Some(Contract { symbol: Some(name.into()), ..Contract::default() });
        let mut tell = |us: u64, what| {
            let seen = Seen { connection: 1, at: begin + Duration::from_micros(us), what };
            matching.hear(&seen).map(|took| took.as_micros())
        };
        let came = |id, message: Vec<u8>| What::Came { id, head: message };
        let ask = |req_id, name| HistoricalDataRequest {
            req_id: Some(req_id),
            contract: contract(name),
            ..Default::default()
        };
        let bar = |req_id, date: &str| {
            let bar = HistoricalDataBar { date: Some(date.into()), ..HistoricalDataBar::default() };
            let update = HistoricalDataUpdate { req_id: Some(req_id), historical_data_bar: Some(bar) };
            What::Left { id: answer::HISTORICAL_DATA_UPDATE, head: update.encode_to_vec() }
        };
        let place = |order_id, name| {
            let order = PlaceOrderRequest { order_id: Some(order_id), contract: contract(name), ..Default::default() };
            came(request::PLACE_ORDER, order.encode_to_vec())
        };
        let cancel = |id| came(request::CANCEL_ORDER, Numbered { req_id: Some(id) }.encode_to_vec());
        let story = [
            (0, came(request::HISTORICAL_DATA, ask(1, "AAPL").encode_to_vec()), None),
            (0, came(request::HISTORICAL_DATA, ask(2, "NVDA").encode_to_vec()), None),
            (100, bar(1, "0905"), None),
            // The same bar, further on: nothing has closed.
            (150, bar(1, "0905"), None),
            (200, bar(2, "0905"), None),
            (700, place(1, "AAPL"), Some(600)),
            // Its protection.
            (710, place(2, "AAPL"), None),
            (900, place(3, "NVDA"), Some(700)),
            (1_000, bar(1, "0910"), None),
            (1_100, cancel(2), None),
            (1_200, place(4, "AAPL"), None),
            // The broker's time may have closed the second bar.
            (1_300, bar(2, "0910"), None),
            (1_400, What::Left { id: answer::CURRENT_TIME_IN_MILLIS, head: Vec::new() }, None),
            (1_500, place(5, "NVDA"), None),
            (1_600, bar(2, "0915"), None),
            (1_700, place(6, "NVDA"), Some(100)),
        ];
        for (us, what, took) in story {
            assert_eq!(tell(us, what.clone()), took, "{us}: {what:?}");
        }
        let counted = (matching.frames, matching.bars, matching.others, matching.timed, matching.peak);
        assert_eq!(counted, (6, 5, 2, 1, 9));
    }
}
