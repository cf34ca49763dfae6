//! The names by which scenarios call messages.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::simulator::wire::ids::{answer, request};

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From a client.
    In,
    /// To a client.
    Out,
}

/// What a rule waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// A kind of message.
    Message(&'static Name),
    /// Any message of a direction.
    Any(Direction),
    /// Any news of orders: status, terms, executions, their cost.
    OrderNews,
    /// Any live data.
    LiveData,
    /// A client has said hello.
    Connect,
    /// A client has left, or was cut off.
    Leave,
}

/// A message's name.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// As scenarios write it.
    pub word: &'static str,
    /// Which way it goes.
    pub direction: Direction,
    /// Its id without the protobuf offset.
    pub id: i32,
}

const fn from(word: &'static str, id: i32) -> Name {
    Name { word, direction: Direction::In, id }
}

const fn to(word: &'static str, id: i32) -> Name {
    Name { word, direction: Direction::Out, id }
}

/// All names of single messages.
pub const NAMES: &[Name] = &[
    from("start-api", request::START_API),
    from("ids", request::IDS),
    from("current-time", request::CURRENT_TIME),
    from("current-time-in-millis", request::CURRENT_TIME_IN_MILLIS),
    from("user-info", request::USER_INFO),
    from("contract-data", request::CONTRACT_DATA),
    from("market-rule", request::MARKET_RULE),
    from("matching-symbols", request::MATCHING_SYMBOLS),
    from("historical-data", request::HISTORICAL_DATA),
    from("cancel-historical-data", request::CANCEL_HISTORICAL_DATA),
    from("head-timestamp", request::HEAD_TIMESTAMP),
    from("real-time-bars", request::REAL_TIME_BARS),
    from("market-data", request::MARKET_DATA),
    from("tick-by-tick", 97),
    from("historical-ticks", 96),
    from("place-order", request::PLACE_ORDER),
    from("cancel-order", request::CANCEL_ORDER),
    from("global-cancel", request::GLOBAL_CANCEL),
    from("open-orders", request::OPEN_ORDERS),
    from("all-open-orders", request::ALL_OPEN_ORDERS),
    from("completed-orders", request::COMPLETED_ORDERS),
    from("executions", request::EXECUTIONS),
    from("positions", request::POSITIONS),
    from("positions-multi", request::POSITIONS_MULTI),
    from("account-summary", request::ACCOUNT_SUMMARY),
    from("account-data", request::ACCOUNT_DATA),
    from("account-updates-multi", request::ACCOUNT_UPDATES_MULTI),
    to("next-valid-id", answer::NEXT_VALID_ID),
    to("managed-accounts", answer::MANAGED_ACCOUNTS),
    to("error-message", answer::ERROR),
    to("time", answer::CURRENT_TIME),
    to("time-in-millis", answer::CURRENT_TIME_IN_MILLIS),
    to("contract", answer::CONTRACT_DATA),
    to("contract-end", answer::CONTRACT_DATA_END),
    to("bars", answer::HISTORICAL_DATA),
    to("bars-end", answer::HISTORICAL_DATA_END),
    to("bar-update", answer::HISTORICAL_DATA_UPDATE),
    to("real-time-bar", answer::REAL_TIME_BAR),
    to("tick-price", answer::TICK_PRICE),
    to("tick-size", answer::TICK_SIZE),
    to("order-status", answer::ORDER_STATUS),
    to("open-order", answer::OPEN_ORDER),
    to("open-orders-end", answer::OPEN_ORDERS_END),
    to("completed-order", answer::COMPLETED_ORDER),
    to("completed-orders-end", answer::COMPLETED_ORDERS_END),
    to("execution", answer::EXECUTION_DETAILS),
    to("executions-end", answer::EXECUTION_DETAILS_END),
    to("commission", answer::COMMISSION_AND_FEES),
    to("position", answer::POSITION),
    to("positions-end", answer::POSITION_END),
    to("account-summary-row", answer::ACCOUNT_SUMMARY),
    to("account-summary-end", answer::ACCOUNT_SUMMARY_END),
    to("account-value", answer::ACCOUNT_VALUE),
    to("portfolio-value", answer::PORTFOLIO_VALUE),
    to("account-data-end", answer::ACCOUNT_DATA_END),
];

/// The names of what is not one kind of message.
const OTHERS: &[(&str, On)] = &[
    ("any-in", On::Any(Direction::In)),
    ("any-out", On::Any(Direction::Out)),
    ("order-news", On::OrderNews),
    ("live-data", On::LiveData),
    ("connect", On::Connect),
    ("leave", On::Leave),
];

/// Whether an answer's id is one of live data.
pub fn is_live_data(id: i32) -> bool {
    matches!(
        id,
        answer::HISTORICAL_DATA_UPDATE
            | answer::REAL_TIME_BAR
            | answer::TICK_PRICE
            | answer::TICK_SIZE
            | answer::TICK_STRING
            | 45
            | 99
    )
}

/// Whether an answer's id is one of orders' news.
pub fn is_order_news(id: i32) -> bool {
    matches!(id, answer::ORDER_STATUS | answer::OPEN_ORDER | answer::EXECUTION_DETAILS | answer::COMMISSION_AND_FEES)
}

impl On {
    /// Whether this message is meant.
    pub fn is(self, direction: Direction, id: i32) -> bool {
        match self {
            Self::Message(name) => name.direction == direction && name.id == id,
            Self::Any(any) => any == direction,
            Self::OrderNews => direction == Direction::Out && is_order_news(id),
            Self::LiveData => direction == Direction::Out && is_live_data(id),
            Self::Connect | Self::Leave => false,
        }
    }

    /// Which way what is meant goes; nothing where it is no message.
    pub fn direction(self) -> Option<Direction> {
        match self {
            Self::Message(name) => Some(name.direction),
            Self::Any(any) => Some(any),
            Self::OrderNews | Self::LiveData => Some(Direction::Out),
            Self::Connect | Self::Leave => None,
        }
    }

    /// All names.
    pub fn all() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|name| name.word).chain(OTHERS.iter().map(|(word, _)| *word))
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(name) => f.write_str(name.word),
            other => f.write_str(OTHERS.iter().find(|(_, on)| on == other).map_or("", |(word, _)| word)),
        }
    }
}

/// A word that names no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no message; use one of {known}", known = On::all().collect::<Vec<_>>().join(", "))]
pub struct BadName(String);

impl FromStr for On {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let message = NAMES.iter().find(|name| name.word == text).map(Self::Message);
        let other = || OTHERS.iter().find(|(word, _)| *word == text).map(|(_, on)| *on);
        message.or_else(other).ok_or_else(|| BadName(text.to_owned()))
    }
}

impl Serialize for On {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for On {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        let mut words: Vec<&str> = On::all().collect();
        for word in &words {
            assert_eq!(word.parse::<On>().unwrap().to_string(), *word);
        }
        words.sort_unstable();
        let all = words.len();
        words.dedup();
        assert_eq!(words.len(), all);
        assert!("place_order".parse::<On>().unwrap_err().to_string().contains("place-order"));
    }
}
