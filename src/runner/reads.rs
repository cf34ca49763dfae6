//! Reads of the broker's state: behind the fence until the desk is Ready (rules 16 and 17), and now
//! and then while trading goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tracing::{Instrument, debug, info, trace_span, warn};

use super::TRACES;
use super::desk_loop::Command;
use super::scope::{Ended, Report, desk_gone};
use super::view::DeskView;
use crate::desk::{Event, Recovered};
use crate::domain::broker::BrokerSnapshot;
use crate::tws::{RequestError, Session};

/// Reads of the broker's state that may leave something in doubt before the session is given up.
const READS: u32 = 20;

/// What a session's reads need.
#[derive(Clone)]
pub(super) struct Reads {
    pub(super) session: Session,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) events: mpsc::Sender<Event>,
    /// Asks the desk to answer once it has decided on everything sent to it before.
    pub(super) barriers: mpsc::Sender<oneshot::Sender<()>>,
    pub(super) view: watch::Receiver<Arc<DeskView>>,
    /// Time between two reads that have to agree.
    pub(super) settle: Duration,
    /// Time between comparisons in steady state.
    pub(super) interval: Duration,
    /// Asks for a comparison before its time.
    pub(super) wanted: Arc<Notify>,
}

impl Reads {
    /// Reads until the desk is Ready with what it says.
    pub(super) async fn reconcile(&self, why: &str) -> Result<(), Ended> {
        info!(why, "reconciling with the broker");
        let mut read = 0;
        while read < READS {
            let since = self.begin().await?;
            let (days_back, link_up) = {
                let view = self.view.borrow();
                (view.days_back, view.link_up)
            };
            // While TWS has no link to IBKR no read can conclude anything: that is no disagreement.
            read += u32::from(link_up);
            let snapshot = self.session.snapshot(days_back).await.map_err(|error| Ended::Lost {
                why: format!("reading the broker's state: {error}"),
                was_ready: false,
            })?;
            // A notice that came before the answers is decided before them: commands overtake events.
            let (done, passed) = oneshot::channel();
            if self.barriers.send(done).await.is_err() || passed.await.is_err() {
                return Err(desk_gone());
            }
            let (done, answer) = oneshot::channel();
            let asked = self.commands.send(Command::Recover { recovered: self.read(snapshot, since), done }).await;
            match (asked, answer.await) {
                (Ok(()), Ok(Ok(true))) => return Ok(()),
                (Ok(()), Ok(Ok(false))) => info!(read, "something is in doubt: reading again after the settle time"),
                (Ok(()), Ok(Err(stranger))) => return Err(Ended::Failed(stranger.into())),
                (Err(_), _) | (_, Err(_)) => return Err(desk_gone()),
            }
            tokio::time::sleep(self.settle).await;
        }
        Err(Ended::Lost { why: format!("{READS} reads of the broker's state do not agree"), was_ready: false })
    }

    /// The desk notes that a read begins, and says of how many facts its book is made.
    async fn begin(&self) -> Result<u64, Ended> {
        let (done, begun) = oneshot::channel();
        if self.commands.send(Command::BeginRead { done }).await.is_err() {
            return Err(desk_gone());
        }
        begun.await.map_err(|_| desk_gone())
    }

    fn read(&self, snapshot: BrokerSnapshot, since: u64) -> Box<Recovered> {
        Box::new(Recovered { client_id: self.session.client_id(), snapshot, disturbed: false, since })
    }

    /// Compares broker and book every `interval`, and soon after somebody wants it, for as long as
    /// the session lives.
    pub(super) async fn compare(self) -> Report {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.interval) => {}
                // What was seen may still be on its way to the book: after a while it is not.
                () = self.wanted.notified() => tokio::time::sleep(self.settle).await,
            }
            let days_back = {
                let view = self.view.borrow();
                if !view.ready {
                    continue;
                }
                view.days_back
            };
            let (done, begun) = oneshot::channel();
            if self.commands.send(Command::BeginCompare { done }).await.is_err() {
                return Report::Lost("the desk is gone".into());
            }
            let Ok(since) = begun.await else { return Report::Lost("the desk is gone".into()) };
            let span = trace_span!(target: TRACES, "compare");
            match self.session.snapshot(days_back).instrument(span).await {
                Ok(snapshot) => {
                    debug!("broker and book are compared");
                    if self.events.send(Event::Compared(self.read(snapshot, since))).await.is_err() {
                        return Report::Lost("the desk is gone".into());
                    }
                }
                Err(RequestError::SessionLost { reason }) => return Report::Lost(reason),
                Err(error) => warn!("broker and book could not be compared: {error}; tried again later"),
            }
        }
    }

    /// Follows the account's holdings for as long as the session lives; a stream that ends is
    /// opened again.
    pub(super) async fn follow_holdings(self) -> Report {
        loop {
            let mut holdings = match self.session.holdings().await {
                Ok(holdings) => holdings,
                Err(RequestError::SessionLost { reason }) => return Report::Lost(reason),
                Err(error) => {
                    warn!("holdings are not followed, only compared now and then: {error}");
                    tokio::time::sleep(self.interval).await;
                    continue;
                }
            };
            loop {
                match holdings.next().await {
                    Ok(holding) => {
                        if self.events.send(Event::Position(holding)).await.is_err() {
                            return Report::Lost("the desk is gone".into());
                        }
                    }
                    Err(crate::tws::StreamEnd::SessionLost { reason }) => return Report::Lost(reason),
                    Err(end) => {
                        warn!("the stream of holdings ended: {end}; it is opened again");
                        tokio::time::sleep(self.settle.max(Duration::from_secs(1))).await;
                        break;
                    }
                }
            }
        }
    }
}
