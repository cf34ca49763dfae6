//! What the exchange remembers of contracts and orders.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::prices::Nature;
use super::{Borrow, Order, OrderKey};
use crate::domain::{Ascending, MarketTime, Price, PriceRule, Shares, Usd};

/// Digits after the point of an average fill price.
const AVERAGE_DIGITS: u32 = 8;

/// Quantity-weighted average price of fills of this value, the last of which was of so many shares at this price.
pub(super) fn average(value: Usd, filled: Shares, last: (Shares, Price)) -> Price {
    if filled == last.0 {
        // The only one: nothing to be divided.
        return last.1.rounded(AVERAGE_DIGITS);
    }
    Price::of(value.decimal().checked_div(Decimal::from(filled.0)).unwrap_or_default().round_dp(AVERAGE_DIGITS))
}

/// A contract's market.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Market {
    pub(super) rule: PriceRule,
    /// Latest price, kept as it came: most bars pass while nobody asks for an exact one.
    #[serde(with = "exact")]
    pub(super) last: Option<f64>,
    pub(super) phase: Phase,
    /// Keys of live orders, in order of arrival.
    pub(super) live: Vec<OrderKey>,
    /// Whether trading is halted.
    #[serde(default)]
    pub(super) halted: bool,
    /// Shares traded in the last bar that ended, or in the one that ends now, where that is known.
    #[serde(default)]
    pub(super) volume: Option<u64>,
    /// How easily its shares can be borrowed.
    #[serde(default)]
    pub(super) borrow: Borrow,
}

/// Where a contract's market is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// No bar is open.
    Between,
    /// A bar is open.
    InBar {
        /// Whether it belongs to the regular session.
        regular: bool,
        /// Whether its price has been shown to move since its open.
        moved: bool,
    },
}

impl Market {
    pub(super) fn new(rule: PriceRule) -> Self {
        Self {
            rule,
            last: None,
            phase: Phase::Between,
            live: Vec::new(),
            halted: false,
            volume: None,
            borrow: Borrow::Easy,
        }
    }

    /// Whether the market has moved inside the bar that is open.
    pub(super) fn has_moved(&self) -> bool {
        matches!(self.phase, Phase::InBar { moved: true, .. })
    }
}

/// An order and what only the exchange needs to know of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Slot {
    pub(super) order: Order,
    /// Whether it was transmitted.
    pub(super) transmitted: bool,
    /// Whether its stop was reached.
    pub(super) triggered: bool,
    /// Whether it arrived after the market had moved inside the bar that is open.
    pub(super) mid_bar: bool,
    /// Value of its fills.
    pub(super) value: Usd,
    /// Shares as the client last wanted them; the order's quantity is less where siblings traded.
    pub(super) placed: Shares,
    /// Whether it works for its parent's fills only.
    pub(super) tied: bool,
    /// It does nothing before the first bar that opens at this instant or later.
    #[serde(default)]
    pub(super) wakes_at: Option<MarketTime>,
    /// Whether it is held back, and so does not trade.
    #[serde(default)]
    pub(super) held: bool,
}

impl Slot {
    pub(super) fn remaining(&self) -> Shares {
        self.order.order.quantity - self.order.filled
    }

    /// Its parent's key, where it has one.
    pub(super) fn parent(&self) -> Option<OrderKey> {
        let client_id = self.order.order.key.client_id;
        self.order.order.parent_id.map(|order_id| OrderKey { client_id, order_id })
    }

    pub(super) fn nature(&self) -> Nature {
        Nature::of(self.order.order.kind, self.order.order.side, self.triggered)
    }

    /// Shares that it may have in all while its parent has filled this part, less what its
    /// siblings took from it.
    pub(super) fn entitled(&self, parent: &Slot) -> Shares {
        let whole = i128::from(parent.placed.0.max(1));
        let share = i128::from(self.placed.0) * i128::from(parent.order.filled.0) / whole;
        // A share of an i64 quantity; the parent never fills more than was placed.
        let share = Shares(i64::try_from(share).unwrap_or(i64::MAX));
        share - (self.placed - self.order.order.quantity)
    }
}

/// An `f64` as its shortest text: a JSON number may come back one bit off.
mod exact {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|value| format!("{value:?}")).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(|_| de::Error::custom(format!("{text:?} is not a price")))).transpose()
    }
}

/// Orders as a list: JSON has no keys but texts.
pub(super) mod slots {
    use super::{Ascending, Deserialize, OrderKey, Serialize, Slot};
    use serde::{Deserializer, Serializer};

    pub(in crate::exchange) fn serialize<S: Serializer>(
        orders: &Ascending<OrderKey, Slot>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        orders.values().collect::<Vec<_>>().serialize(serializer)
    }

    pub(in crate::exchange) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Ascending<OrderKey, Slot>, D::Error> {
        let slots = Vec::<Slot>::deserialize(deserializer)?;
        Ok(slots.into_iter().map(|slot| (slot.order.order.key, slot)).collect())
    }
}
