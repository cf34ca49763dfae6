//! IBKR's pacing of historical requests, kept before they leave.
//!
//! For bars of 30 seconds or less (IBKR, "Historical data limitations"): at most 60 requests in
//! any ten minutes, `BID_ASK` counting twice; no identical request within 15 seconds; fewer than
//! six for one contract, exchange and kind of data within two seconds. For all bars: at most 50
//! open at a time, of which streams may hold 45, so that a question can always be asked.
//!
//! The rules hold for the log-in, not for the session: one pacer outlives all sessions, and with it the [`turns`](super::turns)
//! of real-time bars.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, warn};

use super::turns::Turns;
use crate::domain::{BarSize, Contract, ContractId, HistoryRequest, WhatToShow};

const OPEN: usize = 50;
const OPEN_STREAMS: usize = 45;
const LONG: Duration = Duration::from_secs(600);
const LONG_WEIGHT: u32 = 60;
/// What of it guests may fill: the rest stays for the daemon's own history, which a reconnect needs at once.
const GUESTS_WEIGHT: u32 = 40;
const IDENTICAL: Duration = Duration::from_secs(15);
const SHORT: Duration = Duration::from_secs(2);
/// "Six or more" violates, hence five.
const SHORT_COUNT: usize = 5;
/// After IBKR says that pacing was violated all the same.
const COOL_DOWN: Duration = Duration::from_secs(60);

/// One request that was let through.
#[derive(Debug, Clone)]
struct Asked {
    at: Instant,
    contract: ContractId,
    exchange: String,
    request: HistoryRequest,
}

impl Asked {
    /// `BID_ASK` counts twice.
    fn weight(&self) -> u32 {
        if self.request.show == WhatToShow::BidAsk { 2 } else { 1 }
    }

    fn is_same_question(&self, other: &Self) -> bool {
        self.contract == other.contract && self.exchange == other.exchange && self.request == other.request
    }

    fn is_same_kind(&self, other: &Self) -> bool {
        self.contract == other.contract && self.exchange == other.exchange && self.request.show == other.request.show
    }
}

#[derive(Debug, Default)]
struct State {
    /// Requests for small bars in the last ten minutes, ascending.
    asked: VecDeque<Asked>,
    not_before: Option<Instant>,
}

/// A place among the open requests; dropping it frees the place.
#[derive(Debug)]
pub struct OpenRequest {
    _open: Option<OwnedSemaphorePermit>,
    _stream: Option<OwnedSemaphorePermit>,
}

/// Too many bar streams are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyStreams {
    /// The limit.
    pub limit: usize,
}

/// Keeps IBKR's rules for historical requests.
#[derive(Debug)]
pub struct Pacer {
    paced: bool,
    open: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    state: Mutex<State>,
    turns: Arc<Turns>,
}

impl Pacer {
    /// With `paced` false only the number of open requests is limited (a simulator's other
    /// limits may be lifted).
    pub fn new(paced: bool) -> Self {
        Self {
            paced,
            open: Arc::new(Semaphore::new(OPEN)),
            streams: Arc::new(Semaphore::new(OPEN_STREAMS)),
            state: Mutex::default(),
            turns: Turns::new(paced),
        }
    }

    /// Waits until the request may be sent, counts it, and gives it a place among the open ones.
    /// Cancel-safe: a dropped wait counts nothing.
    pub async fn admit(&self, contract: &Contract, request: &HistoryRequest) -> OpenRequest {
        // The semaphore is never closed, so that a place always comes.
        let open = self.open.clone().acquire_owned().await.ok();
        self.pace(contract, request, LONG_WEIGHT).await;
        OpenRequest { _open: open, _stream: None }
    }

    /// As [`admit`](Self::admit), for a question that can wait: it takes nothing of what is kept for those that cannot.
    /// `None` where its turn does not come within `within`.
    pub async fn admit_guest(
        &self,
        contract: &Contract,
        request: &HistoryRequest,
        within: Duration,
    ) -> Option<OpenRequest> {
        let admitted = async {
            let open = self.open.clone().acquire_owned().await.ok();
            self.pace(contract, request, GUESTS_WEIGHT).await;
            OpenRequest { _open: open, _stream: None }
        };
        timeout(within, admitted).await.ok()
    }

    /// As [`admit`](Self::admit), for a request that stays open.
    ///
    /// # Errors
    /// Too many streams are open; waiting for one to end would mean waiting for ever.
    pub async fn admit_stream(
        &self,
        contract: &Contract,
        request: &HistoryRequest,
    ) -> Result<OpenRequest, TooManyStreams> {
        let stream = self.streams.clone().try_acquire_owned().map_err(|_| TooManyStreams { limit: OPEN_STREAMS })?;
        let admitted = self.admit(contract, request).await;
        Ok(OpenRequest { _stream: Some(stream), ..admitted })
    }

    /// IBKR reported a pacing violation: no small-bar request for a minute.
    pub fn violated(&self) {
        warn!(wait = ?COOL_DOWN, "IBKR reports a pacing violation; holding back requests for small bars");
        self.lock().not_before = Some(Instant::now() + COOL_DOWN);
    }

    /// How many more the rule of ten minutes allows now, each counted once; `None` where nothing is paced.
    pub fn left(&self) -> Option<u32> {
        let (state, now) = (self.lock(), Instant::now());
        if state.not_before.is_some_and(|until| now < until) {
            return self.paced.then_some(0);
        }
        let recent = state.asked.iter().filter(|asked| asked.at + LONG > now).map(Asked::weight).sum();
        self.paced.then(|| LONG_WEIGHT.saturating_sub(recent))
    }

    /// Places among the open requests that are free.
    pub fn open_left(&self) -> usize {
        self.open.available_permits()
    }

    /// The same for requests that stay open.
    pub fn streams_left(&self) -> usize {
        self.streams.available_permits().min(self.open_left())
    }

    /// The turns of those who subscribe to real-time bars.
    pub(super) fn turns(&self) -> &Arc<Turns> {
        &self.turns
    }

    async fn pace(&self, contract: &Contract, request: &HistoryRequest, weight: u32) {
        if !self.paced || request.size > BarSize::Secs30 {
            return;
        }
        let mut asked = Asked {
            at: Instant::now(),
            contract: contract.id,
            exchange: contract.exchange.clone(),
            request: request.clone(),
        };
        loop {
            asked.at = Instant::now();
            let Some(due) = self.lock().take(&asked, weight) else { return };
            debug!(symbol = %contract.symbol, wait = ?(due - asked.at), "historical request paced");
            sleep_until(due).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned state would still be consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Records the request where it may be sent now, with the ten minutes' weight at most `weight`; otherwise
    /// returns when to look again.
    fn take(&mut self, next: &Asked, weight: u32) -> Option<Instant> {
        while self.asked.front().is_some_and(|asked| asked.at + LONG <= next.at) {
            self.asked.pop_front();
        }
        let due = [self.not_before, self.long_due(next, weight), self.identical_due(next), self.short_due(next)]
            .into_iter()
            .flatten()
            .max()
            .filter(|due| *due > next.at);
        if due.is_none() {
            self.asked.push_back(next.clone());
        }
        due
    }

    /// When enough of the ten minutes' requests have grown old.
    fn long_due(&self, next: &Asked, at_most: u32) -> Option<Instant> {
        let mut weight: u32 = next.weight() + self.asked.iter().map(Asked::weight).sum::<u32>();
        for asked in &self.asked {
            if weight <= at_most {
                return None;
            }
            weight -= asked.weight();
            if weight <= at_most {
                return Some(asked.at + LONG);
            }
        }
        None
    }

    fn identical_due(&self, next: &Asked) -> Option<Instant> {
        self.asked.iter().rev().find(|asked| asked.is_same_question(next)).map(|asked| asked.at + IDENTICAL)
    }

    fn short_due(&self, next: &Asked) -> Option<Instant> {
        self.asked
            .iter()
            .rev()
            .filter(|asked| asked.is_same_kind(next))
            .nth(SHORT_COUNT - 1)
            .map(|asked| asked.at + SHORT)
    }
}

#[cfg(test)]
#[path = "pacer_tests.rs"]
mod tests;
