//! The faults that can be had, by the names that scenarios use.

use serde::{Deserialize, Serialize};

use super::span::Span;
use crate::domain::{Price, Shares, Side, Usd};

/// One thing that goes wrong. Those marked *lasting* hold for the rule's `for` or `for_market`,
/// without either until they are cleared; the others happen once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Lasting: nobody listens at the port; what is connected stays.
    Refuse {},
    /// Lasting: connections are accepted and closed at once.
    AcceptClose {},
    /// Lasting: connections are accepted and never answered.
    Blackhole {},
    /// Lasting: hellos are acknowledged with this server version.
    OldVersion {
        /// The version; clients of today need 213.
        #[serde(default = "old_version")]
        version: i32,
    },
    /// Lasting: sessions begin without the next order id or the account list; a hundred farm
    /// notices come instead.
    Omit {
        /// Without the next order id.
        #[serde(default = "yes")]
        next_id: bool,
        /// Without the accounts.
        #[serde(default = "yes")]
        accounts: bool,
    },
    /// Lasting: client ids in use at or since its begin stay taken (326).
    HoldClientId {},
    /// Lasting: connections that their client has left keep their place and their client id.
    Zombies {},
    /// Ends connections with FIN, after what was sent before.
    Close {
        /// After the first half of a frame.
        #[serde(default)]
        mid_frame: bool,
    },
    /// Ends connections with RST; what was not written yet is lost.
    Reset {
        /// After the first half of a frame.
        #[serde(default)]
        mid_frame: bool,
    },
    /// Lasting: open connections stay open and say nothing any more, for good; new ones say
    /// nothing while it lasts.
    Mute {
        /// The handshake is answered, and nothing else.
        #[serde(default)]
        after_handshake: bool,
        /// What is asked for is done all the same: orders are placed and fill.
        #[serde(default)]
        serves: bool,
    },
    /// Lasting: everything is held back, and comes when it is over.
    Freeze {},
    /// 1300, then the end.
    PortReset {
        /// The port that its text names.
        #[serde(default = "new_port")]
        port: u16,
    },
    /// Lasting: the gateway restarts: all connections are reset, and nobody listens meanwhile.
    Restart {
        /// Orders that arrive in this last moment before it are lost.
        #[serde(default = "nothing")]
        lose_orders: Span,
        /// Order ids begin at 1 again.
        #[serde(default = "yes")]
        lower_ids: bool,
    },
    /// Lasting: nobody has logged in: connections are reset and new ones refused or left mute.
    LoginWall {
        /// What a client finds.
        #[serde(default)]
        how: Wall,
    },
    /// The matching message is lost.
    Drop {},
    /// The matching message comes later; others overtake it.
    Delay {
        /// By so much real time.
        by: Span,
    },
    /// The matching message comes more than once.
    Duplicate {
        /// How many more.
        #[serde(default = "one")]
        copies: u32,
    },
    /// The matching message changes places with the next one of its connection.
    Reorder {},
    /// The matching message is damaged.
    Corrupt {
        /// How.
        #[serde(default)]
        how: Damage,
    },
    /// Lasting: everything is written in pieces of so many bytes.
    SplitWrites {
        /// Bytes.
        #[serde(default = "one_byte")]
        bytes: usize,
    },
    /// Lasting: what is written waits for more.
    Coalesce {
        /// How long.
        #[serde(default = "moment")]
        within: Span,
    },
    /// Lasting: a client reads slowly, and what may wait for it is little.
    SlowReader {
        /// Bytes that are written in a second.
        #[serde(default = "slow_rate")]
        bytes_per_second: u32,
        /// Bytes that may wait.
        #[serde(default = "small_outbox")]
        outbox: usize,
        /// What happens when they are more.
        #[serde(default)]
        then: Overflow,
    },
    /// Bytes that are no message.
    Malformed {
        /// Which.
        #[serde(default)]
        what: Malformed,
    },
    /// The order of the matching message is taken, and its answers are lost.
    LoseAnswers {
        /// All news of it while the connection lasts, not only the first; answers to questions
        /// are not lost.
        #[serde(default)]
        all: bool,
    },
    /// The matching request is answered with an error and not served.
    Answer {
        /// IBKR's code.
        code: i32,
        /// Which of the code's meanings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        meaning: Option<String>,
        /// Other words than IBKR's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// The matching order is rejected: `Inactive` and an error.
    Reject {
        /// IBKR's code.
        #[serde(default = "rejected")]
        code: i32,
        /// Which of the code's meanings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        meaning: Option<String>,
        /// Other words than IBKR's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// What comes first.
        #[serde(default)]
        first: RejectOrder,
    },
    /// The matching order's time in force becomes another, with 10349.
    ChangeTif {
        /// Which.
        #[serde(default = "day")]
        tif: crate::domain::TimeInForce,
    },
    /// Lasting: sell orders are held while shares are located (404), and do not fill.
    Locate {},
    /// The broker cancels working orders (202).
    CancelOrders {
        /// Its reason.
        #[serde(default)]
        reason: String,
    },
    /// An error message.
    Error {
        /// IBKR's code.
        code: i32,
        /// Which of the code's meanings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        meaning: Option<String>,
        /// Other words than IBKR's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Whom it concerns.
        #[serde(default)]
        id: ErrorId,
    },
    /// Lasting: TWS has lost IBKR: 1100, data falls silent; at its end 1101 or 1102.
    LinkLoss {
        /// 1100, or 2110.
        #[serde(default = "link_lost")]
        code: i32,
        /// Whether subscriptions live on (1102) or are gone (1101).
        #[serde(default)]
        data: LinkData,
        /// The loss is told again so often; zero: once.
        #[serde(default = "nothing")]
        every: Span,
        /// The farms are reported broken and back, too.
        #[serde(default)]
        farms: bool,
        /// This farm is missing from 1102's list, and stays silent.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        missing_farm: String,
    },
    /// Lasting: a data farm is not there.
    Farm {
        /// What it serves.
        #[serde(default)]
        kind: FarmKind,
        /// Its name.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        /// How it is reported.
        #[serde(default)]
        state: FarmState,
    },
    /// Lasting: live data stay away, without a word.
    Silence {
        /// The subscriptions that are open are dead; new ones work.
        #[serde(default)]
        until_reopened: bool,
    },
    /// Lasting: somebody is logged in elsewhere: 10197 to live data, 162 to questions for history.
    CompetingSession {},
    /// Lasting: orders are refused because the API is read-only (321).
    ReadOnly {
        /// The refusal names no order (-1).
        #[serde(default)]
        anonymous: bool,
    },
    /// Lasting: trading halts: new orders are refused (154), working ones do not fill.
    Halt {},
    /// Working orders fill now.
    Fill {
        /// At most so many shares of each.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quantity: Option<Shares>,
        /// At this price, USD a share, instead of the latest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        price: Option<Price>,
    },
    /// Lasting: no order fills more at a time.
    PartialFills {
        /// Shares.
        shares: Shares,
    },
    /// The latest execution is corrected: another id suffix, price or quantity.
    Correct {
        /// The right price, USD a share.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        price: Option<Price>,
        /// The right number of shares.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quantity: Option<Shares>,
    },
    /// Somebody else trades in this account: another client, or a person (client 0).
    Trade {
        /// Buys or sells.
        side: Side,
        /// Shares.
        quantity: Shares,
        /// As which client.
        #[serde(default)]
        client_id: i32,
        /// Only rests an order, far from the market.
        #[serde(default)]
        rests: bool,
    },
    /// The broker closes a position by force.
    Liquidate {
        /// Shares; all of it where nothing is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quantity: Option<Shares>,
    },
    /// Cash moves: a dividend, interest, a fee.
    Cash {
        /// USD, negative where it is taken.
        amount: Usd,
    },
    /// Positions become `new` shares for every `old` ones.
    StockSplit {
        /// Shares after.
        new: u32,
        /// Shares before.
        #[serde(default = "one")]
        old: u32,
    },
    /// Lasting: positions are stated wrongly.
    Misstate {
        /// Shares more than there are.
        by: Shares,
    },
    /// Lasting: account figures are missing.
    HideAccount {},
    /// Lasting: clocks are wrong.
    Skew {
        /// Minutes ahead; negative: behind.
        minutes: i32,
        /// Whose.
        #[serde(default)]
        of: SkewOf,
    },
    /// The day's executions are sent again, unasked.
    RepeatExecutions {},
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $first:ident: $text:literal $(, $(#[$more_doc:meta])* $more:ident)* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            #[default]
            #[doc = $text]
            $first,
            $($(#[$more_doc])* $more,)*
        }
    )*};
}

words! {
    /// What stands where the gateway was.
    Wall {
        Refuse: "Nobody listens.",
        /// Connections are accepted and not answered.
        Mute,
    }
    /// How a message is damaged.
    Damage {
        Undecodable: "Its payload is no protobuf message.",
        /// It ends too early.
        Truncated,
        /// One bit is another.
        Bit,
        /// Its id is none.
        Id,
    }
    /// What happens to an outbox that is too full.
    Overflow {
        DropHalf: "The older half of it is dropped.",
        /// The connection is reset.
        Reset,
    }
    /// Bytes that are no message.
    Malformed {
        Short: "A length below 4.",
        /// A length above 0xFFFFFF.
        Long,
        /// An id that no client knows.
        UnknownId,
        /// A message of the older text protocol.
        TextId,
        /// An order status that is no protobuf message.
        BadStatus,
    }
    /// What of a rejection comes first.
    RejectOrder {
        Status: "The status.",
        /// The error.
        Error,
        /// The error, and no status.
        ErrorOnly,
    }
    /// Whom an error concerns.
    ErrorId {
        None: "Nobody: -1.",
        /// The request or order of the matching message.
        Request,
        /// Every working order of the client.
        Orders,
        /// Every live data subscription of the client.
        Streams,
    }
    /// What became of subscriptions.
    LinkData {
        Kept: "They live on (1102).",
        /// They are gone (1101).
        Lost,
    }
    /// What a farm serves.
    FarmKind {
        Market: "Live market data.",
        /// History.
        Historical,
        /// Security definitions.
        Definitions,
    }
    /// How a farm is reported.
    FarmState {
        Broken: "Broken; what it serves stays away.",
        /// Inactive, but available on demand: nothing is missing.
        Inactive,
        /// Connecting; what it serves stays away.
        Connecting,
    }
    /// Whose clock is wrong.
    SkewOf {
        Everything: "The server's and the executions'.",
        /// The server's.
        Server,
        /// The executions'.
        Executions,
    }
}

fn yes() -> bool {
    true
}
fn one() -> u32 {
    1
}
fn one_byte() -> usize {
    1
}
fn old_version() -> i32 {
    178
}
fn new_port() -> u16 {
    4_003
}
fn nothing() -> Span {
    Span::millis(0)
}
fn moment() -> Span {
    Span::millis(50)
}
fn slow_rate() -> u32 {
    10_000
}
fn small_outbox() -> usize {
    100_000
}
fn rejected() -> i32 {
    201
}
fn link_lost() -> i32 {
    1_100
}
fn day() -> crate::domain::TimeInForce {
    crate::domain::TimeInForce::Day
}
