//! The operator's end of the daemon: what may be said on the control socket, and the answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::desk_loop::Command;
use super::guests::{self, Guests};
use super::outlook::Outlook;
use super::reload::Reload;
pub use super::request::{Reply, Request};
use crate::control::Asked;
use crate::desk::operator::{Acceptance, Order};
use crate::domain::Symbol;
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
}

/// Questions to the broker that may be open: what asks for more waits its turn elsewhere.
const GUESTS: usize = 4;

impl Operated {
    /// Answers one caller after another, for ever. Only questions to the broker, which may take their time, are answered
    /// beside the others: a halt waits for none of them.
    pub(super) async fn answer(self, mut asked: mpsc::Receiver<Asked>) {
        let mut beside = JoinSet::new();
        loop {
            let Asked { line, answer } = tokio::select! {
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
            match serde_json::from_str::<Request>(&line) {
                Ok(request) => match guests::Question::of(&request) {
                    Some(_) if beside.len() >= GUESTS => tell(answer, &guests::busy()),
                    Some(question) => {
                        let guests = self.guests.clone();
                        beside.spawn(async move { tell(answer, &guests.ask(question).await) });
                    }
                    None => tell(answer, &self.reply(request).await),
                },
                Err(error) => tell(answer, &Reply::no(format!("{line:?} is no command: {error}"))),
            }
        }
    }

    async fn reply(&self, request: Request) -> Reply {
        let order = match request {
            Request::Status {} => return self.status("status"),
            // Answered beside.
            Request::Look {} | Request::History { .. } => return guests::busy(),
            Request::Reconcile {} => return self.reconcile().await,
            Request::Accept { symbol, reason, split, foreign } => match acceptance(split.as_deref(), foreign) {
                Ok(_) if reason.trim().is_empty() => {
                    return Reply::no("say why, with --reason: it goes into the journal");
                }
                Ok(how) => Order::Accept { symbol, reason, how },
                Err(why) => return Reply::no(why),
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
                Order::Park { symbol, reason: said }
            }
            Request::Unpark { symbol } => Order::Unpark { symbol },
            Request::Cancel { intent, reason } => Order::Cancel { intent, reason },
            Request::Acknowledge {} => {
                return match &self.notifier {
                    Some(notifier) => {
                        notifier.acknowledge();
                        Reply::yes("noted: what stands is not told again")
                    }
                    None => Reply::no("nobody is told anything: no NOTIFY_ setting names a place"),
                };
            }
            Request::Reload {} => return self.reload().await,
            Request::Shutdown { reason } => {
                warn!(reason, "an operator shuts the daemon down");
                self.stop.cancel();
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
        let Some(commands) = self.commands.borrow().clone() else {
            return Reply::no(
                "no ledger is open yet, because no session was Ready: stop the daemon to keep it from trading",
            );
        };
        let (done, said) = oneshot::channel();
        if commands.send(Command::Operate { order, done }).await.is_err() {
            return Reply::no("the desk has ended: look into the log");
        }
        match tokio::time::timeout(ANSWER_WITHIN, said).await {
            Ok(Ok(Ok(text))) => Reply::yes(text),
            Ok(Ok(Err(unable))) => Reply::no(unable.to_string()),
            Ok(Err(_)) => Reply::no("the desk has ended: look into the log"),
            Err(_) => Reply::no(format!(
                "the desk did not answer within {} s; it may still act: look at robo-trader status",
                ANSWER_WITHIN.as_secs()
            )),
        }
    }

    /// Settings anew, all of them or none.
    async fn reload(&self) -> Reply {
        let Some(reload) = &self.reload else { return Reply::no("this daemon cannot read its settings anew") };
        match reload.read() {
            Ok((order, shown)) => {
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
            return self.status("not ready: this is what the last comparison saw");
        }
        self.compare.notify_one();
        let read = tokio::time::timeout(ANSWER_WITHIN, view.wait_for(|view| view.reads > before));
        match read.await {
            Ok(Ok(_)) => self.status("compared now"),
            Ok(Err(_)) => Reply::no("the desk has ended: look into the log"),
            Err(_) => self.status("the broker did not answer in time: this is what the last comparison saw"),
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
    let text = serde_json::to_string(reply)
        .unwrap_or_else(|error| format!("{{\"ok\":false,\"text\":\"the answer cannot be written: {error}\"}}"));
    if answer.send(text).is_err() {
        warn!("an operator did not wait for the answer: {}", reply.text);
    }
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

    #[test]
    fn a_ratio_is_two_small_numbers() {
        assert_eq!(ratio("7:1"), Ok((7, 1)));
        for text in ["", "7", "7:0", "0:1", "7:1:2", "x:1", "2000:1"] {
            assert!(ratio(text).unwrap_err().contains("NEW:OLD"), "{text}");
        }
    }
}
