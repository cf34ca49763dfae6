//! The desk loop: the one owner of money. Events in; facts journaled; then, and only then,
//! actions out.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{Instrument, trace_span, warn};

use super::alerts::Teller;
use super::answers::Answer;
use super::board::Board;
pub use super::command::{Command, Trouble};
use super::measured::Stats;
use super::outbox::{Outbox, Overflow};
use super::stages::Course;
use super::view::DeskView;
use super::{TRACES, fact_log};
use crate::desk::{Action, Desk, Event};
use crate::domain::book::Record;
use crate::domain::order::OrderState;
use crate::domain::progress::Progress;
use crate::domain::{MarketTime, Symbol};
use crate::feed::Tick;
use crate::journal::{Durability, JournalError, Writer};
use crate::tws::{OrderItem, OrderStream};

/// Events taken at most before their facts are journaled.
const BATCH: usize = 64;

/// Time between two views of the desk, where nothing but bars happens.
const VIEW_INTERVAL: Duration = Duration::from_millis(100);

/// Why the desk loop stopped. The process ends: without its journal or its invariants it must not
/// trade.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Facts could not be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// More orders than the invariants allow.
    #[error(transparent)]
    Outbox(#[from] Overflow),
}

struct Attached {
    orders: OrderStream,
    outbox: Outbox,
    trouble: mpsc::Sender<Trouble>,
}

/// The loop's parts.
pub struct DeskLoop {
    desk: Desk,
    journal: Writer,
    durable_orders: bool,
    ack_deadline: Duration,
    attached: Option<Attached>,
    deadlines: BTreeMap<u64, Instant>,
    /// Ends of bars decided on since progress was last published.
    decided: Vec<(Symbol, MarketTime)>,
    viewed_at: Option<Instant>,
    /// Executions known when the read of the broker's state began; `None` once something has
    /// moved that makes that read prove nothing.
    reading: Option<u64>,
    progress: watch::Sender<Progress>,
    view: watch::Sender<Arc<DeskView>>,
    teller: Option<Teller>,
    board: Option<Arc<Board>>,
    stats: Arc<Stats>,
}

/// The loop's inputs.
pub struct Inputs {
    /// Feeds, heartbeat, account.
    pub events: mpsc::Receiver<Event>,
    /// The runner.
    pub commands: mpsc::Receiver<Command>,
    /// Answered once every event sent before was decided on, and the view shows it.
    pub barriers: mpsc::Receiver<oneshot::Sender<()>>,
}

enum Input {
    Order(Result<OrderItem, crate::tws::StreamEnd>),
    Command(Command),
    Event(Event),
    Overdue(u64),
    Barrier(oneshot::Sender<()>),
    Closed,
}

impl DeskLoop {
    /// A loop around a desk. `durable_orders`: an order's facts survive a power cut before it is
    /// sent.
    pub fn new(
        desk: Desk,
        journal: Writer,
        durable_orders: bool,
        ack_deadline: Duration,
        progress: watch::Sender<Progress>,
        view: watch::Sender<Arc<DeskView>>,
        stats: Arc<Stats>,
    ) -> Self {
        Self {
            desk,
            journal,
            durable_orders,
            ack_deadline,
            attached: None,
            deadlines: BTreeMap::new(),
            decided: Vec::new(),
            viewed_at: None,
            reading: None,
            progress,
            view,
            teller: None,
            board: None,
            stats,
        }
    }

    /// The same, with somebody who tells the world of its facts.
    #[must_use]
    pub fn telling(self, teller: Option<Teller>) -> Self {
        Self { teller, ..self }
    }

    /// The same, shown on a board.
    #[must_use]
    pub fn shown_on(self, board: Option<Arc<Board>>) -> Self {
        Self { board, ..self }
    }

    /// Runs until every sender of events and commands is gone; gives the desk back.
    ///
    /// # Errors
    /// The journal or an invariant failed.
    pub async fn run(mut self, mut inputs: Inputs) -> Result<Desk, DeskError> {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            self.publish(true);
            let first = self.next(&mut inputs).await;
            if matches!(first, Input::Closed) {
                break;
            }
            batch.push(first);
            // What is already waiting shares the transaction; the order stream goes first.
            while batch.len() < BATCH {
                match self.ready(&mut inputs) {
                    Some(input) => batch.push(input),
                    None => break,
                }
            }
            self.work(&mut batch).instrument(trace_span!(target: TRACES, "batch")).await?;
        }
        self.journal.close();
        Ok(self.desk)
    }

    /// Waits for the next input: the order stream before anything else, so that a fill which the
    /// gateway sent before a bar is decided before it.
    async fn next(&mut self, inputs: &mut Inputs) -> Input {
        let overdue = self.deadlines.iter().min_by_key(|(_, at)| **at).map(|(intent, at)| (*intent, *at));
        let orders = async {
            match &mut self.attached {
                Some(attached) => attached.orders.next().await,
                None => pending().await,
            }
        };
        let deadline = async {
            match overdue {
                Some((intent, at)) => {
                    tokio::time::sleep_until(at).await;
                    intent
                }
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            item = orders => Input::Order(item),
            Some(command) = inputs.commands.recv() => Input::Command(command),
            event = inputs.events.recv() => event.map_or(Input::Closed, Input::Event),
            // After the events, so that none is waiting when it is taken.
            Some(done) = inputs.barriers.recv() => Input::Barrier(done),
            intent = deadline => Input::Overdue(intent),
        }
    }

    /// What is there without waiting.
    fn ready(&mut self, inputs: &mut Inputs) -> Option<Input> {
        use futures::FutureExt;
        if let Some(attached) = &mut self.attached
            && let Some(item) = attached.orders.next().now_or_never()
        {
            return Some(Input::Order(item));
        }
        if let Ok(command) = inputs.commands.try_recv() {
            return Some(Input::Command(command));
        }
        inputs.events.try_recv().ok().map(Input::Event)
    }

    async fn work(&mut self, batch: &mut Vec<Input>) -> Result<(), DeskError> {
        let began = Instant::now();
        let mut records = Vec::new();
        let mut actions = Vec::new();
        let mut answers: Vec<Answer> = Vec::new();
        let (mut reconcile, mut compare) = (None, false);
        for input in batch.drain(..) {
            let asked = matches!(input, Input::Command(Command::Operate { .. }));
            let event = match input {
                Input::Closed => continue,
                Input::Barrier(done) => {
                    self.viewed_at = None;
                    answers.push(Answer::Done(done));
                    continue;
                }
                Input::Event(event) => event,
                Input::Overdue(intent) => {
                    let queued = self.attached.as_ref().is_some_and(|attached| attached.outbox.waiting() > 0);
                    if queued {
                        // It may still wait for the message limit: nobody could have answered it.
                        self.deadlines.insert(intent, Instant::now() + self.ack_deadline);
                        continue;
                    }
                    self.deadlines.remove(&intent);
                    Event::Overdue { intent }
                }
                Input::Order(Ok(OrderItem::Update(update))) => Event::Order(update),
                Input::Order(Ok(OrderItem::Lagged)) => {
                    reconcile = Some("order updates were lost on the way");
                    Event::Fenced
                }
                Input::Order(Err(end)) => {
                    self.orders_ended(end.to_string());
                    continue;
                }
                Input::Command(command) => match self.command(command, &mut answers) {
                    Some(event) => event,
                    None => continue,
                },
            };
            self.note_decided(&event);
            if matches!(event, Event::Fenced | Event::Link { .. }) {
                self.reading = None;
            }
            let tick = self.stats.came(&event);
            let decided = self.desk.decide(event);
            records.extend(decided.records);
            actions.extend(decided.actions.into_iter().map(|action| (action, tick)));
            if decided.wants_reconcile {
                reconcile = Some("the desk is in doubt");
            }
            compare |= decided.wants_compare;
            if let (true, Some(said), Some(Answer::Operated(_, answer))) = (asked, decided.answer, answers.last_mut()) {
                *answer = Some(said);
            }
        }
        self.settle(records, actions, began).await?;
        if let Some(why) = reconcile {
            self.tell_trouble(Trouble::Reconcile(why));
        } else if compare {
            self.tell_trouble(Trouble::Compare);
        }
        for answer in answers {
            answer.send(&self.desk);
        }
        Ok(())
    }

    /// Facts first, then actions; then whoever looks on is told.
    async fn settle(
        &mut self,
        records: Vec<Record>,
        actions: Vec<(Action, Option<Tick>)>,
        began: Instant,
    ) -> Result<(), DeskError> {
        // A bar without facts allocates nothing.
        let records: Arc<[Record]> = if records.is_empty() { Arc::default() } else { records.into() };
        let any = !records.is_empty();
        let settled = self.keep_and_release(&records, actions, began).await;
        // Whatever has become of them: facts that could not be kept are in the log.
        for record in records.iter() {
            fact_log::log(record);
        }
        settled?;
        if any {
            if let Some(board) = &self.board {
                board.facts(&records, self.desk.book());
            }
            if let Some(teller) = &self.teller {
                teller.facts(&records);
            }
            let book = self.desk.book();
            self.deadlines.retain(|intent, _| {
                book.order(*intent).is_some_and(|o| matches!(o.state, OrderState::Sent | OrderState::Cancelling))
            });
        }
        self.publish(!any);
        Ok(())
    }

    async fn keep_and_release(
        &mut self,
        records: &Arc<[Record]>,
        actions: Vec<(Action, Option<Tick>)>,
        began: Instant,
    ) -> Result<(), DeskError> {
        let decided = Instant::now();
        let ordered = self.durable_orders && records.iter().any(|record| record.fact.precedes_an_order());
        let durability = if ordered { Durability::PowerCut } else { Durability::Process };
        self.journal.append(records, durability).await?;
        let kept = Instant::now();
        if !records.is_empty() {
            self.stats.journal.record(kept - decided);
        }
        if actions.is_empty() {
            return Ok(());
        }
        for (action, tick) in actions {
            let intent = match &action {
                Action::Submit(order) => Some(order.ticket().order_ref.intent),
                Action::Cancel { intent, .. } => Some(*intent),
                Action::Amend(_) | Action::CancelEverything => None,
            };
            if let Some(intent) = intent {
                self.deadlines.insert(intent, kept + self.ack_deadline);
            }
            match &self.attached {
                Some(attached) => attached.outbox.release((action, tick.map(|tick| Course { tick, decided, kept })))?,
                None => warn!(?action, "not sent: no session"),
            }
        }
        self.stats.decide.record(began.elapsed());
        // The outbox waits for this thread: it sends now, not once everybody has been told.
        tokio::task::yield_now().await;
        Ok(())
    }

    fn command(&mut self, command: Command, answers: &mut Vec<Answer>) -> Option<Event> {
        match command {
            Command::Attach { orders, outbox, trouble, done } => {
                self.attached = Some(Attached { orders, outbox, trouble });
                answers.push(Answer::Done(done));
                None
            }
            Command::BeginRead { done } => {
                let queued = self.attached.as_ref().is_none_or(|attached| attached.outbox.waiting() > 0);
                self.reading = (!queued).then(|| self.desk.book().counts().executions);
                answers.push(Answer::Facts(done, self.desk.book().facts()));
                None
            }
            Command::BeginCompare { done } => {
                answers.push(Answer::Facts(done, self.desk.book().facts()));
                None
            }
            Command::Operate { order, done } => {
                answers.push(Answer::Operated(done, None));
                Some(Event::Operator(order))
            }
            Command::Recover { mut recovered, done } => match self.desk.admits(&recovered) {
                Ok(()) if self.attached.is_none() => {
                    // Its order stream has ended: the session is over, whatever was read.
                    answers.push(Answer::Ready(done));
                    None
                }
                Ok(()) => {
                    recovered.disturbed |= self.reading != Some(self.desk.book().counts().executions);
                    answers.push(Answer::Ready(done));
                    Some(Event::Recovered(recovered))
                }
                Err(stranger) => {
                    answers.push(Answer::Refused(done, stranger));
                    None
                }
            },
            Command::Detach { why, done } => {
                // The outbox goes with its session: nothing of it can leave through another.
                self.attached = None;
                self.deadlines.clear();
                answers.push(Answer::Done(done));
                Some(Event::Lost { why })
            }
        }
    }

    fn orders_ended(&mut self, why: String) {
        self.tell_trouble(Trouble::OrdersEnded(why));
        self.attached = None;
    }

    fn tell_trouble(&self, trouble: Trouble) {
        let Some(attached) = &self.attached else { return };
        // A full queue holds a request already; a closed one belongs to a scope that is ending.
        match attached.trouble.try_send(trouble) {
            Ok(()) | Err(mpsc::error::TrySendError::Full(_) | mpsc::error::TrySendError::Closed(_)) => {}
        }
    }

    fn note_decided(&mut self, event: &Event) {
        let (contract, end) = match event {
            Event::Bar { contract, bar, .. } | Event::Warmed { contract, bar, .. } => (*contract, bar.end),
            Event::Listed(_)
            | Event::PriorClose { .. }
            | Event::Time(_)
            | Event::Recovered(_)
            | Event::Compared(_)
            | Event::Position(_)
            | Event::Operator(_)
            | Event::Incident(_)
            | Event::Lost { .. }
            | Event::Link { .. }
            | Event::Order(_)
            | Event::Account(_)
            | Event::Overdue { .. }
            | Event::Fenced
            | Event::ShuttingDown => return,
        };
        if let Some(symbol) = self.desk.marks().symbol(contract) {
            self.decided.push((symbol, end));
        }
    }

    /// Publishes how far the desk has come, and (at once where something happened, else at most
    /// ten times a second) what it looks like.
    fn publish(&mut self, may_wait: bool) {
        let book = self.desk.book();
        let state = |wanted: fn(OrderState) -> bool| {
            u64::try_from(book.live_orders().filter(|order| wanted(order.state)).count()).unwrap_or(u64::MAX)
        };
        let waiting = self.attached.as_ref().map_or(0, |attached| attached.outbox.waiting());
        let counts = book.counts();
        let now = Progress {
            ready: self.desk.is_ready(),
            time: self.desk.now(),
            decided: BTreeMap::new(),
            executions: counts.executions,
            commissions: counts.costed,
            working: state(|state| matches!(state, OrderState::Working | OrderState::Cancelling)),
            unanswered: state(|state| matches!(state, OrderState::Sent | OrderState::Cancelling)) + waiting,
        };
        let newly = &mut self.decided;
        self.progress.send_if_modified(|told| told.advance(now, newly.drain(..)));
        let now = Instant::now();
        if may_wait && self.viewed_at.is_some_and(|at| now - at < VIEW_INTERVAL) {
            return;
        }
        self.viewed_at = Some(now);
        let mut view = DeskView::of(&self.desk);
        view.unanswered_orders += waiting;
        if let Some(board) = &self.board {
            board.look(&self.desk, &view);
        }
        self.view.send_replace(Arc::new(view));
    }
}
