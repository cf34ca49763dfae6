//! Ticks in TWS's numbers.

use crate::domain::{MarketTime, Price, Shares};
use crate::exchange::Borrow;
use crate::simulator::engine::streams::{Day, TickStream};
use crate::simulator::market::Quote;
use crate::simulator::wire::market_data::{TickGeneric, TickPrice, TickSize, TickString};

/// TWS's tick types.
mod kind {
    pub const BID_SIZE: i32 = 0;
    pub const BID: i32 = 1;
    pub const ASK: i32 = 2;
    pub const ASK_SIZE: i32 = 3;
    pub const LAST: i32 = 4;
    pub const LAST_SIZE: i32 = 5;
    pub const HIGH: i32 = 6;
    pub const LOW: i32 = 7;
    pub const VOLUME: i32 = 8;
    pub const CLOSE: i32 = 9;
    pub const OPEN: i32 = 14;
    pub const LAST_TIME: i32 = 45;
    pub const SHORTABLE: i32 = 46;
    pub const REAL_TIME_VOLUME: i32 = 48;
    pub const HALTED: i32 = 49;
    pub const SHORTABLE_SHARES: i32 = 89;
}

/// Size of a last trade of which nothing is known.
const USUAL_SIZE: i64 = 100;

/// One tick, to be sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Tick {
    /// A price, perhaps with its size.
    Price(TickPrice),
    /// A size.
    Size(TickSize),
    /// A text.
    Text(TickString),
    /// A number.
    Number(TickGeneric),
}

/// The number under which a tick is sent where it is delayed.
fn delayed(tick_type: i32) -> i32 {
    match tick_type {
        kind::BID => 66,
        kind::ASK => 67,
        kind::LAST => 68,
        kind::BID_SIZE => 69,
        kind::ASK_SIZE => 70,
        kind::LAST_SIZE => 71,
        kind::HIGH => 72,
        kind::LOW => 73,
        kind::VOLUME => 74,
        kind::CLOSE => 75,
        kind::OPEN => 76,
        kind::LAST_TIME => 88,
        kind::HALTED => 90,
        other => other,
    }
}

/// Makes the ticks of one stream.
struct Writer {
    req_id: i32,
    delayed: bool,
    ticks: Vec<Tick>,
}

impl Writer {
    fn new(req_id: i32, delayed: bool) -> Self {
        Self { req_id, delayed, ticks: Vec::new() }
    }

    fn number(&self, tick_type: i32) -> Option<i32> {
        Some(if self.delayed { delayed(tick_type) } else { tick_type })
    }

    fn price(&mut self, tick_type: i32, price: f64, size: Option<String>) {
        let (req_id, attr_mask, tick_type) = (Some(self.req_id), Some(0), self.number(tick_type));
        self.ticks.push(Tick::Price(TickPrice { req_id, tick_type, price: Some(price), size, attr_mask }));
    }

    fn size(&mut self, tick_type: i32, size: impl ToString) {
        let (req_id, tick_type) = (Some(self.req_id), self.number(tick_type));
        self.ticks.push(Tick::Size(TickSize { req_id, tick_type, size: Some(size.to_string()) }));
    }

    fn text(&mut self, tick_type: i32, value: String) {
        let (req_id, tick_type) = (Some(self.req_id), self.number(tick_type));
        self.ticks.push(Tick::Text(TickString { req_id, tick_type, value: Some(value) }));
    }
}

/// Whether a contract is halted (0 or 1, as TWS sends it).
pub fn halted(req_id: i32, halted: bool, is_delayed: bool) -> Tick {
    let value = Some(f64::from(u8::from(halted)));
    let tick_type = Some(if is_delayed { delayed(kind::HALTED) } else { kind::HALTED });
    Tick::Number(TickGeneric { req_id: Some(req_id), tick_type, value })
}

/// How easily shares can be borrowed: TWS's level (above 2.5: at least 1,000 shares; above 1.5: they
/// will be looked for; else none) and how many there are.
pub fn shortable(req_id: i32, borrow: Borrow) -> Vec<Tick> {
    let (level, shares) = match borrow {
        Borrow::Easy => (3.0, 10_000_000),
        Borrow::Locate => (2.0, 0),
        Borrow::None => (1.0, 0),
    };
    let (req_id, tick_type) = (Some(req_id), Some(kind::SHORTABLE_SHARES));
    vec![
        Tick::Number(TickGeneric { req_id, tick_type: Some(kind::SHORTABLE), value: Some(level) }),
        Tick::Size(TickSize { req_id, tick_type, size: Some(shares.to_string()) }),
    ]
}

/// The day's figures.
pub fn day_ticks(req_id: i32, day: &Day, delayed: bool) -> Vec<Tick> {
    let mut writer = Writer::new(req_id, delayed);
    let known = [(kind::OPEN, day.open), (kind::HIGH, day.high), (kind::LOW, day.low), (kind::CLOSE, day.close)];
    for (tick_type, value) in known.into_iter().filter(|(_, value)| *value > 0.0) {
        writer.price(tick_type, value, None);
    }
    writer.ticks
}

/// The ticks of what has changed since the last ones.
pub fn changed_ticks(req_id: i32, stream: &mut TickStream, quote: &Quote, at: MarketTime) -> Vec<Tick> {
    let mut writer = Writer::new(req_id, stream.delayed);
    // What was traded before the first quote is no trade of this stream.
    let begun = stream.sent[2].is_some();
    let traded = quote.volume.saturating_sub(stream.day.volume);
    let last_size = if begun && traded > 0 { i64::try_from(traded).unwrap_or(i64::MAX) } else { USUAL_SIZE };
    let sides = [
        (kind::BID, quote.bid, Some((kind::BID_SIZE, quote.bid_size))),
        (kind::ASK, quote.ask, Some((kind::ASK_SIZE, quote.ask_size))),
        (kind::LAST, quote.last, Some((kind::LAST_SIZE, Shares(last_size)))),
    ];
    for (place, (tick_type, value, sized)) in sides.into_iter().enumerate() {
        let exact = Price::from_f64(value);
        if stream.sent[place] == exact {
            continue;
        }
        stream.sent[place] = exact;
        writer.price(tick_type, value, sized.map(|(_, shares)| shares.to_string()));
        if let Some((size_type, shares)) = sized {
            writer.size(size_type, shares);
        }
        if tick_type == kind::LAST {
            writer.text(kind::LAST_TIME, at.secs().to_string());
        }
    }
    if quote.volume != stream.day.volume {
        stream.day.volume = quote.volume;
        writer.size(kind::VOLUME, quote.volume);
        if stream.real_time_volume && begun && traded > 0 {
            // Price, size, time, the day's volume, its average price, whether one trade filled it.
            let text = format!("{};{traded};{};{};{};true", quote.last, at.millis(), quote.volume, quote.last);
            writer.text(kind::REAL_TIME_VOLUME, text);
        }
    }
    if quote.last > stream.day.high {
        stream.day.high = quote.last;
        writer.price(kind::HIGH, quote.last, None);
    }
    if quote.last < stream.day.low {
        stream.day.low = quote.last;
        writer.price(kind::LOW, quote.last, None);
    }
    writer.ticks
}
