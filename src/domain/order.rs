//! Orders: the words they are written in, and the one table of their life.

use std::fmt;
use std::str::FromStr;

use compact_str::{CompactString, ToCompactString};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Price, Shares};

/// Buy or sell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum Side {
    Buy,
    Sell,
}

impl Side {
    /// The other one.
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// The change of position that `quantity` (positive) on this side makes.
    pub fn signed(self, quantity: Shares) -> Shares {
        match self {
            Self::Buy => quantity,
            Self::Sell => -quantity,
        }
    }

    /// The side that makes a signed change; `None` for no change.
    pub fn of_change(change: Shares) -> Option<Self> {
        match change.0 {
            0 => None,
            n if n > 0 => Some(Self::Buy),
            _ => Some(Self::Sell),
        }
    }

    /// IBKR's action word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Buy => "BUY",
            Self::Sell => "SELL",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a trailing stop stays behind the best price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrailBy {
    /// USD a share.
    Amount(Price),
    /// Percent of the best price (10 means 10 %).
    Percent(Decimal),
}

/// What an order waits for and at which price it trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderKind {
    /// At once, at any price (`MKT`).
    Market,
    /// At this price or better (`LMT`).
    Limit {
        /// USD a share.
        limit: Price,
    },
    /// A market order once the trigger trades (`STP`).
    Stop {
        /// USD a share.
        trigger: Price,
    },
    /// A limit order once the trigger trades (`STP LMT`).
    StopLimit {
        /// USD a share.
        trigger: Price,
        /// USD a share.
        limit: Price,
    },
    /// A stop that follows the best price (`TRAIL`).
    Trail {
        /// Its distance.
        by: TrailBy,
        /// The trigger now, USD a share; unset until the exchange knows a price.
        trigger: Option<Price>,
    },
}

impl OrderKind {
    /// IBKR's order type word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Market => "MKT",
            Self::Limit { .. } => "LMT",
            Self::Stop { .. } => "STP",
            Self::StopLimit { .. } => "STP LMT",
            Self::Trail { .. } => "TRAIL",
        }
    }
}

/// How long an order works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TimeInForce {
    /// Until the end of the session.
    Day,
    /// Until cancelled.
    Gtc,
    /// What does not fill at once is cancelled.
    Ioc,
}

impl TimeInForce {
    /// IBKR's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Gtc => "GTC",
            Self::Ioc => "IOC",
        }
    }
}

/// Why the desk wants an order: rules differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Opens or adds to a position.
    Entry,
    /// Reduces a position, on the desk's initiative.
    Exit,
    /// Rests at the broker to limit a loss.
    Stop,
    /// Rests at the broker to take a profit.
    Target,
}

impl Role {
    /// Whether it rests at the broker to protect a position (rule 1: never counted as working
    /// towards the target).
    pub fn is_protective(self) -> bool {
        matches!(self, Self::Stop | Self::Target)
    }
}

/// Our own name of an order, unique for ever: `rt-<ledger>-<intent number>`.
///
/// It travels with the order to IBKR (`order_ref`) and comes back with every open order and
/// execution, in whatever session: ASCII, at most 40 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderRef {
    /// The ledger that minted it: 1 to 16 of `a-z 0-9`.
    pub ledger: CompactString,
    /// The intent's number in that ledger, from 1.
    pub intent: u64,
}

/// The prefix of every order reference of this program, of whatever installation.
pub const ORDER_REF_PREFIX: &str = "rt-";

impl fmt::Display for OrderRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ORDER_REF_PREFIX}{}-{}", self.ledger, self.intent)
    }
}

/// A text that is no order reference of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an order reference of the form rt-<ledger>-<number>")]
pub struct NotOurs(pub String);

impl OrderRef {
    /// Its text, as it travels.
    pub fn text(&self) -> CompactString {
        // Every order of a backtest passes here: it is not formatted.
        let mut text = CompactString::const_new(ORDER_REF_PREFIX);
        text.push_str(&self.ledger);
        text.push('-');
        text.push_str(&self.intent.to_compact_string());
        text
    }

    /// The intent number that a text names, where it is a reference of this ledger.
    pub fn intent_in(text: &str, ledger: &str) -> Option<u64> {
        Self::number(text.strip_prefix(ORDER_REF_PREFIX)?.strip_prefix(ledger)?.strip_prefix('-')?)
    }

    /// An intent's number as its text has it.
    fn number(text: &str) -> Option<u64> {
        text.parse().ok().filter(|n| *n > 0 && text.bytes().all(|b| b.is_ascii_digit()))
    }

    /// The ledger and the intent number that a text names, where it is a reference of this program.
    pub fn parts(text: &str) -> Option<(&str, u64)> {
        let (ledger, number) = text.strip_prefix(ORDER_REF_PREFIX)?.rsplit_once('-')?;
        let fits =
            (1..=16).contains(&ledger.len()) && ledger.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let intent = Self::number(number)?;
        fits.then_some((ledger, intent))
    }
}

impl FromStr for OrderRef {
    type Err = NotOurs;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (ledger, intent) = Self::parts(text).ok_or_else(|| NotOurs(text.to_owned()))?;
        Ok(Self { ledger: ledger.into(), intent })
    }
}

impl TryFrom<String> for OrderRef {
    type Error = NotOurs;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<OrderRef> for String {
    fn from(reference: OrderRef) -> Self {
        reference.to_string()
    }
}

/// Where an order of ours is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderState {
    /// Journaled and on its way; the broker has not answered.
    Sent,
    /// The broker knows it and it may fill.
    Working,
    /// We asked to cancel it; it may still fill.
    Cancelling,
    /// Nobody answered for it (a lost session, a missed deadline): it may be working.
    Unknown,
    /// All of it is filled.
    Filled,
    /// It works no more; what had filled before counts.
    Cancelled,
    /// The broker refused it.
    Rejected,
    /// It never reached the broker (proven by two agreeing reads).
    NeverSent,
}

/// What can happen to an order of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderEvent {
    /// The broker confirmed it (open order, or a live status).
    Acknowledged,
    /// We asked to cancel it.
    CancelRequested,
    /// Our cancel was refused and the order lives (10148 in a state other than filled).
    CancelRefused,
    /// The session ended, or the answer is overdue.
    Lost,
    /// Executions cover its whole quantity.
    Completed,
    /// The broker says that it is cancelled or expired.
    Cancelled,
    /// The broker refused it.
    Rejected,
    /// Two agreeing reads do not know it.
    NotFound,
}

impl OrderState {
    /// Whether it can still trade, as far as we know.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Sent | Self::Working | Self::Cancelling | Self::Unknown)
    }

    /// The one table of an order's life. `None` means: nothing changes (a repeated or late
    /// message); the caller journals nothing.
    ///
    /// A terminal state is left only by the truth of executions: `Completed` moves `Cancelled`,
    /// `Rejected` and `NeverSent` to `Filled`, because TWS can report a fill after the status
    /// that ended the order. An acknowledgement can bring `NeverSent` back to life for the same
    /// reason: the broker's word is stronger than our inference.
    pub fn transition(self, event: OrderEvent) -> Option<Self> {
        use OrderEvent as E;
        use OrderState as S;
        match (self, event) {
            (S::Sent | S::Unknown | S::NeverSent, E::Acknowledged) => Some(S::Working),
            (S::Working | S::Cancelling, E::Acknowledged) => None,
            (S::Sent | S::Working | S::Unknown, E::CancelRequested) => Some(S::Cancelling),
            (S::Cancelling, E::CancelRefused) => Some(S::Working),
            (S::Sent | S::Cancelling, E::Lost) => Some(S::Unknown),
            (S::Sent | S::Working | S::Cancelling | S::Unknown, E::Cancelled) => Some(S::Cancelled),
            (S::Sent | S::Working | S::Cancelling | S::Unknown, E::Rejected) => Some(S::Rejected),
            (S::Sent | S::Unknown, E::NotFound) => Some(S::NeverSent),
            (S::Filled, E::Completed) => None,
            (_, E::Completed) => Some(S::Filled),
            // A working order that the broker no longer lists is a difference for reconciliation
            // to explain, not a state of its own.
            (S::Working | S::Cancelling, E::NotFound) => None,
            (S::Working | S::Unknown, E::Lost) => None,
            (S::Sent | S::Working | S::Unknown, E::CancelRefused) => None,
            (S::Cancelling, E::CancelRequested) => None,
            (
                S::NeverSent,
                E::CancelRequested | E::CancelRefused | E::Lost | E::Cancelled | E::Rejected | E::NotFound,
            ) => None,
            (
                S::Filled | S::Cancelled | S::Rejected,
                E::Acknowledged
                | E::CancelRequested
                | E::CancelRefused
                | E::Lost
                | E::Cancelled
                | E::Rejected
                | E::NotFound,
            ) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_back_and_others_are_refused() {
        let ours = OrderRef { ledger: "k3x9".into(), intent: 42 };
        assert_eq!((ours.to_string().as_str(), &*ours.text()), ("rt-k3x9-42", "rt-k3x9-42"));
        assert_eq!("rt-k3x9-42".parse(), Ok(ours));
        let named = |ledger| OrderRef::intent_in("rt-k3x9-42", ledger);
        assert_eq!(["k3x9", "k3x", "k3x9a", ""].map(named), [Some(42), None, None, None]);
        let longest = OrderRef { ledger: "a".repeat(16).into(), intent: u64::MAX };
        assert_eq!(longest.to_string(), *longest.text());
        assert!(longest.to_string().len() <= 40);
        for other in ["", "rt-", "rt--1", "rt-k3x9-0", "rt-k3x9-+1", "rt-K3-1", "my-rt-1", "rt-k3x9-1x"] {
            assert!(other.parse::<OrderRef>().is_err(), "{other}");
            assert_eq!(OrderRef::intent_in(other, "k3x9"), None, "{other}");
        }
    }

    const STATES: [OrderState; 8] = [
        OrderState::Sent,
        OrderState::Working,
        OrderState::Cancelling,
        OrderState::Unknown,
        OrderState::Filled,
        OrderState::Cancelled,
        OrderState::Rejected,
        OrderState::NeverSent,
    ];
    const EVENTS: [OrderEvent; 8] = [
        OrderEvent::Acknowledged,
        OrderEvent::CancelRequested,
        OrderEvent::CancelRefused,
        OrderEvent::Lost,
        OrderEvent::Completed,
        OrderEvent::Cancelled,
        OrderEvent::Rejected,
        OrderEvent::NotFound,
    ];

    #[test]
    fn only_executions_or_the_brokers_word_wake_the_dead() {
        for state in STATES.into_iter().filter(|s| !s.is_live()) {
            for event in EVENTS {
                let next = state.transition(event);
                let allowed = event == OrderEvent::Completed
                    || (state == OrderState::NeverSent && event == OrderEvent::Acknowledged);
                assert!(next.is_none() || allowed, "{state:?} + {event:?} -> {next:?}");
            }
        }
    }

    #[test]
    fn repeating_an_event_changes_nothing_more() {
        for state in STATES {
            for event in EVENTS {
                if let Some(next) = state.transition(event) {
                    assert_eq!(next.transition(event), None, "{state:?} + {event:?} twice");
                }
            }
        }
    }

    #[test]
    fn an_order_that_vanished_with_its_session_is_unknown_not_rejected() {
        assert_eq!(OrderState::Sent.transition(OrderEvent::Lost), Some(OrderState::Unknown));
        assert_eq!(OrderState::Unknown.transition(OrderEvent::NotFound), Some(OrderState::NeverSent));
    }
}
