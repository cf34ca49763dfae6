//! Contracts: what is traded, when, and at which prices.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{MarketTime, Price};

/// IBKR's number of a contract (`conId`). Books are keyed by it: a symbol is only its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContractId(pub i32);

impl ContractId {
    /// The number that a simulated market gives a symbol: the same in every run. `taken` says which
    /// numbers other symbols have.
    pub fn simulated(symbol: &Symbol, taken: impl Fn(Self) -> bool) -> Self {
        let hash = symbol
            .as_str()
            .bytes()
            .fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        // Below 2^31, and above the order ids that it could be taken for.
        let mut id = Self(10_000_000 + i32::try_from(hash % 900_000_000).unwrap_or(0));
        while taken(id) {
            id = Self(id.0 + 1);
        }
        id
    }
}

impl super::ascending::Key for ContractId {
    #[inline]
    fn spread(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for ContractId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A ticker symbol: 1 to 24 characters of `A-Z 0-9 . - / space`, upper case.
///
/// It travels with every order and fact: copying and comparing it are a few instructions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol([u8; SYMBOL_LENGTH]);

/// Characters of the longest symbol. Shorter ones have zeroes behind them.
const SYMBOL_LENGTH: usize = 24;

impl Symbol {
    /// Its text.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(SYMBOL_LENGTH);
        // Of ASCII alone.
        std::str::from_utf8(&self.0[..length]).unwrap_or_default()
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Symbol").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that cannot be a symbol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a symbol: use 1 to 24 of A-Z, 0-9, '.', '-', '/' or ' '")]
pub struct BadSymbol(pub String);

impl FromStr for Symbol {
    type Err = BadSymbol;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, mut symbol) = (text.trim().as_bytes(), [0; SYMBOL_LENGTH]);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'/' | b' ');
        let room = symbol.get_mut(..name.len()).filter(|room| !room.is_empty());
        let Some(room) = room.filter(|_| name.iter().copied().all(fits)) else {
            return Err(BadSymbol(text.to_owned()));
        };
        room.copy_from_slice(name);
        symbol.make_ascii_uppercase();
        Ok(Self(symbol))
    }
}

impl Serialize for Symbol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Symbol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::text::parsed(deserializer, "a ticker symbol")
    }
}

/// One open interval of a market, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First instant.
    pub open: MarketTime,
    /// First instant after it.
    pub close: MarketTime,
}

/// The hours of a contract as the gateway states them: the days it covers and, within them, when
/// the market is open. Outside the covered span the answer is unknown, never "closed".
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hours {
    /// Open intervals, ascending, not overlapping.
    pub windows: Vec<Window>,
    /// The span of the statement (first instant of its first date to the end of its last), if it
    /// states anything.
    pub covers: Option<Window>,
}

impl Hours {
    /// Whether the market is open at `at`; `None` where the statement does not cover it.
    pub fn is_open(&self, at: MarketTime) -> Option<bool> {
        if self.windows.iter().any(|w| w.open <= at && at < w.close) {
            return Some(true);
        }
        self.covers.filter(|c| c.open <= at && at < c.close).map(|_| false)
    }

    /// The interval that contains `at`.
    pub fn window(&self, at: MarketTime) -> Option<Window> {
        self.windows.iter().copied().find(|w| w.open <= at && at < w.close)
    }

    /// The next interval that opens after `at`, if the statement reaches that far.
    pub fn next_open(&self, at: MarketTime) -> Option<MarketTime> {
        self.windows.iter().map(|w| w.open).find(|open| *open > at)
    }
}

/// Which way a price may be moved to fit the price rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// To the lower price (a buyer's better side).
    Down,
    /// To the higher price (a seller's better side).
    Up,
    /// To the nearer, half up.
    Nearest,
}

/// The smallest price steps of a contract: from each low edge upwards, one increment (IBKR's
/// "market rule").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceRule(Vec<(Price, Price)>);

impl PriceRule {
    /// From (low edge, increment) pairs. Non-positive increments are dropped; with none left the
    /// step is one cent.
    pub fn new(mut steps: Vec<(Price, Price)>) -> Self {
        steps.retain(|(_, increment)| *increment > Price::ZERO);
        steps.sort_by_key(|(edge, _)| *edge);
        if steps.is_empty() {
            steps.push((Price::ZERO, Price::of(Decimal::new(1, 2))));
        }
        Self(steps)
    }

    /// One increment at every price.
    pub fn flat(increment: Price) -> Self {
        Self::new(vec![(Price::ZERO, increment)])
    }

    /// Steps of US stocks: 0.0001 below one dollar, a cent from there on (SEC Regulation NMS, rule 612).
    pub fn us_stock() -> Self {
        Self::new(vec![
            (Price::ZERO, Price::of(Decimal::new(1, 4))),
            (Price::of(Decimal::ONE), Price::of(Decimal::new(1, 2))),
        ])
    }

    /// (low edge, increment) pairs, ascending.
    pub fn steps(&self) -> &[(Price, Price)] {
        &self.0
    }

    /// The increment in force at `price`.
    pub fn increment(&self, price: Price) -> Price {
        let fitting = self.0.iter().rev().find(|(edge, _)| *edge <= price);
        // `new` leaves at least one step, so the first exists.
        fitting.or(self.0.first()).map_or(Price::of(Decimal::new(1, 2)), |(_, increment)| *increment)
    }

    /// The price moved onto the grid.
    pub fn round(&self, price: Price, rounding: Rounding) -> Price {
        let step = self.increment(price).decimal();
        let steps = price.decimal() / step;
        let whole = match rounding {
            Rounding::Down => steps.floor(),
            Rounding::Up => steps.ceil(),
            Rounding::Nearest => (steps + Decimal::new(5, 1)).floor(),
        };
        Price::of((whole * step).normalize())
    }

    /// Whether the price lies on the grid.
    pub fn fits(&self, price: Price) -> bool {
        (price.decimal() % self.increment(price).decimal()).is_zero()
    }
}

/// A resolved contract: what IBKR's contract details say that matters here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// IBKR's number.
    pub id: ContractId,
    /// Its label.
    pub symbol: Symbol,
    /// IBKR's security type word (`STK`).
    pub security_type: String,
    /// Where orders are routed (`SMART`).
    pub exchange: String,
    /// Listing exchange (`NASDAQ`).
    pub primary_exchange: String,
    /// Trading currency (`USD`).
    pub currency: String,
    /// The exchange's own name of it.
    pub local_symbol: String,
    /// IBKR's trading class (`NMS`).
    pub trading_class: String,
    /// Price steps.
    pub price_rule: PriceRule,
    /// IANA zone of the hours (`US/Eastern`).
    pub time_zone: String,
    /// All hours in which it trades, outside regular ones too.
    pub trading_hours: Hours,
    /// Regular hours.
    pub liquid_hours: Hours,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    #[test]
    fn symbols_are_upper_case_and_checked() {
        assert_eq!("aapl ".parse::<Symbol>().unwrap().as_str(), "AAPL");
        assert_eq!("BRK B".parse::<Symbol>().unwrap().as_str(), "BRK B");
        let longest = "ABCDEFGHIJKLMNOPQRSTUVWX";
        assert_eq!(longest.parse::<Symbol>().unwrap().as_str(), longest);
        assert!("A".parse::<Symbol>().unwrap() < "A.B".parse().unwrap());
        for bad in ["", " ", "A;B", "A\0", "é", "ABCDEFGHIJKLMNOPQRSTUVWXY"] {
            assert!(bad.parse::<Symbol>().is_err(), "{bad}");
        }
    }

    #[test]
    fn prices_round_to_the_step_of_their_level() {
        let rule = PriceRule::new(vec![(price("0"), price("0.0001")), (price("1"), price("0.01"))]);
        assert_eq!(rule.round(price("0.12345"), Rounding::Down), price("0.1234"));
        assert_eq!(rule.round(price("10.009"), Rounding::Down), price("10"));
        assert_eq!(rule.round(price("10.001"), Rounding::Up), price("10.01"));
        assert_eq!(rule.round(price("10.005"), Rounding::Nearest), price("10.01"));
        assert!(rule.fits(price("0.5001")) && !rule.fits(price("1.001")));
    }

    #[test]
    fn hours_outside_the_statement_are_unknown() {
        let at = MarketTime::from_secs;
        let hours = Hours {
            windows: vec![Window { open: at(100), close: at(200) }],
            covers: Some(Window { open: at(0), close: at(1_000) }),
        };
        assert_eq!(hours.is_open(at(99)), Some(false));
        assert_eq!(hours.is_open(at(100)), Some(true));
        assert_eq!(hours.is_open(at(200)), Some(false));
        assert_eq!(hours.is_open(at(1_000)), None);
        assert_eq!(hours.next_open(at(50)), Some(at(100)));
    }
}
