//! How a run ends, and what its exit code tells a service manager.

use crate::desk::recovery::Stranger;
use crate::journal::JournalError;
use crate::robust_connection::Exhausted;
use crate::tws::{ContractError, DialError};

use super::desk_loop::DeskError;
use super::lock::LockError;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The state directory or the account is in use.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The control socket cannot be had.
    #[error(transparent)]
    Control(#[from] crate::control::ControlError),
    /// No session, and no retry can help.
    #[error("no session can be had: {}", .0.source)]
    Connection(#[from] Exhausted<DialError>),
    /// Mode, port and account do not go together.
    #[error("{0}")]
    Mode(String),
    /// A symbol has no contract.
    #[error("{0}")]
    Contract(#[from] ContractError),
    /// The ledger belongs to somebody else.
    #[error("{0}")]
    Ledger(String),
    /// The session may not trade with this book.
    #[error(transparent)]
    Stranger(#[from] Stranger),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The desk stopped.
    #[error("the desk stopped: {0}")]
    Desk(#[from] DeskError),
    /// A strategy of the plan cannot be built.
    #[error(transparent)]
    Strategy(#[from] crate::strategy::BuildError),
    /// History or orders failed in a run that ends by itself.
    #[error("{0}")]
    Once(String),
    /// A defect of ours.
    #[error("internal failure: {0}")]
    Internal(String),
}

/// Done, as asked.
pub const DONE: u8 = 0;
/// Start me again: something failed that may pass by itself.
pub const RESTART: u8 = 1;
/// Settings or command line are wrong; nothing was started.
pub const USAGE: u8 = 2;
/// A human is needed: account, mode, gateway, lock or clock.
pub const HUMAN: u8 = 3;
/// A human is needed: the journal or the ledger cannot be used.
pub const JOURNAL: u8 = 4;
/// Of `status` alone: the daemon runs, and no order can leave it now.
pub const NOT_READY: u8 = 5;

impl RunError {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Lock(_) | Self::Control(_) | Self::Connection(_) | Self::Mode(_) | Self::Stranger(_) => HUMAN,
            Self::Contract(ContractError::Request { .. }) | Self::Once(_) | Self::Internal(_) => RESTART,
            Self::Contract(ContractError::Unknown { .. } | ContractError::Ambiguous { .. }) | Self::Strategy(_) => {
                USAGE
            }
            Self::Journal(_) | Self::Desk(_) | Self::Ledger(_) => JOURNAL,
        }
    }
}
