//! The feed: one task a symbol; bars in, targets out.
//!
//! A feed joins history and live bars without gap or overlap, shows every closed bar to the
//! symbol's strategy once and in order, and sends what it says to the desk. It ends with its
//! session; the [`Track`] lives on.

pub mod closing;
mod track;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, mpsc, watch};
use tracing::{debug, info, warn};

use crate::calendar::Calendar;
use crate::desk::Event;
use crate::domain::{Bar, BarSize, Contract, HistoryDuration, HistoryRequest, MarketTime};
use crate::tws::{BarItem, BarStream, RequestError, Session, StreamEnd};
use closing::Aggregating;
pub use track::Track;

/// How live bars come, decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A historical stream kept up to date.
    Stream,
    /// Five-second bars, aggregated.
    Realtime,
    /// History, asked for again after this time.
    Poll(Duration),
}

/// What a feed is told.
#[derive(Debug, Clone)]
pub struct FeedConfig {
    /// How live bars come.
    pub kind: Kind,
    /// The history at the start; its size is the strategy's.
    pub request: HistoryRequest,
    /// Alignment of aggregated bars.
    pub calendar: Calendar,
    /// Whether to poll, and how often, where live bars are not permitted; `None`: that is an error.
    pub else_poll: Option<Duration>,
}

/// Why a feed ended.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// History could not be had.
    #[error("history: {0}")]
    History(#[from] RequestError),
    /// The live bars ended.
    #[error("live bars: {0}")]
    Live(#[from] StreamEnd),
    /// The desk listens no more: the daemon is stopping.
    #[error("the desk listens no more")]
    Stopped,
}

impl FeedError {
    /// Whether it is only what the loss of the session looks like from here.
    pub fn is_session_lost(&self) -> bool {
        matches!(self, Self::History(RequestError::SessionLost { .. }) | Self::Live(StreamEnd::SessionLost { .. }))
    }
}

/// What a feed works with.
pub struct Feed {
    /// The session that bars come from.
    pub session: Session,
    /// What is traded.
    pub contract: Contract,
    /// Its strategy.
    pub track: Arc<Mutex<Track>>,
    /// The desk.
    pub inbox: mpsc::Sender<Event>,
    /// Broker time as the heartbeat reads it.
    pub broker_time: watch::Receiver<MarketTime>,
    /// Admits so many histories at a time.
    pub histories: Arc<Semaphore>,
    /// How to go about it.
    pub config: FeedConfig,
}

impl Feed {
    /// Runs until its session or the desk is gone.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn run(mut self) -> Result<(), FeedError> {
        let live = match self.config.kind {
            Kind::Stream => self.stream().await,
            Kind::Realtime => self.realtime().await,
            Kind::Poll(interval) => return self.poll(interval).await,
        };
        match (live, self.config.else_poll) {
            (Err(FeedError::Live(StreamEnd::NotPermitted { code, text })), Some(interval)) => {
                let symbol = &self.contract.symbol;
                warn!(%symbol, code, interval_s = interval.as_secs_f64(), "live bars are not permitted ({text}): polling");
                self.poll(interval).await
            }
            (ended, _) => ended,
        }
    }

    /// History once, every closed bar through the strategy; then the end.
    ///
    /// # Errors
    /// No history, or the desk is gone.
    pub async fn once(mut self) -> Result<(), FeedError> {
        let bars = self.history().await?;
        self.catch_up(bars).await?;
        let now = *self.broker_time.borrow();
        self.time_passed(now).await
    }

    async fn stream(&mut self) -> Result<(), FeedError> {
        let mut stream = {
            // A closed semaphore cannot be: nobody closes it.
            let _admitted = self.histories.acquire().await.map_err(|_| FeedError::Stopped)?;
            let request = self.request().await;
            self.session.stream_bars(&self.contract, &request).await?
        };
        loop {
            match self.next(&mut stream).await? {
                None => {}
                Some(BarItem::History(bars)) => self.catch_up(bars).await?,
                Some(BarItem::Update(bar)) => self.update(bar).await?,
            }
        }
    }

    /// Real-time bars carry no history and begin in the middle of one: subscribed first, with the
    /// history fetched after it, and the bar in which they began read from history once it ended.
    async fn realtime(&mut self) -> Result<(), FeedError> {
        let (show, regular) = (self.config.request.show, self.config.request.regular_only);
        let mut stream = self.session.realtime_bars(&self.contract, show, regular).await?;
        let bars = self.history().await?;
        let mut aggregating = Aggregating::new(self.config.calendar, self.config.request.size);
        let mut joined: Option<MarketTime> = None;
        let mut whole = self.config.request.size <= BarSize::Secs5;
        self.catch_up(bars).await?;
        loop {
            let Some(item) = self.next(&mut stream).await? else { continue };
            let BarItem::Update(small) = item else { continue };
            let big = aggregating.push(&small);
            let first = *joined.get_or_insert(big.time);
            if !whole && big.time > first {
                // The bar in which the stream began is over: history has it whole.
                let missed = self.history().await?;
                self.catch_up(missed.into_iter().filter(|bar| bar.time < big.time).collect()).await?;
                whole = true;
            }
            if whole {
                self.update(big).await?;
            }
        }
    }

    async fn poll(&mut self, interval: Duration) -> Result<(), FeedError> {
        loop {
            let bars = self.history().await?;
            self.catch_up(bars).await?;
            let wake = tokio::time::sleep(interval);
            tokio::pin!(wake);
            loop {
                tokio::select! {
                    () = &mut wake => break,
                    // Time passes while waiting: a bar may close without a later one.
                    changed = self.broker_time.changed() => {
                        changed.map_err(|_| FeedError::Stopped)?;
                        let now = *self.broker_time.borrow_and_update();
                        self.time_passed(now).await?;
                    }
                }
            }
        }
    }

    /// The next live item, or `None` where time passed instead.
    async fn next(&mut self, stream: &mut BarStream) -> Result<Option<BarItem>, FeedError> {
        tokio::select! {
            biased;
            item = stream.next() => Ok(Some(item?)),
            changed = self.broker_time.changed() => {
                changed.map_err(|_| FeedError::Stopped)?;
                let now = *self.broker_time.borrow_and_update();
                self.time_passed(now).await?;
                Ok(None)
            }
        }
    }

    async fn history(&mut self) -> Result<Vec<Bar>, FeedError> {
        let _admitted = self.histories.acquire().await.map_err(|_| FeedError::Stopped)?;
        let request = self.request().await;
        Ok(self.session.history(&self.contract, &request).await?)
    }

    /// The history to ask for: all of it at first; later at least back to the last closed bar.
    async fn request(&self) -> HistoryRequest {
        let mut request = self.config.request.clone();
        let now = *self.broker_time.borrow();
        if let Some(last) = self.track.lock().await.last() {
            let reach = HistoryDuration::reaching(now.since(last) + 2 * request.size.duration());
            let nominal = request.duration.nominal();
            // A short look back is enough for what was just missed; a long absence needs more.
            let short = reach.nominal() < nominal && request.size.is_intraday() && request.size != BarSize::Day1;
            if short || reach.nominal() > nominal {
                request.duration = reach;
            }
        }
        request
    }

    async fn catch_up(&mut self, bars: Vec<Bar>) -> Result<(), FeedError> {
        let now = *self.broker_time.borrow();
        let events = {
            let mut track = self.track.lock().await;
            let before = track.seen();
            track.closing.interrupted();
            let mut closed = Vec::with_capacity(bars.len());
            for bar in bars {
                match track.closing.offer(bar) {
                    Ok(done) => closed.extend(done),
                    Err(fault) => self.refuse(&track, &bar, &fault),
                }
            }
            closed.extend(track.closing.elapse(now));
            let events = track.history(self.contract.id, &closed);
            self.tell_warmth(&track, before, closed.len());
            events
        };
        for event in events {
            self.tell(event).await?;
        }
        Ok(())
    }

    fn tell_warmth(&self, track: &Track, before: usize, closed: usize) {
        let (symbol, seen, needed) = (&track.symbol, track.seen(), track.warm_up());
        if before == 0 && seen < needed {
            info!(%symbol, seen, needed, "warming: {seen} of {needed} bars");
        } else if before == 0 {
            info!(%symbol, bars = closed, needed, "warmed by history");
        } else if closed > 0 {
            debug!(%symbol, bars = closed, "caught up");
        }
    }

    fn refuse(&self, track: &Track, bar: &Bar, fault: &crate::domain::BarFault) {
        warn!(symbol = %track.symbol, time = %bar.time, refused = track.closing.refused(), "bar refused: {fault}");
    }

    async fn update(&mut self, bar: Bar) -> Result<(), FeedError> {
        let event = {
            let mut track = self.track.lock().await;
            match track.closing.offer(bar) {
                Ok(closed) => closed.map(|closed| track.live(self.contract.id, closed, true)),
                Err(fault) => {
                    self.refuse(&track, &bar, &fault);
                    None
                }
            }
        };
        match event {
            Some(event) => self.tell(event).await,
            None => Ok(()),
        }
    }

    async fn time_passed(&mut self, now: MarketTime) -> Result<(), FeedError> {
        let event = {
            let mut track = self.track.lock().await;
            let closed = track.closing.elapse(now);
            closed.map(|closed| track.live(self.contract.id, closed, true))
        };
        match event {
            Some(event) => self.tell(event).await,
            None => Ok(()),
        }
    }

    async fn tell(&self, event: Event) -> Result<(), FeedError> {
        self.inbox.send(event).await.map_err(|_| FeedError::Stopped)
    }
}
