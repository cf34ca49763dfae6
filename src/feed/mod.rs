//! The feed: one task a symbol; bars in, targets out.
//!
//! A feed joins history and live bars without gap or overlap, shows every closed bar to the
//! symbol's strategy once and in order, and sends what it says to the desk. It ends with its
//! session; the [`Track`] lives on.

pub mod closing;
pub mod pulse;
mod ticks;
mod track;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, mpsc, watch};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::calendar::Calendar;
use crate::desk::Event;
use crate::desk::operator::Order;
use crate::domain::book::IncidentFact;
use crate::domain::{Bar, BarSize, Contract, HistoryDuration, HistoryRequest, MarketTime};
use crate::tws::{BarItem, BarStream, RequestError, Session, StreamEnd, Turn};
use closing::Aggregating;
pub use pulse::Pulse;
use pulse::Silence;
pub use ticks::{Tick, Ticks};
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
    /// What the feeds of the session tell each other.
    pub pulse: Arc<Pulse>,
    /// When bars came.
    pub ticks: Arc<Ticks>,
    /// Silent or failed subscriptions in a row that park the symbol.
    pub park_after: u32,
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
    /// History is empty, in a pass over nothing but history.
    #[error("history is empty")]
    NoBars,
    /// The stream is open and silent, though the market trades.
    #[error("no bars for {} s of an open market: subscribing anew", .age.as_secs())]
    Stalled {
        /// Time since the newest bar's end, or since the open.
        age: Duration,
    },
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
    /// Its place among those who want real-time bars, where it has lined up already.
    pub turn: Option<Turn>,
    /// How to go about it.
    pub config: FeedConfig,
}

/// A subscription as it is followed.
struct Line {
    stream: BarStream,
    farms: watch::Receiver<u64>,
    /// When it last said anything.
    heard: Instant,
    /// It is to be subscribed anew once this turn has come: until then it may well live.
    turn: Option<Turn>,
}

/// What a subscription brings next.
enum Next {
    Item(BarItem),
    /// Broker time passed.
    Time,
    /// It is to be subscribed anew.
    Anew,
}

/// Waits for a turn, for ever without one.
async fn comes(turn: Option<&Turn>) {
    match turn {
        Some(turn) => turn.come().await,
        None => std::future::pending().await,
    }
}

impl Feed {
    /// Runs until its session or the desk is gone.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn run(mut self) -> Result<(), FeedError> {
        let ended = self.follow().await;
        match &ended {
            // Whether it was silent or only quiet shows in what the next subscription brings.
            Err(FeedError::Stalled { .. }) => self.track.lock().await.suspect(),
            Err(_) if self.config.pulse.is_outage() => {}
            Err(error) if !error.is_session_lost() && !matches!(error, FeedError::Stopped) => {
                let failures = self.track.lock().await.failed();
                self.park(failures, &error.to_string()).await?;
            }
            Ok(()) | Err(_) => {}
        }
        ended
    }

    async fn follow(&mut self) -> Result<(), FeedError> {
        let live = loop {
            let live = match self.config.kind {
                Kind::Stream => self.stream().await,
                Kind::Realtime => self.realtime().await,
                Kind::Poll(interval) => return self.poll(interval).await,
            };
            match live {
                Ok(()) => info!(symbol = %self.contract.symbol, "a data farm is back: subscribing anew"),
                Err(error) => break Err(error),
            }
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
        if bars.is_empty() {
            return Err(FeedError::NoBars);
        }
        self.catch_up(bars).await?;
        let now = *self.broker_time.borrow();
        self.time_passed(now).await
    }

    /// Ends without an error where it is to be subscribed anew.
    async fn stream(&mut self) -> Result<(), FeedError> {
        let farms = self.config.pulse.farms();
        let stream = {
            // A closed semaphore cannot be: nobody closes it.
            let _admitted = self.histories.acquire().await.map_err(|_| FeedError::Stopped)?;
            let request = self.request().await;
            self.session.stream_bars(&self.contract, &request).await?
        };
        let mut line = Line { stream, farms, heard: Instant::now(), turn: None };
        loop {
            match self.next(&mut line).await? {
                Next::Time => {}
                Next::Anew => return Ok(()),
                Next::Item(BarItem::History(bars)) => self.catch_up(bars).await?,
                Next::Item(BarItem::Update(bar)) => self.update(bar, line.heard).await?,
            }
        }
    }

    /// Real-time bars carry no history and begin in the middle of one: subscribed first, with the
    /// history fetched after it, and the bar in which they began read from history once it ended.
    /// Ends without an error where it is to be subscribed anew.
    async fn realtime(&mut self) -> Result<(), FeedError> {
        let (show, regular) = (self.config.request.show, self.config.request.regular_only);
        let farms = self.config.pulse.farms();
        let turn = self.turn.take().unwrap_or_else(|| self.session.line_up(&self.contract.symbol, true));
        if turn.waits() && self.config.request.size > BarSize::Secs30 {
            // It trades nothing meanwhile, but what it holds has a price. Smaller bars are too dear: their histories are
            // paced, and whoever has its turn needs them.
            let bars = self.history().await?;
            self.catch_up(bars).await?;
        }
        let stream = self.session.realtime_bars(turn, &self.contract, show, regular).await?;
        let bars = self.history().await?;
        let mut aggregating = Aggregating::new(self.config.calendar, self.config.request.size);
        let mut joined: Option<MarketTime> = None;
        let mut whole = self.config.request.size <= BarSize::Secs5;
        self.catch_up(bars).await?;
        let mut line = Line { stream, farms, heard: Instant::now(), turn: None };
        loop {
            let small = match self.next(&mut line).await? {
                Next::Item(BarItem::Update(small)) => small,
                Next::Item(BarItem::History(_)) | Next::Time => continue,
                Next::Anew => return Ok(()),
            };
            let big = aggregating.push(&small);
            let first = *joined.get_or_insert(big.time);
            if !whole && big.time > first {
                // The bar in which the stream began is over: history has it whole.
                let missed = self.history().await?;
                self.catch_up(missed.into_iter().filter(|bar| bar.time < big.time).collect()).await?;
                whole = true;
            }
            if whole {
                self.update(big, line.heard).await?;
            }
        }
    }

    async fn poll(&mut self, interval: Duration) -> Result<(), FeedError> {
        loop {
            let bars = self.history().await?;
            self.catch_up(bars).await?;
            self.track.lock().await.flows();
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

    /// What happens next. What the gateway sent before it told the time comes before that time.
    async fn next(&mut self, line: &mut Line) -> Result<Next, FeedError> {
        tokio::select! {
            biased;
            item = line.stream.next() => {
                line.heard = Instant::now();
                Ok(Next::Item(item?))
            }
            changed = line.farms.changed() => {
                changed.map_err(|_| FeedError::Stopped)?;
                if self.config.kind != Kind::Realtime {
                    return Ok(Next::Anew);
                }
                line.turn.get_or_insert_with(|| self.session.line_up(&self.contract.symbol, false));
                Ok(Next::Time)
            }
            () = comes(line.turn.as_ref()) => {
                self.turn = line.turn.take();
                Ok(Next::Anew)
            }
            changed = self.broker_time.changed() => {
                changed.map_err(|_| FeedError::Stopped)?;
                let now = *self.broker_time.borrow_and_update();
                self.time_passed(now).await?;
                self.still_alive(now, line.heard).await?;
                Ok(Next::Time)
            }
        }
    }

    /// A stream that is silent in a market that trades has ended without saying so.
    async fn still_alive(&self, now: MarketTime, heard: Instant) -> Result<(), FeedError> {
        let mut track = self.track.lock().await;
        let silence = Silence {
            session: pulse::session(&self.contract, self.config.calendar, now),
            last_end: track.closing.end(),
            now,
            quiet: heard.elapsed(),
            bar: self.config.request.size.duration(),
        };
        match silence.stalled(&self.config.pulse) {
            Some(age) if track.again.may(Instant::now()) => Err(FeedError::Stalled { age }),
            Some(_) | None => Ok(()),
        }
    }

    /// After so many failures in a row no entry is made in the symbol until its bars come again; it
    /// is tried on all the same.
    async fn park(&self, failures: u32, why: &str) -> Result<(), FeedError> {
        if failures < self.config.park_after {
            return Ok(());
        }
        let symbol = self.contract.symbol;
        if failures == self.config.park_after {
            error!(%symbol, failures, "parked: its bars stay away ({why}); no entry in it until they come again");
        }
        let reason = format!("parked after {failures} failures of its bars in a row, the last: {why}");
        self.tell(Event::Operator(Order::Park { symbol, reason })).await
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
        if let Some((day, close)) = Track::prior_close(self.config.calendar, &bars) {
            self.tell(Event::PriorClose { contract: self.contract.id, day, close }).await?;
        }
        let silent;
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
            self.hear(&track);
            silent = track.was_silent(closed.len());
            let events = track.history(self.contract.id, &closed);
            self.tell_warmth(&track, before, closed.len());
            events
        };
        for event in events {
            self.tell(event).await?;
        }
        self.tell_fault().await?;
        match silent {
            Some(failures) => {
                let text = format!("the bars of {} were silent though the market traded", self.contract.symbol);
                self.tell(Event::Incident(IncidentFact::new("bars_silent", text))).await?;
                self.park(failures, "the subscription was open and silent").await
            }
            None => Ok(()),
        }
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

    /// Tells the other feeds how far this symbol's bars reach.
    fn hear(&self, track: &Track) {
        if let Some(end) = track.closing.end() {
            self.config.pulse.heard(end);
        }
    }

    fn refuse(&self, track: &Track, bar: &Bar, fault: &crate::domain::BarFault) {
        warn!(symbol = %track.symbol, time = %bar.time, refused = track.closing.refused(), "bar refused: {fault}");
    }

    async fn update(&mut self, bar: Bar, heard: Instant) -> Result<(), FeedError> {
        let mut unparked = false;
        let event = {
            let mut track = self.track.lock().await;
            let offered = track.closing.offer(bar);
            self.hear(&track);
            match offered {
                Ok(closed) => {
                    unparked = closed.is_some() && track.flows() >= self.config.park_after;
                    closed.map(|closed| track.live(self.contract.id, closed, true))
                }
                Err(fault) => {
                    self.refuse(&track, &bar, &fault);
                    None
                }
            }
        };
        if unparked {
            self.tell(Event::Operator(Order::Unpark { symbol: self.contract.symbol })).await?;
        }
        self.tell_live(event, heard).await
    }

    async fn time_passed(&mut self, now: MarketTime) -> Result<(), FeedError> {
        let heard = Instant::now();
        let event = {
            let mut track = self.track.lock().await;
            let closed = track.closing.elapse(now);
            closed.map(|closed| track.live(self.contract.id, closed, true))
        };
        self.tell_live(event, heard).await
    }

    /// What a live bar led to, where one has closed by what was `heard` then.
    async fn tell_live(&self, event: Option<Event>, heard: Instant) -> Result<(), FeedError> {
        let Some(event) = event else { return Ok(()) };
        if let Event::Bar { contract, bar, .. } = &event {
            self.config.ticks.came(*contract, bar.end, Tick { came: heard, handed: Instant::now() });
        }
        self.tell(event).await?;
        self.tell_fault().await
    }

    /// A strategy that has given up trades no more, though its bars go on: a human must know.
    async fn tell_fault(&self) -> Result<(), FeedError> {
        let Some(why) = self.track.lock().await.new_fault() else { return Ok(()) };
        let symbol = &self.contract.symbol;
        error!(%symbol, "the strategy has failed and has no opinion from now on: {why}");
        let text = format!("the strategy of {symbol} has no opinion from now on: {why}");
        self.tell(Event::Incident(IncidentFact::new("strategy_failed", text))).await
    }

    async fn tell(&self, event: Event) -> Result<(), FeedError> {
        self.inbox.send(event).await.map_err(|_| FeedError::Stopped)
    }
}
