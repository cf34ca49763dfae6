//! Refusals: why an order was not sent, as a value with its numbers.

use serde::{Deserialize, Serialize};

use super::{MarketTime, Price, Shares, Usd};

/// Why risk refused an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Refusal {
    /// The quantity is not a positive number of shares.
    #[error("quantity {quantity} is not positive")]
    Quantity {
        /// Shares.
        quantity: Shares,
    },
    /// A price is missing or not positive.
    #[error("price {price} is not positive")]
    BadPrice {
        /// USD a share.
        price: Price,
    },
    /// Worth more than one order may be.
    #[error("order is worth {notional} USD, the limit for one order is {limit} USD")]
    OrderNotional {
        /// USD.
        notional: Usd,
        /// USD.
        limit: Usd,
    },
    /// The day's entries would be worth too much.
    #[error("entries of the day would be worth {would_be} USD, the limit is {limit} USD")]
    DailyNotional {
        /// USD.
        would_be: Usd,
        /// USD.
        limit: Usd,
    },
    /// The position would be worth too much.
    #[error("position would be worth {would_be} USD, the limit for one symbol is {limit} USD")]
    PositionNotional {
        /// USD.
        would_be: Usd,
        /// USD.
        limit: Usd,
    },
    /// All positions together would be worth too much.
    #[error("positions would be worth {would_be} USD in all, the limit is {limit} USD")]
    GrossExposure {
        /// USD.
        would_be: Usd,
        /// USD.
        limit: Usd,
    },
    /// Too many positions.
    #[error("{open} positions are open, the limit is {limit}")]
    OpenPositions {
        /// Open now, entries on their way included.
        open: u32,
        /// At most.
        limit: u32,
    },
    /// The day's loss has reached its limit.
    #[error("the day's loss is {loss} USD, the limit is {limit} USD")]
    DailyLoss {
        /// USD, positive.
        loss: Usd,
        /// USD, positive.
        limit: Usd,
    },
    /// Too many orders within a minute of market time.
    #[error("{sent} orders in the last minute of market time, the limit is {limit}")]
    OrderRate {
        /// Orders.
        sent: u32,
        /// Orders.
        limit: u32,
    },
    /// The order's price is too far from the last bar's.
    #[error("price {price} lies outside {low} to {high}, the collar around the last close")]
    Collar {
        /// USD a share.
        price: Price,
        /// USD a share.
        low: Price,
        /// USD a share.
        high: Price,
    },
    /// A sale would go short and that is not allowed.
    #[error("position would be {would_be} shares and short selling is not allowed")]
    Short {
        /// Shares.
        would_be: Shares,
    },
    /// The broker's available funds do not carry it.
    #[error("needs about {needed} USD, available are {available} USD (own reservations deducted)")]
    Funds {
        /// USD.
        needed: Usd,
        /// USD.
        available: Usd,
    },
    /// No day trades are left.
    #[error("no day trades remaining")]
    DayTrades,
    /// A value that the decision needs is not known.
    #[error("{what} is unknown")]
    Unknown {
        /// Which value.
        what: String,
    },
    /// Entries are locked.
    #[error("entries are locked: {why}")]
    Locked {
        /// Why.
        why: String,
    },
    /// The broker's expected outage is near or here.
    #[error("held until the expected outage is over: {window}, until {until}")]
    Outage {
        /// Its name.
        window: String,
        /// Its end.
        until: MarketTime,
    },
    /// The sized quantity is less than one share.
    #[error("the allotted size is less than one share at {price}")]
    TooSmall {
        /// USD a share.
        price: Price,
    },
    /// Live trading requires a protective stop and none is configured.
    #[error("no protective stop is configured: set stop or allow_unprotected = true")]
    Unprotected,
}

impl Refusal {
    /// Its name in records and tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Quantity { .. } => "quantity",
            Self::BadPrice { .. } => "bad_price",
            Self::OrderNotional { .. } => "order_notional",
            Self::DailyNotional { .. } => "daily_notional",
            Self::PositionNotional { .. } => "position_notional",
            Self::GrossExposure { .. } => "gross_exposure",
            Self::OpenPositions { .. } => "open_positions",
            Self::DailyLoss { .. } => "daily_loss",
            Self::OrderRate { .. } => "order_rate",
            Self::Collar { .. } => "collar",
            Self::Short { .. } => "short",
            Self::Funds { .. } => "funds",
            Self::DayTrades => "day_trades",
            Self::Unknown { .. } => "unknown",
            Self::Locked { .. } => "locked",
            Self::Outage { .. } => "outage",
            Self::TooSmall { .. } => "too_small",
            Self::Unprotected => "unprotected",
        }
    }

    /// Whether the same entry may be tried again at the next bar (rule 1): the cause was the
    /// moment, not a limit.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::OrderRate { .. } | Self::Unknown { .. } | Self::Outage { .. } => true,
            Self::Quantity { .. }
            | Self::BadPrice { .. }
            | Self::OrderNotional { .. }
            | Self::DailyNotional { .. }
            | Self::PositionNotional { .. }
            | Self::GrossExposure { .. }
            | Self::OpenPositions { .. }
            | Self::DailyLoss { .. }
            | Self::Collar { .. }
            | Self::Short { .. }
            | Self::Funds { .. }
            | Self::DayTrades
            | Self::Locked { .. }
            | Self::TooSmall { .. }
            | Self::Unprotected => false,
        }
    }
}
