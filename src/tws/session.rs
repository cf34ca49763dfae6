//! One session with the gateway.

use std::sync::Arc;

use super::bars::BarStream;
use super::error::{ContractError, RequestError, SendError};
use super::order_stream::{Notices, OrderStream};
use crate::domain::broker::{AccountId, AccountState, BrokerSnapshot, Venue};
use crate::domain::{Bar, Contract, HistoryRequest, MarketTime, Symbol, Ticket, WhatToShow};

/// A session that passed the readiness check. Clones share one socket.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    account: AccountId,
    next_order_id: i32,
    venue: Venue,
    server_version: i32,
    client_id: i32,
}

fn placeholder() -> RequestError {
    RequestError::SessionLost { reason: "placeholder".to_owned() }
}

impl Session {
    /// The account that it trades.
    pub fn account(&self) -> &AccountId {
        &self.inner.account
    }

    /// The first order id that the server allows.
    pub fn next_order_id(&self) -> i32 {
        self.inner.next_order_id
    }

    /// Who is at the other end.
    pub fn venue(&self) -> &Venue {
        &self.inner.venue
    }

    /// The protocol version agreed on.
    pub fn server_version(&self) -> i32 {
        self.inner.server_version
    }

    /// Ours.
    pub fn client_id(&self) -> i32 {
        self.inner.client_id
    }

    /// The order stream, opened before anything else was asked; once.
    pub fn take_orders(&self) -> Option<OrderStream> {
        None
    }

    /// The notices, those of the handshake included; once.
    pub fn take_notices(&self) -> Option<Notices> {
        None
    }

    /// Broker time now. Also the health probe.
    ///
    /// # Errors
    /// No answer in time, or the session is gone.
    pub async fn server_time(&self) -> Result<MarketTime, RequestError> {
        Err(placeholder())
    }

    /// The contract of a US stock or ETF (STK, SMART, USD), its price rule and hours.
    ///
    /// # Errors
    /// Unknown, ambiguous, or no answer.
    pub async fn contract(&self, symbol: &Symbol) -> Result<Contract, ContractError> {
        Err(ContractError::Request { symbol: symbol.clone(), source: placeholder() })
    }

    /// Bars of the past, ascending; the last may still be forming. Empty where there are none.
    ///
    /// # Errors
    /// Refused, no answer in time, or the session is gone.
    pub async fn history(&self, _contract: &Contract, _request: &HistoryRequest) -> Result<Vec<Bar>, RequestError> {
        Err(placeholder())
    }

    /// Bars of the past, then the forming bar every few seconds.
    ///
    /// # Errors
    /// The request could not be sent.
    pub async fn stream_bars(
        &self,
        _contract: &Contract,
        _request: &HistoryRequest,
    ) -> Result<BarStream, RequestError> {
        Err(placeholder())
    }

    /// Five-second bars as they end; no history.
    ///
    /// # Errors
    /// The request could not be sent.
    pub async fn realtime_bars(
        &self,
        _contract: &Contract,
        _show: WhatToShow,
        _regular_only: bool,
    ) -> Result<BarStream, RequestError> {
        Err(placeholder())
    }

    /// Hands an order to the gateway (or changes one: same order id). Its fate comes by the order
    /// stream.
    ///
    /// # Errors
    /// [`SendError::Deadline`] and [`SendError::SessionLost`] leave the order Unknown and end the
    /// session.
    pub async fn submit(&self, ticket: &Ticket, _contract: &Contract) -> Result<(), SendError> {
        Err(SendError::Invalid { order_id: ticket.order_id, reason: "placeholder".to_owned() })
    }

    /// Asks the gateway to cancel one of this client's orders. The answer comes by the order
    /// stream.
    ///
    /// # Errors
    /// As [`Session::submit`].
    pub async fn cancel(&self, order_id: i32) -> Result<(), SendError> {
        Err(SendError::Invalid { order_id, reason: "placeholder".to_owned() })
    }

    /// One read of everything that recovery compares with the book; executions of today and of
    /// the `last_n_days` days before it (0: today only). Rows of other accounts are dropped.
    ///
    /// # Errors
    /// Any part failed.
    pub async fn snapshot(&self, _last_n_days: u32) -> Result<BrokerSnapshot, RequestError> {
        Err(placeholder())
    }

    /// The account's money.
    ///
    /// # Errors
    /// No answer in time, or the session is gone.
    pub async fn account_state(&self) -> Result<AccountState, RequestError> {
        Err(placeholder())
    }

    /// Closes the socket and waits until everything behind it has ended. Clones are dead then.
    pub async fn close(&self) {}
}
