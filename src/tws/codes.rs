//! What IBKR's message codes mean, by our own table.

/// TWS's link to IBKR's servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Broken (1100, 2110): no entries; fills may still arrive.
    Down,
    /// Restored, market data lost (1101): subscribe again, reconcile.
    RestoredDataLost,
    /// Restored, market data kept (1102): reconcile, check the farms.
    RestoredDataKept,
}

/// What a data farm serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FarmKind {
    /// Live market data.
    Market,
    /// History.
    Historical,
    /// Security definitions.
    Definitions,
}

/// How a data farm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FarmState {
    /// Connected.
    Ok,
    /// Broken.
    Broken,
    /// Not connected, but will be on demand: as good as OK.
    Inactive,
    /// Connecting.
    Connecting,
}

/// News of one farm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farm {
    /// What it serves.
    pub kind: FarmKind,
    /// Its name (`usfarm`); empty where the message names none.
    pub name: String,
    /// How it is.
    pub state: FarmState,
}

/// A message that belongs to no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// TWS's link to IBKR.
    Link(Link),
    /// A data farm.
    Farm(Farm),
    /// The gateway's port was reset (1300): the session is about to end, and the port changed.
    PortReset {
        /// IBKR's words, which name the new port.
        text: String,
    },
    /// We sent faster than 50 messages a second (100).
    TooFast {
        /// IBKR's words.
        text: String,
    },
    /// The API is read-only (321 saying so): trading is impossible until a person changes it.
    ReadOnly {
        /// IBKR's words.
        text: String,
    },
    /// A message from the gateway could not be read; repeated ones mean: another session.
    Unreadable {
        /// What the crate says.
        text: String,
    },
    /// Any other.
    Other {
        /// IBKR's code.
        code: i32,
        /// IBKR's words.
        text: String,
        /// Whether it is only information.
        informational: bool,
    },
    /// Notices were lost on the way to us: believe nothing about link and farms; reconcile.
    Lagged,
}
