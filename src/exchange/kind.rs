//! The exchange's order types and times in force: the desk's own, and those that only other
//! people's clients use.

use serde::{Deserialize, Serialize};

use crate::domain::order::TrailBy;
use crate::domain::{MarketTime, OrderKind, Price, TimeInForce};

/// What an order waits for and at which price it trades. Prices in USD a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// At once, at any price (`MKT`).
    Market,
    /// At this price or better (`LMT`).
    Limit {
        /// The worst price.
        limit: Price,
    },
    /// A market order once the trigger trades (`STP`).
    Stop {
        /// The price that sets it off.
        trigger: Price,
    },
    /// A limit order once the trigger trades (`STP LMT`).
    StopLimit {
        /// The price that sets it off.
        trigger: Price,
        /// The worst price.
        limit: Price,
    },
    /// A stop that follows the best price (`TRAIL`).
    Trail {
        /// Its distance.
        by: TrailBy,
        /// The trigger now; unset until the exchange knows a price.
        trigger: Option<Price>,
    },
    /// A stop-limit that follows the best price until it is set off (`TRAIL LIMIT`).
    TrailLimit {
        /// Its distance.
        by: TrailBy,
        /// The trigger now; unset until the exchange knows a price.
        trigger: Option<Price>,
        /// How much worse than the trigger the limit is.
        offset: Price,
    },
    /// At the session's closing price (`MOC`).
    MarketOnClose,
    /// At the session's closing price, if that is this or better (`LOC`).
    LimitOnClose {
        /// The worst price.
        limit: Price,
    },
    /// A market order once the market is as good as this (`MIT`).
    MarketIfTouched {
        /// The price that sets it off.
        trigger: Price,
    },
    /// A limit order once the market is as good as this (`LIT`).
    LimitIfTouched {
        /// The price that sets it off.
        trigger: Price,
        /// The worst price.
        limit: Price,
    },
}

impl Kind {
    /// IBKR's order type word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Market => "MKT",
            Self::Limit { .. } => "LMT",
            Self::Stop { .. } => "STP",
            Self::StopLimit { .. } => "STP LMT",
            Self::Trail { .. } => "TRAIL",
            Self::TrailLimit { .. } => "TRAIL LIMIT",
            Self::MarketOnClose => "MOC",
            Self::LimitOnClose { .. } => "LOC",
            Self::MarketIfTouched { .. } => "MIT",
            Self::LimitIfTouched { .. } => "LIT",
        }
    }

    /// The prices that it states, the most telling first.
    pub(super) fn stated_prices(self) -> impl Iterator<Item = Price> {
        let pair = match self {
            Self::Market | Self::MarketOnClose => [None, None],
            Self::Limit { limit } | Self::LimitOnClose { limit } => [Some(limit), None],
            Self::Stop { trigger } | Self::MarketIfTouched { trigger } => [Some(trigger), None],
            Self::StopLimit { trigger, limit } | Self::LimitIfTouched { trigger, limit } => {
                [Some(limit), Some(trigger)]
            }
            Self::Trail { trigger, .. } | Self::TrailLimit { trigger, .. } => [trigger, None],
        };
        pair.into_iter().flatten()
    }

    /// The price that sets it off, where it has one.
    pub(super) fn trigger(self) -> Option<Price> {
        match self {
            Self::Stop { trigger }
            | Self::StopLimit { trigger, .. }
            | Self::MarketIfTouched { trigger }
            | Self::LimitIfTouched { trigger, .. } => Some(trigger),
            Self::Trail { trigger, .. } | Self::TrailLimit { trigger, .. } => trigger,
            Self::Market | Self::Limit { .. } | Self::MarketOnClose | Self::LimitOnClose { .. } => None,
        }
    }

    /// A trail's distance and trigger, to be moved.
    pub(super) fn trail_mut(&mut self) -> Option<(TrailBy, &mut Option<Price>)> {
        match self {
            Self::Trail { by, trigger } | Self::TrailLimit { by, trigger, .. } => Some((*by, trigger)),
            Self::Market
            | Self::Limit { .. }
            | Self::Stop { .. }
            | Self::StopLimit { .. }
            | Self::MarketOnClose
            | Self::LimitOnClose { .. }
            | Self::MarketIfTouched { .. }
            | Self::LimitIfTouched { .. } => None,
        }
    }

    /// A trail's distance, where it is one.
    pub(super) fn trails_by(mut self) -> Option<TrailBy> {
        self.trail_mut().map(|(by, _)| by)
    }

    /// The limit at which it trades at the close; the outer `None` where it is not for the close.
    pub(super) fn at_close(self) -> Option<Option<Price>> {
        match self {
            Self::MarketOnClose => Some(None),
            Self::LimitOnClose { limit } => Some(Some(limit)),
            Self::Market
            | Self::Limit { .. }
            | Self::Stop { .. }
            | Self::StopLimit { .. }
            | Self::Trail { .. }
            | Self::TrailLimit { .. }
            | Self::MarketIfTouched { .. }
            | Self::LimitIfTouched { .. } => None,
        }
    }
}

impl From<OrderKind> for Kind {
    fn from(kind: OrderKind) -> Self {
        match kind {
            OrderKind::Market => Self::Market,
            OrderKind::Limit { limit } => Self::Limit { limit },
            OrderKind::Stop { trigger } => Self::Stop { trigger },
            OrderKind::StopLimit { trigger, limit } => Self::StopLimit { trigger, limit },
            OrderKind::Trail { by, trigger } => Self::Trail { by, trigger },
        }
    }
}

/// How long an order works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Tif {
    /// Until the end of the session.
    Day,
    /// Until cancelled.
    Gtc,
    /// What does not fill at once is cancelled.
    Ioc,
    /// It fills whole at once, or is cancelled.
    Fok,
    /// Until this instant.
    Gtd(MarketTime),
}

impl Tif {
    /// IBKR's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Gtc => "GTC",
            Self::Ioc => "IOC",
            Self::Fok => "FOK",
            Self::Gtd(_) => "GTD",
        }
    }

    /// Whether it ends with its first chance to trade.
    pub(super) fn is_immediate(self) -> bool {
        matches!(self, Self::Ioc | Self::Fok)
    }

    /// Whether it ends with a session that ends at `now`.
    pub(super) fn ends_with_session(self, now: MarketTime) -> bool {
        match self {
            Self::Day | Self::Ioc | Self::Fok => true,
            Self::Gtd(until) => until <= now,
            Self::Gtc => false,
        }
    }
}

impl From<TimeInForce> for Tif {
    fn from(tif: TimeInForce) -> Self {
        match tif {
            TimeInForce::Day => Self::Day,
            TimeInForce::Gtc => Self::Gtc,
            TimeInForce::Ioc => Self::Ioc,
        }
    }
}
