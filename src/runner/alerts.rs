//! What of a run is told outside: facts, the connection, beginning and end become notices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::alive;
use super::conditions::{Conditions, notice};
use super::exit::RunError;
use super::layers::Layers;
use super::view::{DeskView, LockView};
use crate::clock::wall_now;
use crate::config::NotifySettings;
use crate::domain::book::{
    Book, Fact, FillFact, IncidentFact, Lock, LockCause, LockFact, LockScope, Record, SessionFact,
};
use crate::notify::heartbeat::{self, Address, Pulse};
use crate::notify::{self, Lasting, Level, Notice, Notifier, Rules};
use crate::robust_connection::ConnectionState;

/// Incidents that a human has to look at.
const CRITICAL: [&str; 10] = [
    "stop_missing",
    "stop_unplaced",
    "stop_rejected",
    "stop_breached",
    "position_differs",
    "liquidation",
    "outage_overrun",
    "order_unanswered",
    "exit_failed",
    "exit_without_price",
];
/// Those of them with which a lock is set.
const WITH_A_LOCK: [&str; 3] = ["stop_breached", "position_differs", "liquidation"];
/// Incidents that are good news, or none.
const GOOD: [&str; 5] = ["flat", "order_adopted", "kept", "foreign_order", ACKNOWLEDGED];
/// Incidents of the way to IBKR: muted in expected outages.
const OF_THE_WAY: [&str; 5] = ["socket_", "api_", "link_", "farm_", "bars_"];
/// What the journal has of a human's word.
const ACKNOWLEDGED: &str = "acknowledged";
/// How long telling of the end may hold it up.
const LAST_WORDS: Duration = Duration::from_secs(6);
/// Time between two looks at what does not tell of its changes itself.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Tells of a start that failed before there was a runner: whoever starts the daemon has its exit code, and nobody else
/// knows. Bounded in time, as the last words are. `silent`: the heartbeat's address is left alone, for another daemon
/// is well and pings it.
pub async fn not_started(settings: &NotifySettings, why: &str, silent: bool) {
    let (notifier, inbox) = notify::queue();
    notifier.tell(notice("process.failed", Level::Critical, format!("robo-trader has not started: {why}")));
    let stop = CancellationToken::new();
    stop.cancel();
    let words = async {
        let rules = Rules::new(settings.policy.clone());
        let telling = notify::run(inbox, rules, settings.channels.clone(), stop, |_, _| {});
        let pinging = async {
            if let Some(address) = settings.heartbeat.as_ref().filter(|_| !silent) {
                heartbeat::last(address, true).await;
            }
        };
        tokio::join!(telling, pinging);
    };
    if tokio::time::timeout(LAST_WORDS, words).await.is_err() {
        warn!("not everybody who is told could be told in time that nothing was started");
    }
}

/// Tells again and again that nothing runs and why, as the rules repeat what a human has to look at, until they say
/// that they have (or `stop`); the heartbeat elsewhere hears every minute that it fails. What has happened was told
/// before. `silent`: the heartbeat's address is left alone, as in [`not_started`].
pub async fn nothing_runs(settings: &NotifySettings, why: &str, silent: bool, stands: Stands, stop: CancellationToken) {
    let mut rules = Rules::new(settings.policy.clone());
    let text = format!("robo-trader stands still: {why}");
    let lasts = Some(Lasting::Until("process.failed".to_owned()));
    // It was told when it happened: only what repeats it is wanted.
    drop(rules.take(Notice { lasts, ..notice("process.failed", Level::Critical, text) }, Instant::now()));
    let telling = notify::run(stands.inbox, rules, settings.channels.clone(), stop.clone(), |_, _| {});
    let failing = async {
        if let Some(address) = settings.heartbeat.clone().filter(|_| !silent) {
            heartbeat::fail(address, heartbeat::EVERY, stop.clone()).await;
        }
    };
    tokio::join!(telling, failing);
}

/// Where [`nothing_runs`] takes a human's word from.
#[derive(Debug)]
pub struct Stands {
    inbox: notify::Inbox,
}

impl Stands {
    /// Nothing is said yet; and where it is to be said.
    pub fn new() -> (Notifier, Self) {
        let (notifier, inbox) = notify::queue();
        (notifier, Self { inbox })
    }
}

/// That a human has taken notice, as a fact: what they have seen is not told again after a restart.
pub(super) fn acknowledgement() -> IncidentFact {
    IncidentFact::new(ACKNOWLEDGED, "a human has taken notice of what alerts tell".to_owned())
}

/// Of the facts of former runs, the incidents that nobody has acknowledged: each the latest of its kind.
#[derive(Debug, Default)]
pub(super) struct Unseen(BTreeMap<String, Record>);

impl Unseen {
    pub(super) fn note(&mut self, record: &Record) {
        let Fact::Incident(incident) = &record.fact else { return };
        if incident.name == ACKNOWLEDGED {
            self.0.clear();
        } else if let Some(Notice { lasts: Some(Lasting::Until(key)), .. }) = of_record(record) {
            self.0.insert(key, record.clone());
        }
    }
}

/// The tasks that tell the world, and the way to them.
pub(super) struct Alerts {
    notifier: Option<Notifier>,
    address: Option<Address>,
    layers: Layers,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

/// Where the desk loop leaves its facts.
#[derive(Debug, Clone)]
pub struct Teller {
    notifier: Notifier,
    layers: Layers,
}

impl Alerts {
    /// Begins: nothing where the settings name nobody to tell.
    pub(super) fn start(
        settings: &NotifySettings,
        layers: &Layers,
        connection: watch::Receiver<ConnectionState>,
        shown: watch::Receiver<Option<watch::Receiver<Arc<DeskView>>>>,
        answered: watch::Receiver<Option<Instant>>,
    ) -> Self {
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        let notifier = (!settings.channels.is_empty()).then(|| {
            let (notifier, inbox) = notify::queue();
            let (rules, reports) = (Rules::new(settings.policy.clone()), layers.clone());
            let failing = move |channel: &str, error: &notify::PostError| {
                let text = format!("alerts by {channel} do not get through: {error}");
                reports.report(IncidentFact::new("notify_failed", text));
            };
            tasks.spawn(notify::run(inbox, rules, settings.channels.clone(), stop.clone(), failing));
            notifier.tell(notice("process.started", Level::Info, "robo-trader has started".to_owned()));
            notifier
        });
        let needed = watch::Sender::new(false);
        let needs = needed.subscribe();
        let (teller, after) = (notifier.clone(), settings.no_session);
        tasks.spawn(follow(connection, answered.clone(), after, teller, layers.clone(), needed, stop.clone()));
        if let Some(address) = settings.heartbeat.clone() {
            let pulse = move || pulse(*needs.borrow(), &shown, *answered.borrow());
            tasks.spawn(heartbeat::ping(address, heartbeat::EVERY, pulse, stop.clone()));
        }
        Self { notifier, address: settings.heartbeat.clone(), layers: layers.clone(), tasks, stop }
    }

    /// Where notices are left; `None` where nobody is told.
    pub(super) fn notifier(&self) -> Option<Notifier> {
        self.notifier.clone()
    }

    /// Where facts are left; `None` where nobody is told.
    pub(super) fn teller(&self) -> Option<Teller> {
        Some(Teller { notifier: self.notifier.clone()?, layers: self.layers.clone() })
    }

    /// The last words.
    pub(super) async fn end(mut self, result: &Result<(), RunError>) {
        if let Some(notifier) = self.notifier.take() {
            notifier.tell(match result {
                Ok(()) => notice("process.stopped", Level::Info, "robo-trader has stopped, as asked".to_owned()),
                Err(error) => notice("process.failed", Level::Critical, format!("robo-trader has stopped: {error}")),
            });
        }
        self.stop.cancel();
        let words = async {
            if let Some(address) = &self.address {
                heartbeat::last(address, result.is_err()).await;
            }
            while self.tasks.join_next().await.is_some() {}
        };
        if tokio::time::timeout(LAST_WORDS, words).await.is_err() {
            warn!("not everybody who is told could be told of the end in time");
        }
    }
}

fn pulse(
    needed: bool,
    shown: &watch::Receiver<Option<watch::Receiver<Arc<DeskView>>>>,
    answered: Option<Instant>,
) -> Pulse {
    if !alive::lives(answered, Instant::now()) {
        return Pulse::Silent;
    }
    let waits = |lock: &LockView| endless(lock.cause, lock.ends_itself);
    let locked = shown.borrow().as_ref().is_some_and(|view| view.borrow().locks.iter().any(waits));
    if needed || locked { Pulse::NeedsHuman } else { Pulse::Well }
}

/// Whether a lock of this cause set itself and ends by a human's deed only. `by_itself`: it has an end, which a
/// drawdown's may have; others of these never do.
fn endless(cause: LockCause, by_itself: bool) -> bool {
    match cause {
        LockCause::Drawdown => !by_itself,
        LockCause::OrderRate
        | LockCause::Rejects
        | LockCause::StopBreached
        | LockCause::Liquidation
        | LockCause::Cash
        | LockCause::Mismatch
        | LockCause::Unstated => true,
        LockCause::Operator
        | LockCause::Flatten
        | LockCause::DailyLoss
        | LockCause::Losses
        | LockCause::Flapping
        | LockCause::Parked
        | LockCause::Shelved
        | LockCause::CoolDown
        | LockCause::StopGuard
        | LockCause::LowProfit => false,
    }
}

/// Looks at what lasts, tells of it, and keeps whether a human is needed, until `stop`.
async fn follow(
    mut connection: watch::Receiver<ConnectionState>,
    answered: watch::Receiver<Option<Instant>>,
    after: Option<Duration>,
    notifier: Option<Notifier>,
    layers: Layers,
    needed: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let mut conditions = Conditions::new(after, Instant::now());
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let state = connection.borrow_and_update().clone();
        let planned = layers.outage(wall_now()).is_some();
        let told = conditions.look(&state, *answered.borrow(), planned, Instant::now());
        if let Some(notifier) = &notifier {
            told.into_iter().for_each(|notice| notifier.tell(notice));
        }
        needed.send_if_modified(|needed| std::mem::replace(needed, conditions.need_human()) != conditions.need_human());
        tokio::select! {
            changed = connection.changed() => if changed.is_err() { return },
            _ = tick.tick() => {}
            () = stop.cancelled() => return,
        }
    }
}

impl Teller {
    /// Tells of what the daemon begins with: locks that only a human ends, and incidents that nobody has acknowledged,
    /// are told again until then, over a restart, too.
    pub(super) fn standing(&self, book: &Book, unseen: &Unseen) {
        for record in unseen.0.values() {
            if let Some(notice) = of_record(record) {
                let text = format!("not acknowledged since {}, after a restart: {}", record.at, notice.text);
                self.notifier.tell(Notice { text, ..notice });
            }
        }
        for (scope, cause, lock) in book.locks() {
            let contract = scope.contract();
            let Lock { why, since, until, until_at } = lock.clone();
            let set = LockFact::Set { scope: scope.clone(), cause, why, until, until_at };
            let symbol = contract.and_then(|id| book.symbol(id)).cloned();
            let record = Record { at: since, strategy: None, symbol, contract, fact: Fact::Lock(set) };
            if let Some(notice) = of_record(&record).filter(|notice| notice.level == Level::Critical) {
                let text = format!("still locked since {since}, after a restart: {}", notice.text);
                self.notifier.tell(Notice { text, ..notice });
            }
        }
    }

    /// Tells of facts that are durable.
    pub fn facts(&self, records: &[Record]) {
        for record in records {
            if let Some(mut notice) = of_record(record) {
                let way = OF_THE_WAY.iter().any(|stem| notice.kind.starts_with(&format!("incident.{stem}")));
                let way = way || notice.kind.starts_with("session.");
                notice.planned = way && self.layers.outage(wall_now()).is_some();
                self.notifier.tell(notice);
            }
        }
    }
}

/// The notice that a fact makes, if it makes one.
fn of_record(record: &Record) -> Option<Notice> {
    let (kind, level, text, lasts) = match &record.fact {
        Fact::Incident(incident) => {
            let level = if CRITICAL.contains(&incident.name.as_str()) {
                Level::Critical
            } else if incident.name.ends_with("_up") || GOOD.contains(&incident.name.as_str()) {
                Level::Info
            } else {
                Level::Warning
            };
            // A lock that goes with it is told again, and ends by itself.
            let lasts = (level == Level::Critical && !WITH_A_LOCK.contains(&incident.name.as_str()))
                .then(|| Lasting::Until(format!("incident {} {:?}", incident.name, record.contract)));
            (format!("incident.{}", incident.name), level, incident.text.clone(), lasts)
        }
        Fact::Lock(LockFact::Set { scope, cause, why, until, until_at }) => {
            let by_itself = until.is_some() || until_at.is_some();
            let level = match cause {
                LockCause::Operator | LockCause::Flatten => Level::Info,
                cause if endless(*cause, by_itself) => Level::Critical,
                _ => Level::Warning,
            };
            let lasts = Some(Lasting::Begins(key(scope, Some(*cause))));
            (format!("lock.{}", word(*cause)), level, format!("no entries: {why}; ends {}", cause.remedy()), lasts)
        }
        Fact::Lock(LockFact::Cleared { scope, cause, why }) => {
            let lasts = Some(Lasting::Ends(key(scope, *cause)));
            ("lock.cleared".to_owned(), Level::Info, format!("entries go on: {why}"), lasts)
        }
        Fact::Fill(FillFact::Executed { execution, .. }) => {
            let text = format!("{} {} at {}", execution.side, execution.quantity, execution.price);
            ("fill".to_owned(), Level::Info, text, None)
        }
        Fact::Refused(refused) => {
            (format!("refusal.{}", refused.refusal.name()), Level::Info, refused.refusal.to_string(), None)
        }
        Fact::Session(SessionFact::Lost { why, .. }) => {
            ("session.lost".to_owned(), Level::Warning, format!("the session was lost: {why}"), None)
        }
        Fact::Session(SessionFact::Ready { number, .. }) => {
            ("session.ready".to_owned(), Level::Info, format!("session {number} is ready"), None)
        }
        Fact::Ledger(_) | Fact::Day(_) | Fact::Target(_) | Fact::Order(_) | Fact::Fill(_) => return None,
    };
    let symbol = record.symbol.as_ref().map(ToString::to_string);
    Some(Notice { kind, symbol, level, text, at: Some(record.at), planned: false, lasts })
}

/// What a lock's condition is called: those of one scope begin alike.
fn key(scope: &LockScope, cause: Option<LockCause>) -> String {
    let cause = cause.map(word).unwrap_or_default();
    format!("lock {scope:?} {cause}")
}

/// A cause's word, as in the journal.
fn word(cause: LockCause) -> String {
    serde_json::to_value(cause).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContractId, MarketTime};

    fn of(fact: Fact) -> Notice {
        let record = Record { at: MarketTime::from_secs(5), strategy: None, symbol: None, contract: None, fact };
        of_record(&record).unwrap()
    }

    #[test]
    fn what_needs_a_human_is_critical_and_lasts_until_it_is_cleared() {
        let scope = LockScope::Contract(ContractId(7));
        let set = |cause, until_at| {
            let (scope, why) = (scope.clone(), "x".to_owned());
            of(Fact::Lock(LockFact::Set { scope, cause, why, until: None, until_at }))
        };
        let stuck = set(LockCause::StopBreached, None);
        assert_eq!((stuck.kind.as_str(), stuck.level), ("lock.stop_breached", Level::Critical));
        assert_eq!(set(LockCause::Drawdown, Some(MarketTime::from_secs(9))).level, Level::Warning);
        assert_eq!(set(LockCause::Drawdown, None).level, Level::Critical);
        assert_eq!(set(LockCause::Operator, None).level, Level::Info);
        let cleared = |cause| of(Fact::Lock(LockFact::Cleared { scope: scope.clone(), cause, why: "y".into() })).lasts;
        let (Some(Lasting::Begins(begun)), Some(Lasting::Ends(one)), Some(Lasting::Ends(all))) =
            (stuck.lasts, cleared(Some(LockCause::StopBreached)), cleared(None))
        else {
            panic!("locks last")
        };
        assert_eq!(begun, one);
        assert!(begun.starts_with(&all), "{begun} {all}");
    }

    #[test]
    fn incidents_have_the_level_of_who_must_act() {
        let level = |name: &str| of(Fact::Incident(IncidentFact::new(name, "t"))).level;
        assert_eq!(level("stop_missing"), Level::Critical);
        let lasts = |name: &str| of(Fact::Incident(IncidentFact::new(name, "t"))).lasts;
        assert!(matches!(lasts("stop_missing"), Some(Lasting::Until(_))), "until somebody has looked");
        assert!(lasts("position_differs").is_none() && lasts("link_down").is_none(), "its lock is told again");
        assert_eq!((level("link_down"), level("link_up")), (Level::Warning, Level::Info));
    }

    #[test]
    fn incidents_of_former_runs_stand_until_somebody_has_acknowledged_them() {
        let mut unseen = Unseen::default();
        let at = |s, name: &str| Record {
            at: MarketTime::from_secs(s),
            strategy: None,
            symbol: None,
            contract: Some(ContractId(7)),
            fact: Fact::Incident(IncidentFact::new(name, format!("{name} {s}"))),
        };
        let told = |unseen: &Unseen| unseen.0.values().map(|record| record.at.secs()).collect::<Vec<_>>();
        for (s, name) in [(1, "stop_missing"), (2, "link_down"), (3, "stop_missing"), (4, "exit_failed")] {
            unseen.note(&at(s, name));
        }
        // The same twice is told once, by the latest; what the daemon deals with itself is not.
        assert_eq!(told(&unseen), [4, 3]);
        unseen.note(&Record { fact: Fact::Incident(acknowledgement()), ..at(5, "") });
        assert!(told(&unseen).is_empty());
        unseen.note(&at(6, "exit_failed"));
        assert_eq!(told(&unseen), [6]);
    }
}
