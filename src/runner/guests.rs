//! Commands that need the broker ask it by the daemon's own session and within its pacing: a second session would
//! compete for what IBKR allows a log-in. They only ask, and whatever the daemon needs itself goes first.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::request::Reply;
use super::scope::Report;
use super::tool::look;
use crate::domain::{Contract, HistoryRequest, Symbol};
use crate::tws::Session;

/// How long a question may wait for pacing before its caller is told to ask again.
const TURN_WITHIN: Duration = Duration::from_secs(15);
/// Questions that may wait for the session.
const WAITING: usize = 4;

/// What the broker may be asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Question {
    Look,
    History { symbol: Symbol, ask: HistoryRequest },
}

/// A question, and the way back.
pub(super) struct Asked {
    question: Question,
    answer: oneshot::Sender<Reply>,
}

/// Where the session that is Ready takes questions; `None` while there is none.
pub(super) type Door = watch::Sender<Option<mpsc::Sender<Asked>>>;

/// The way to whatever session is Ready.
#[derive(Debug, Clone)]
pub(super) struct Guests(pub(super) watch::Receiver<Option<mpsc::Sender<Asked>>>);

impl Guests {
    /// Asks, and waits for the answer.
    pub(super) async fn ask(&self, question: Question) -> Reply {
        let Some(door) = self.0.borrow().clone() else {
            return Reply::no("the daemon has no session that is Ready now: see robo-trader status, and try again");
        };
        let (answer, answered) = oneshot::channel();
        if let Err(error) = door.try_send(Asked { question, answer }) {
            return match error {
                mpsc::error::TrySendError::Full(_) => busy(),
                mpsc::error::TrySendError::Closed(_) => lost(),
            };
        }
        answered.await.unwrap_or_else(|_| lost())
    }
}

/// Others are served first.
pub(super) fn busy() -> Reply {
    Reply::later("others ask the broker, too: ask again")
}

fn lost() -> Reply {
    Reply::no("the daemon's session has ended: see robo-trader status, and try again")
}

/// Leaves the door closed, however the session ends.
struct Open(Door);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}

/// Answers questions, one after the other, for as long as the session lives.
pub(super) async fn serve(session: Session, known: Vec<Contract>, door: Door) -> Report {
    let (asked, mut questions) = mpsc::channel::<Asked>(WAITING);
    door.send_replace(Some(asked));
    let _open = Open(door);
    let mut known: BTreeMap<Symbol, Contract> = known.into_iter().map(|c| (c.symbol, c)).collect();
    while let Some(Asked { question, mut answer }) = questions.recv().await {
        let reply = tokio::select! {
            reply = answered(&session, &mut known, question) => reply,
            // Nobody waits for it any more.
            () = answer.closed() => continue,
        };
        // One who has left since needs no answer.
        drop(answer.send(reply));
    }
    Report::Lost("the door for questions was closed".into())
}

async fn answered(session: &Session, known: &mut BTreeMap<Symbol, Contract>, question: Question) -> Reply {
    match question {
        Question::Look => match look(session).await {
            Ok(look) => told(&look),
            Err(error) => Reply::no(error.to_string()),
        },
        Question::History { symbol, ask } => {
            let contract = match known.get(&symbol) {
                Some(contract) => contract.clone(),
                None => match session.contract(&symbol).await {
                    Ok(contract) => known.entry(symbol).or_insert(contract).clone(),
                    Err(error) => return Reply::no(error.to_string()),
                },
            };
            match session.history_as_guest(&contract, &ask, TURN_WITHIN).await {
                Ok(Some(bars)) => told(&bars),
                Ok(None) => Reply::later("IBKR's pacing lets no more bars through for now: ask again"),
                Err(error) => Reply::no(error.to_string()),
            }
        }
    }
}

fn told(answer: &impl serde::Serialize) -> Reply {
    match serde_json::to_value(answer) {
        Ok(value) => Reply { status: Some(value), ..Reply::yes("asked by the daemon's session") },
        Err(error) => Reply::no(format!("the answer cannot be written: {error}")),
    }
}

/// What a daemon's answer to a question holds, as whoever asked reads it.
///
/// # Errors
/// Why it holds nothing; [`NoAnswer::Again`] where nothing is wrong.
pub fn taken<T: serde::de::DeserializeOwned>(reply: Reply) -> Result<T, NoAnswer> {
    match reply.status {
        Some(value) if reply.ok => {
            serde_json::from_value(value).map_err(|error| NoAnswer::Unreadable(error.to_string()))
        }
        Some(_) if reply.is_later() => Err(NoAnswer::Again(reply.text)),
        Some(_) | None => Err(NoAnswer::Refused(reply.text)),
    }
}

/// Why a question was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It may be asked again.
    #[error("{0}")]
    Again(String),
    /// The daemon says why.
    #[error("{0}")]
    Refused(String),
    /// Nobody understands it.
    #[error("the daemon's answer cannot be read ({0}): is it of the same version?")]
    Unreadable(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::tool::Look;

    #[tokio::test]
    async fn without_a_session_a_question_is_refused_and_never_waits() {
        let door = Door::new(None);
        let guests = Guests(door.subscribe());
        let refused = taken::<Look>(guests.ask(Question::Look).await);
        assert!(
            matches!(&refused, Err(NoAnswer::Refused(why)) if why.contains("no session that is Ready")),
            "{refused:?}"
        );
        // A session that ended with the question in its hands, and one whose queue is full.
        let (asked, mut questions) = mpsc::channel(1);
        door.send_replace(Some(asked));
        let (first, ()) = tokio::join!(guests.ask(Question::Look), async {
            let full = taken::<Look>(guests.ask(Question::Look).await);
            assert!(matches!(full, Err(NoAnswer::Again(_))), "{full:?}");
            drop(questions.recv().await);
        });
        assert!(first.text.contains("has ended"), "{first:?}");
    }

    #[test]
    fn bars_come_back_as_they_were() {
        let bar = crate::domain::Bar {
            time: crate::domain::MarketTime::from_secs(60),
            end: crate::domain::MarketTime::from_secs(120),
            open: 0.1 + 0.2,
            high: 1.0,
            low: 1e-9,
            close: 1.0 / 3.0,
            volume: None,
        };
        let line = serde_json::to_string(&told(&vec![bar])).unwrap();
        assert_eq!(taken::<Vec<crate::domain::Bar>>(serde_json::from_str(&line).unwrap()), Ok(vec![bar]));
        let other = taken::<Look>(serde_json::from_str(&line).unwrap());
        assert!(matches!(other, Err(NoAnswer::Unreadable(_))), "{other:?}");
    }
}
