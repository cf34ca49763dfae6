//! The operator's end of the daemon: what may be said on the control socket, and the answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::alerts;
use super::board::Board;
use super::desk_loop::Command;
use super::guests::{self, Guests, Question};
use super::outlook::Outlook;
use super::reload::Reload;
pub use super::request::{LogReply, Reply, Request};
use crate::control::Asked;
use crate::desk::operator::{Acceptance, Order, Unable};
use crate::domain::{Symbol, plain};
use crate::notify::Notifier;

/// How long the desk may take to answer: an append to the journal, at worst behind a busy reader.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What the answers are made from.
pub(super) struct Operated {
    pub(super) outlook: Outlook,
    pub(super) commands: watch::Receiver<Option<mpsc::Sender<Command>>>,
    /// Stops the daemon.
    pub(super) stop: CancellationToken,
    /// Tells the world, where anybody is told.
    pub(super) notifier: Option<Notifier>,
    /// Reads the settings anew.
    pub(super) reload: Option<Arc<Reload>>,
    /// Asks for a comparison with the broker.
    pub(super) compare: Arc<Notify>,
    /// The session, for those who only ask.
    pub(super) guests: Guests,
    /// Where the log's last lines are kept; `None`: nowhere.
    pub(super) board: Option<Arc<Board>>,
    /// The log's file (LOG_FILE).
    pub(super) log_file: Option<PathBuf>,
}

/// Questions to the broker that may be open: what asks for more waits its turn elsewhere.
const BESIDE: usize = 4;

/// How long the end waits for whoever asked for it to have the answer.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// Orders that may wait for the desk.
const ORDERS: usize = 64;

/// Who is answered when.
enum Turn {
    /// At once: nothing is waited for.
    Now,
    /// At once, and the daemon ends with the answer.
    Last,
    /// Beside the others: the broker is asked, which may take its time.
    Beside,
    /// After the orders before it.
    Order,
}

impl Turn {
    fn of(request: &Request) -> Self {
        match request {
            Request::Status {} | Request::Log { .. } | Request::Acknowledge {} => Self::Now,
            Request::Shutdown { .. } => Self::Last,
            Request::Reconcile {} | Request::Look {} | Request::History { .. } => Self::Beside,
            Request::Accept { .. }
            | Request::Halt { .. }
            | Request::Resume { .. }
            | Request::Flatten { .. }
            | Request::Park { .. }
            | Request::Unpark { .. }
            | Request::Cancel { .. }
            | Request::Reload {} => Self::Order,
        }
    }
}

/// A request, and who waits for its answer.
type Waiting = (Request, oneshot::Sender<String>);

impl Operated {
    /// Answers for ever. Orders to the desk are taken one after another; nothing that asks the broker, and no other
    /// caller, holds them up.
    pub(super) async fn answer(self, mut asked: mpsc::Receiver<Asked>) {
        let me = Arc::new(self);
        let (orders, waiting) = mpsc::channel(ORDERS);
        let (mut beside, mut desk) = (JoinSet::new(), JoinSet::new());
        desk.spawn(Arc::clone(&me).obey(waiting));
        loop {
            let Asked { line, answer, written } = tokio::select! {
                Some(ended) = beside.join_next() => {
                    if let Err(error) = ended {
                        warn!("a question to the broker was not answered: {error}");
                    }
                    continue;
                }
                asked = asked.recv() => match asked {
                    Some(asked) => asked,
                    None => return,
                },
            };
            let request = match serde_json::from_str::<Request>(&line) {
                Ok(request) => request,
                Err(error) => {
                    tell(answer, &Reply::no(format!("{line:?} is no command: {error}")));
                    continue;
                }
            };
            match Turn::of(&request) {
                Turn::Now => tell(answer, &me.reply(request).await),
                Turn::Last => {
                    tell(answer, &me.reply(request).await);
                    let stop = me.stop.clone();
                    beside.spawn(async move {
                        // With everything else the socket ends: first whoever asked is to have the answer.
                        drop(tokio::time::timeout(LAST_ANSWER, written).await);
                        stop.cancel();
                    });
                }
                Turn::Beside if beside.len() >= BESIDE => tell(answer, &guests::busy()),
                Turn::Beside => {
                    let me = Arc::clone(&me);
                    beside.spawn(async move { tell(answer, &me.reply(request).await) });
                }
                Turn::Order => {
                    if let Err(refused) = orders.try_send((request, answer)) {
                        let (_, answer) = refused.into_inner();
                        tell(
                            answer,
                            &Reply::later(format!("{ORDERS} orders wait for the desk already: look at the log")),
                        );
                    }
                }
            }
        }
    }

    /// Has orders carried out, one after another.
    async fn obey(self: Arc<Self>, mut waiting: mpsc::Receiver<Waiting>) {
        while let Some((request, answer)) = waiting.recv().await {
            tell(answer, &self.reply(request).await);
        }
    }

    async fn reply(&self, request: Request) -> Reply {
        let request = match in_plain_words(request) {
            Ok(request) => request,
            Err(why) => return Reply::mistaken(why),
        };
        let order = match request {
            Request::Status {} => return self.status("status"),
            Request::Log { after, at_most } => return self.log(after, at_most),
            Request::Look {} => return self.guests.ask(Question::Look).await,
            Request::History { symbol, ask } => return self.guests.ask(Question::History { symbol, ask }).await,
            Request::Reconcile {} => return self.reconcile().await,
            Request::Accept { symbol, reason, split, foreign } => match acceptance(split.as_deref(), foreign) {
                Ok(_) if reason.trim().is_empty() => {
                    return Reply::mistaken("say why, with --reason: it goes into the journal");
                }
                Ok(how) => Order::Accept { symbol, reason, how },
                Err(why) => return Reply::mistaken(why),
            },
            Request::Halt { symbol, reason } => Order::Halt { symbol, reason },
            Request::Resume { symbol, reason } => Order::Resume { symbol, reason },
            Request::Flatten { symbol, reason, everything, confirm } => {
                if everything && let Err(reply) = self.confirmed(symbol.as_ref(), &confirm) {
                    return reply;
                }
                Order::Flatten { symbol, reason, everything }
            }
            Request::Park { symbol, reason } => {
                let said = if reason.trim().is_empty() { "parked by an operator".to_owned() } else { reason };
                Order::Shelve { symbol, reason: said }
            }
            Request::Unpark { symbol } => Order::Unshelve { symbol },
            Request::Cancel { intent, reason } => Order::Cancel { intent, reason },
            Request::Acknowledge {} => {
                return match &self.notifier {
                    Some(notifier) => {
                        notifier.acknowledge();
                        self.outlook.layers.report(alerts::acknowledgement());
                        Reply::yes("noted: what stands is not told again")
                    }
                    None => {
                        self.outlook.layers.report(alerts::acknowledgement());
                        Reply::yes("noted; nobody is told anything: no NOTIFY_ setting names a place")
                    }
                };
            }
            Request::Reload {} => return self.reload().await,
            Request::Shutdown { reason } => {
                warn!(reason, "an operator shuts the daemon down");
                return Reply::yes("shutting down: entries are cancelled, stops stay");
            }
        };
        info!(?order, "an operator orders");
        self.order(order).await
    }

    /// Everything is cancelled only for somebody who names the account twice.
    fn confirmed(&self, symbol: Option<&Symbol>, confirm: &[String]) -> Result<(), Reply> {
        let Some(account) = self.outlook.view().and_then(|view| view.account.clone()) else {
            return Err(Reply::no("no session was Ready yet: the account is not known"));
        };
        if symbol.is_some() {
            return Err(Reply::no("--everything is for the whole account: leave the symbol out"));
        }
        if confirm.len() == 2 && confirm.iter().all(|named| *named == account) {
            return Ok(());
        }
        Err(Reply::no(format!(
            "this cancels EVERY order in account {account}, those of other programs and those placed by hand included; \
             confirm it twice: --confirm {account} --confirm-again {account}"
        )))
    }

    async fn order(&self, order: Order) -> Reply {
        if let Some(said) = self.outlook.early.keep(&order) {
            return said;
        }
        let Some(commands) = self.commands.borrow().clone() else {
            return Reply::no(
                "no ledger is open yet, because no session was Ready: halt says that none is to be entered then",
            );
        };
        let (done, said) = oneshot::channel();
        if commands.send(Command::Operate { order, done }).await.is_err() {
            return Reply::no("the desk has ended: look into the log");
        }
        match tokio::time::timeout(ANSWER_WITHIN, said).await {
            Ok(Ok(Ok(text))) => Reply::yes(text),
            Ok(Ok(Err(unable @ (Unable::UnknownSymbol { .. } | Unable::UnknownOrder { .. })))) => {
                Reply::mistaken(unable.to_string())
            }
            // What was to be so is so already.
            Ok(Ok(Err(unable @ (Unable::NotLocked | Unable::Agrees { .. })))) => Reply::yes(unable.to_string()),
            Ok(Ok(Err(unable @ Unable::NotNow { .. }))) => Reply::later(unable.to_string()),
            Ok(Ok(Err(unable))) => Reply::no(unable.to_string()),
            Ok(Err(_)) => Reply::no("the desk has ended: look into the log"),
            Err(_) => Reply::later(format!(
                "the desk did not answer within {} s; it may still act: look at robo-trader status",
                ANSWER_WITHIN.as_secs()
            )),
        }
    }

    /// Settings anew, all of them or none.
    async fn reload(&self) -> Reply {
        let Some(reload) = &self.reload else { return Reply::no("this daemon cannot read its settings anew") };
        match reload.read() {
            Ok(None) => Reply::yes("nothing has changed"),
            Ok(Some((order, shown))) => {
                let reply = self.order(order).await;
                if reply.ok {
                    reload.took(shown);
                }
                reply
            }
            Err(why) => Reply::no(why),
        }
    }

    /// Has broker and book compared now, and tells how they are.
    async fn reconcile(&self) -> Reply {
        let Some(mut view) = self.outlook.shown.borrow().clone() else {
            return Reply::no("no session was Ready yet: there is nothing to compare");
        };
        let before = view.borrow().reads;
        if !view.borrow().ready {
            let word = self.outlook.trading().word;
            return Reply::later(format!("nothing was compared ({word}): robo-trader status tells what differed last"));
        }
        self.compare.notify_one();
        let read = tokio::time::timeout(ANSWER_WITHIN, view.wait_for(|view| view.reads > before));
        match read.await {
            Ok(Ok(_)) => self.status("compared now"),
            Ok(Err(_)) => Reply::no("the desk has ended: look into the log"),
            Err(_) => {
                Reply::later("the broker did not answer in time: nothing was compared; look at robo-trader status")
            }
        }
    }

    /// Lines of the log, and its file, as an absolute path.
    fn log(&self, after: Option<u64>, at_most: usize) -> Reply {
        let file = self.log_file.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        let kept = self.board.as_ref().map(|board| board.log_after(after, at_most));
        match serde_json::to_value(LogReply { file, kept }) {
            Ok(value) => Reply { status: Some(value), ..Reply::yes("the log") },
            Err(error) => Reply::no(format!("the log cannot be told: {error}")),
        }
    }

    fn status(&self, text: &str) -> Reply {
        match serde_json::to_value(self.outlook.status()) {
            Ok(value) => Reply { status: Some(value), ..Reply::yes(text) },
            Err(error) => Reply::no(format!("the status cannot be written: {error}")),
        }
    }
}

fn tell(answer: oneshot::Sender<String>, reply: &Reply) {
    if answer.send(reply.line()).is_err() {
        warn!("an operator did not wait for the answer: {}", reply.text);
    }
}

/// Characters of a reason at most.
const LONGEST_REASON: usize = 500;

/// The request with a reason of one line that may be shown anywhere.
fn in_plain_words(mut request: Request) -> Result<Request, String> {
    let reason = match &mut request {
        Request::Accept { reason, .. }
        | Request::Halt { reason, .. }
        | Request::Resume { reason, .. }
        | Request::Flatten { reason, .. }
        | Request::Park { reason, .. }
        | Request::Cancel { reason, .. }
        | Request::Shutdown { reason } => reason,
        Request::Status {}
        | Request::Look {}
        | Request::Log { .. }
        | Request::History { .. }
        | Request::Reconcile {}
        | Request::Unpark { .. }
        | Request::Acknowledge {}
        | Request::Reload {} => return Ok(request),
    };
    let length = reason.chars().count();
    if length > LONGEST_REASON {
        return Err(format!("the reason has {length} characters: use at most {LONGEST_REASON}"));
    }
    *reason = plain(reason);
    Ok(request)
}

/// What a difference is to be taken for.
fn acceptance(split: Option<&str>, foreign: bool) -> Result<Acceptance, String> {
    match (split, foreign) {
        (Some(_), true) => Err("--split and --foreign exclude each other".to_owned()),
        (Some(text), false) => ratio(text).map(|(new, old)| Acceptance::Split { new, old }),
        (None, true) => Ok(Acceptance::Foreign),
        (None, false) => Ok(Acceptance::Ours),
    }
}

/// NEW:OLD.
fn ratio(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once(':').and_then(|(new, old)| Some((new.trim().parse().ok()?, old.trim().parse().ok()?)));
    parsed
        .filter(|(new, old)| (1..=1_000).contains(new) && (1..=1_000).contains(old))
        .ok_or_else(|| format!("--split {text:?}: use NEW:OLD with numbers from 1 to 1000, as 2:1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::ExpectedWindows;
    use crate::robust_connection::ConnectionState;
    use crate::runner::early::Early;
    use crate::runner::layers::Layers;

    /// A daemon whose desk takes orders and answers none.
    fn operated(commands: mpsc::Sender<Command>) -> Operated {
        let (_, connection) = watch::channel(ConnectionState::idle());
        let outlook = Outlook {
            connection,
            shown: watch::channel(None).1,
            layers: Layers::new(ExpectedWindows::default()),
            dashboard: Arc::default(),
            permitted: Arc::default(),
            stats: Arc::default(),
            early: Early::over(),
        };
        Operated {
            outlook,
            commands: watch::channel(Some(commands)).1,
            stop: CancellationToken::new(),
            notifier: None,
            reload: None,
            compare: Arc::new(Notify::new()),
            guests: Guests(watch::channel(None).1),
            board: None,
            log_file: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_waits_for_no_order_and_orders_are_taken_in_turn() {
        let (commands, mut desk) = mpsc::channel(4);
        let (asked, asked_in) = mpsc::channel(4);
        let mut tasks = JoinSet::new();
        tasks.spawn(operated(commands).answer(asked_in));
        let ask = |line: &str| {
            let (answer, said) = oneshot::channel();
            asked.try_send(Asked { line: line.to_owned(), answer, written: oneshot::channel().1 }).unwrap();
            said
        };
        let halt = ask(r#"{"command":"halt","reason":"news"}"#);
        let Some(Command::Operate { order: Order::Halt { .. }, done }) = desk.recv().await else { panic!("a halt") };
        let resume = ask(r#"{"command":"resume","reason":"over"}"#);
        // The halt is not answered yet: who looks is.
        let status: Reply = serde_json::from_str(&ask(r#"{"command":"status"}"#).await.unwrap()).unwrap();
        assert_eq!(status.status.unwrap()["trading"], "no: no session was Ready yet");
        let reconcile: Reply = serde_json::from_str(&ask(r#"{"command":"reconcile"}"#).await.unwrap()).unwrap();
        assert!(reconcile.text.contains("nothing to compare"), "{}", reconcile.text);
        assert!(desk.try_recv().is_err(), "the second order waits for the first");
        done.send(Ok("halted".to_owned())).unwrap();
        assert!(halt.await.unwrap().contains("halted"));
        assert!(matches!(desk.recv().await, Some(Command::Operate { order: Order::Resume { .. }, .. })));
        // Nobody answers it: that is said, in time.
        assert!(resume.await.unwrap().contains("the desk"));
        tasks.shutdown().await;
    }

    #[test]
    fn a_ratio_is_two_small_numbers() {
        assert_eq!(ratio("7:1"), Ok((7, 1)));
        for text in ["", "7", "7:0", "0:1", "7:1:2", "x:1", "2000:1"] {
            assert!(ratio(text).unwrap_err().contains("NEW:OLD"), "{text}");
        }
    }
}
