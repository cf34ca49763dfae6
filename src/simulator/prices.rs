//! Which price of a market a request is about, and bars of it.

use crate::domain::Bar;

/// `what_to_show`, as far as it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Trades (adjusted ones too: nothing here splits).
    Trades,
    /// The middle of bid and ask.
    Midpoint,
    /// The bid.
    Bid,
    /// The ask.
    Ask,
    /// Average bid, highest ask, lowest bid, average ask.
    BidAsk,
}

/// A word that names no price served here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadShow {
    /// TWS knows it.
    NotServed,
    /// Nobody does.
    Unknown,
}

impl Show {
    /// From the word; absent means trades.
    pub fn parse(word: &str) -> Result<Self, BadShow> {
        match word {
            "" | "TRADES" | "ADJUSTED_LAST" | "AGGTRADES" => Ok(Self::Trades),
            "MIDPOINT" => Ok(Self::Midpoint),
            "BID" => Ok(Self::Bid),
            "ASK" => Ok(Self::Ask),
            "BID_ASK" => Ok(Self::BidAsk),
            "HISTORICAL_VOLATILITY"
            | "OPTION_IMPLIED_VOLATILITY"
            | "FEE_RATE"
            | "YIELD_BID"
            | "YIELD_ASK"
            | "YIELD_BID_ASK"
            | "YIELD_LAST"
            | "SCHEDULE" => Err(BadShow::NotServed),
            _ => Err(BadShow::Unknown),
        }
    }

    /// The word in TWS's messages about missing data.
    pub fn as_word(self) -> &'static str {
        match self {
            Self::Trades => "Trades",
            Self::Midpoint => "Midpoint",
            Self::Bid => "Bid",
            Self::Ask => "Ask",
            Self::BidAsk => "BidAsk",
        }
    }

    /// A bar of trades as a bar of this price: the tape holds trades only, quotes lie one price
    /// step around them.
    pub fn of(self, bar: &Bar, tick: f64) -> Bar {
        // Sums of decimals written in binary: rounded back to what a person would write.
        let moved = |price: f64, by: f64| (((price + by).max(tick)) * 1e6).round() / 1e6;
        let shift = |by: f64| Bar {
            open: moved(bar.open, by),
            high: moved(bar.high, by),
            low: moved(bar.low, by),
            close: moved(bar.close, by),
            volume: None,
            ..*bar
        };
        match self {
            Self::Trades => *bar,
            Self::Midpoint => shift(0.0),
            Self::Bid => shift(-tick),
            Self::Ask => shift(tick),
            Self::BidAsk => Bar {
                open: moved(bar.close, -tick),
                high: moved(bar.high, tick),
                low: moved(bar.low, -tick),
                close: moved(bar.close, tick),
                volume: None,
                ..*bar
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MarketTime;

    #[test]
    fn quotes_lie_around_trades() {
        let bar = Bar {
            time: MarketTime::from_secs(0),
            end: MarketTime::from_secs(60),
            open: 10.0,
            high: 12.0,
            low: 9.0,
            close: 11.0,
            volume: Some(5),
        };
        assert_eq!(Show::Trades.of(&bar, 0.5), bar);
        let quotes = Show::BidAsk.of(&bar, 0.5);
        assert_eq!((quotes.open, quotes.high, quotes.low, quotes.close), (10.5, 12.5, 8.5, 11.5));
        assert_eq!(Show::parse("FEE_RATE"), Err(BadShow::NotServed));
        assert_eq!(Show::parse("trades"), Err(BadShow::Unknown));
    }
}
