//! One session with the gateway.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ibapi::Client;
use tokio::time::timeout;
use tracing::{debug, error, warn};

use super::bars::BarStream;
use super::contracts::{self, Rules};
use super::dial::{Checked, market_time};
use super::error::{ContractError, RequestError, SendError};
use super::history::Historian;
use super::holdings::HoldingStream;
use super::limiter::{Limiter, Priority};
use super::order_stream::{Notices, OrderStream};
use super::orders::{LatestTime, api_contract, api_order};
use super::pacer::Pacer;
use super::requests::Desk;
use super::snapshot::Reader;
use super::turns::{Turn, Waiting};
use crate::domain::broker::{AccountId, AccountState, BrokerSnapshot, Venue};
use crate::domain::{Bar, Contract, HistoryRequest, MarketTime, Symbol, Ticket, WhatToShow};

/// A session that passed the readiness check. Clones share one socket; the last one dropped
/// closes it, [`close`](Self::close) closes it and waits.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    client_id: i32,
    account: AccountId,
    next_order_id: i32,
    venue: Venue,
    orders: Mutex<Option<OrderStream>>,
    notices: Mutex<Option<Notices>>,
    limiter: Arc<Limiter>,
    pacer: Arc<Pacer>,
    rules: Rules,
    latest: Arc<LatestTime>,
    reading: tokio::sync::Mutex<()>,
    reply_within: Duration,
    send_within: Duration,
}

/// What a session is made of.
pub(super) struct Parts {
    pub(super) client: Client,
    pub(super) client_id: i32,
    pub(super) checked: Checked,
    pub(super) notices: Notices,
    pub(super) limiter: Arc<Limiter>,
    pub(super) pacer: Arc<Pacer>,
    pub(super) reply_within: Duration,
    pub(super) send_within: Duration,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("account", &self.inner.account).field("venue", &self.inner.venue).finish()
    }
}

impl Session {
    pub(super) fn new(parts: Parts) -> Self {
        let Checked { account, next_order_id, venue, orders, latest } = parts.checked;
        Self {
            inner: Arc::new(Inner {
                client: parts.client,
                client_id: parts.client_id,
                account,
                next_order_id,
                venue,
                orders: Mutex::new(Some(orders)),
                notices: Mutex::new(Some(parts.notices)),
                limiter: parts.limiter,
                pacer: parts.pacer,
                rules: Rules::default(),
                latest,
                reading: tokio::sync::Mutex::new(()),
                reply_within: parts.reply_within,
                send_within: parts.send_within,
            }),
        }
    }

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
        self.inner.client.server_version()
    }

    /// Ours.
    pub fn client_id(&self) -> i32 {
        self.inner.client_id
    }

    /// Whether the socket still stands. True says little (a dead peer keeps it up: that is what
    /// the health probe is for); false is certain.
    pub fn is_connected(&self) -> bool {
        self.inner.client.is_connected()
    }

    /// The order stream, opened before anything else was asked; once.
    pub fn take_orders(&self) -> Option<OrderStream> {
        self.inner.orders.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The notices, those of the handshake included; once.
    pub fn take_notices(&self) -> Option<Notices> {
        self.inner.notices.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn desk(&self) -> Desk<'_> {
        Desk { limiter: &self.inner.limiter, within: self.inner.reply_within }
    }

    fn historian(&self) -> Historian<'_> {
        Historian { client: &self.inner.client, desk: self.desk(), pacer: &self.inner.pacer }
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            client: &self.inner.client,
            desk: self.desk(),
            account: &self.inner.account,
            latest: &self.inner.latest,
        }
    }

    /// Broker time now. Also the health probe.
    ///
    /// # Errors
    /// No answer in time, or the session is gone.
    pub async fn server_time(&self) -> Result<MarketTime, RequestError> {
        let desk = self.desk();
        let at = market_time(desk.ask("time", Priority::Heartbeat, self.inner.client.server_time_millis()).await?);
        self.inner.latest.saw(at);
        Ok(at)
    }

    /// The contract of a US stock or ETF (STK, SMART, USD), its price rule and hours.
    ///
    /// # Errors
    /// Unknown, ambiguous, or no answer.
    pub async fn contract(&self, symbol: &Symbol) -> Result<Contract, ContractError> {
        contracts::look_up(&self.inner.client, &self.desk(), &self.inner.rules, symbol).await
    }

    /// Bars of the past, ascending; the last may still be forming. Empty where there are none.
    /// Waits for IBKR's pacing rules first, which can take minutes for bars of 30 s or less.
    ///
    /// # Errors
    /// Refused, no answer in time, or the session is gone.
    pub async fn history(&self, contract: &Contract, request: &HistoryRequest) -> Result<Vec<Bar>, RequestError> {
        self.historian().fetch(contract, request).await
    }

    /// As [`history`](Self::history), for somebody who can wait: a part of the pacing is left to those who cannot.
    /// `None` where it does not let the question through within `within`.
    ///
    /// # Errors
    /// As [`history`](Self::history).
    pub async fn history_as_guest(
        &self,
        contract: &Contract,
        request: &HistoryRequest,
        within: Duration,
    ) -> Result<Option<Vec<Bar>>, RequestError> {
        self.historian().fetch_as_guest(contract, request, within).await
    }

    /// Bars of the past, then the forming bar every few seconds. Waits as
    /// [`history`](Self::history); `request.end` is not used. At most 45 can be open.
    ///
    /// # Errors
    /// The request could not be sent; a refusal comes by the stream.
    pub async fn stream_bars(&self, contract: &Contract, request: &HistoryRequest) -> Result<BarStream, RequestError> {
        self.historian().stream(contract, request).await
    }

    /// A place in the line of those who want real-time bars: IBKR lets 60 subscriptions begin in any ten minutes.
    /// `blind`: there are no bars until its turn has come.
    pub fn line_up(&self, symbol: &Symbol, blind: bool) -> Turn {
        self.inner.pacer.turns().line_up(symbol, blind)
    }

    /// Who in that line has to wait, in order.
    pub fn waiting_for_realtime(&self) -> Vec<Waiting> {
        self.inner.pacer.turns().waiting()
    }

    /// Five-second bars as they end; no history. They take no place among the historical ones. Waits for its turn first,
    /// which can take ten minutes and more.
    ///
    /// # Errors
    /// The request could not be sent; a refusal comes by the stream.
    pub async fn realtime_bars(
        &self,
        turn: Turn,
        contract: &Contract,
        show: WhatToShow,
        regular_only: bool,
    ) -> Result<BarStream, RequestError> {
        self.historian().realtime(turn, contract, show, regular_only).await
    }

    /// Hands an order to the gateway (or changes one: same order id). Its fate comes by the order
    /// stream. A bracket's orders must be handed over one after the other, parent first.
    ///
    /// # Errors
    /// [`SendError::Deadline`] and [`SendError::SessionLost`] leave the order Unknown and end the
    /// session; of the others it is certain that nothing was sent.
    pub async fn submit(&self, ticket: &Ticket, contract: &Contract) -> Result<(), SendError> {
        let order_id = ticket.order_id;
        let order =
            api_order(ticket, contract).map_err(|bad| SendError::Invalid { order_id, reason: bad.to_string() })?;
        let contract = api_contract(contract);
        self.send(order_id, ticket.role.into(), self.inner.client.submit_order(order_id, &contract, &order)).await
    }

    /// Asks the gateway to cancel one of this client's orders. The answer comes by the order
    /// stream.
    ///
    /// # Errors
    /// As [`Session::submit`].
    pub async fn cancel(&self, order_id: i32) -> Result<(), SendError> {
        // Held, the subscription would take this order's replies away from `executions`.
        let request = async { self.inner.client.cancel_order(order_id, "").await.map(drop) };
        self.send(order_id, Priority::Cancel, request).await
    }

    /// Asks the gateway to cancel every order of every client in the account, those placed by hand
    /// included.
    ///
    /// # Errors
    /// As [`Session::submit`].
    pub async fn cancel_everything(&self) -> Result<(), SendError> {
        self.send(0, Priority::Cancel, self.inner.client.global_cancel()).await
    }

    /// The account's holdings, kept up to date: every one at first, then each that changes.
    ///
    /// # Errors
    /// The request could not be sent.
    pub async fn holdings(&self) -> Result<HoldingStream, RequestError> {
        self.reader().holdings().await
    }

    async fn send(
        &self,
        order_id: i32,
        priority: Priority,
        message: impl Future<Output = Result<(), ibapi::Error>>,
    ) -> Result<(), SendError> {
        let within = self.inner.reply_within;
        timeout(within, self.inner.limiter.acquire(priority))
            .await
            .map_err(|_| SendError::Throttled { order_id, within })?;
        let within = self.inner.send_within;
        match timeout(within, message).await {
            Ok(Ok(())) => {
                debug!(order_id, ?priority, "sent");
                Ok(())
            }
            Ok(Err(error)) => Err(SendError::from_api(order_id, &error)),
            Err(_) => {
                error!(order_id, ?within, "not written in time; the session must end");
                Err(SendError::Deadline { order_id, within })
            }
        }
    }

    /// One read of everything that recovery compares with the book; executions of today and of
    /// the `last_n_days` days before it (0: today only). Rows of other accounts are dropped.
    ///
    /// # Errors
    /// Any part failed.
    pub async fn snapshot(&self, last_n_days: u32) -> Result<BrokerSnapshot, RequestError> {
        // Answers to open orders, completed orders and positions carry no request's number: of two
        // reads at a time each could take the other's end for its own.
        let _alone = self.inner.reading.lock().await;
        let at = self.server_time().await?;
        self.reader().snapshot(at, self.inner.next_order_id, last_n_days).await
    }

    /// The account's money.
    ///
    /// # Errors
    /// No answer in time, or the session is gone.
    pub async fn account_state(&self) -> Result<AccountState, RequestError> {
        self.reader().account_state().await
    }

    /// Closes the socket and waits until everything behind it has ended. Clones are dead then.
    pub async fn close(&self) {
        if timeout(self.inner.reply_within, self.inner.client.disconnect()).await.is_err() {
            warn!(within = ?self.inner.reply_within, "the session did not close in time");
        }
    }
}
