//! The limits. Every one has a safe default; none is unlimited when unset.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::domain::Usd;

/// What happens when the day's loss reaches its limit (rule 21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum OnDailyLoss {
    /// No entries until the next exchange day.
    #[default]
    Lock,
    /// Also close every position of the book.
    Flatten,
}

/// What entries may not exceed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Worth of one order, USD.
    pub max_order_notional: Usd,
    /// Worth of the entries of one exchange day, USD.
    pub max_daily_notional: Usd,
    /// Worth of the position in one symbol, USD.
    pub max_position_notional: Usd,
    /// Worth of all positions together, as a multiple of equity.
    pub max_leverage: Decimal,
    /// Symbols held or being entered at a time.
    pub max_open_positions: u32,
    /// Loss of one exchange day, unrealized included, as a fraction of the equity at its start.
    pub max_daily_loss: Decimal,
    /// What happens then.
    pub on_daily_loss: OnDailyLoss,
    /// Entries within a minute of market time.
    pub max_orders_per_minute: u32,
    /// How far an order's price may lie from the last close, as a fraction of it.
    pub price_collar: Decimal,
    /// Whether positions may be short.
    pub allow_short: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_order_notional: Usd::of(Decimal::from(10_000)),
            max_daily_notional: Usd::of(Decimal::from(500_000)),
            max_position_notional: Usd::of(Decimal::from(20_000)),
            max_leverage: Decimal::ONE,
            max_open_positions: 30,
            max_daily_loss: Decimal::new(2, 2),
            on_daily_loss: OnDailyLoss::Lock,
            max_orders_per_minute: 60,
            price_collar: Decimal::new(5, 2),
            allow_short: false,
        }
    }
}
