//! Alerts: what happens becomes a [`Notice`]; [`Rules`] say which are sent, when and how often;
//! channels carry them out of the house.
//!
//! Nothing here can delay trading: a notice is left in a bounded queue or counted as lost, and whoever
//! receives it has tasks of its own. A channel that fails is reported like anything else.

mod channels;
mod email;
mod health;
pub mod heartbeat;
mod post;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::domain::MarketTime;
use health::{Health, Known};

pub use channels::{BadChannel, Channel};
pub use email::{BadEmail, Email};
pub use health::ChannelView;
pub use post::PostError;
pub use rules::{BadRules, Policy, Rule, Rules, rules};

/// Notices that may wait to be looked at.
const QUEUE: usize = 256;
/// Places among them for those that need a human, and for that human's word.
const RESERVED: usize = 64;
/// Messages that may wait for a channel; beyond them the oldest of the lowest level goes.
const BACKLOG: usize = 64;
/// How often a message is tried, and the wait after the first failure; it doubles.
const TRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The wait before a message that needs a human is tried again after all of that, and how often.
const AGAIN: Duration = Duration::from_secs(60);
const AGAIN_AT_MOST: u32 = 30;
/// How long the last messages may take when the daemon ends.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// How much somebody has to care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Info,
    /// Something is not as it should be; the daemon deals with it.
    Warning,
    /// A human is needed.
    Critical,
}

impl Level {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Something that somebody may want to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// A stable name, as `incident.stop_missing` or `lock.drawdown`.
    pub kind: String,
    /// Its symbol, where it has one.
    pub symbol: Option<String>,
    /// How much somebody has to care.
    pub level: Level,
    /// What happened, in a sentence.
    pub text: String,
    /// When, market time where it is known.
    pub at: Option<MarketTime>,
    /// Whether it belongs to an outage that was to be expected: it is muted then.
    pub planned: bool,
    /// What it begins or ends, where that lasts: it is told again while it stands.
    pub lasts: Option<Lasting>,
}

/// A condition that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lasting {
    /// It begins.
    Begins(String),
    /// It is over.
    Ends(String),
    /// A human has to look, and only their word ends it.
    Until(String),
}

/// What leaves the house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How much somebody has to care.
    pub level: Level,
    /// The kind of what it is about; `digest` for several.
    pub kind: String,
    /// Its symbol, where it has one.
    pub symbol: Option<String>,
    /// What happened.
    pub text: String,
    /// When, market time where it is known.
    pub at: Option<MarketTime>,
}

/// Where notices are left. Clones lead to the same place.
#[derive(Debug, Clone)]
pub struct Notifier {
    notices: mpsc::Sender<Asked>,
    lost: Arc<AtomicU64>,
    health: Health,
}

#[derive(Debug)]
enum Asked {
    Notice(Notice),
    Acknowledged,
}

/// The other end of a [`Notifier`].
#[derive(Debug)]
pub struct Inbox {
    notices: mpsc::Receiver<Asked>,
    lost: Arc<AtomicU64>,
    health: Health,
}

/// A place for notices, and its other end.
pub fn queue() -> (Notifier, Inbox) {
    let (sender, notices) = mpsc::channel(QUEUE);
    let (lost, health) = (Arc::new(AtomicU64::new(0)), Health::default());
    let notifier = Notifier { notices: sender, lost: Arc::clone(&lost), health: health.clone() };
    (notifier, Inbox { notices, lost, health })
}

impl Notifier {
    /// Leaves a notice; where the queue is full it is counted as lost.
    pub fn tell(&self, notice: Notice) {
        let full = notice.level < Level::Critical && self.notices.capacity() <= RESERVED;
        if full || self.notices.try_send(Asked::Notice(notice)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How each channel is.
    pub fn channels(&self) -> Vec<ChannelView> {
        self.health.view()
    }

    /// A human has taken notice: what stands is told no more.
    pub fn acknowledge(&self) {
        if self.notices.try_send(Asked::Acknowledged).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A message, and how often all tries of it have failed.
#[derive(Debug, Clone)]
struct Waiting {
    message: Message,
    failed: u32,
}

/// The end of a message's tries at a channel.
type Ended = (usize, Waiting, Result<(), PostError>);

/// One channel with what waits for it.
struct Line {
    channel: Channel,
    waiting: VecDeque<Waiting>,
    busy: bool,
    /// Until when nothing is tried: it has just failed with something that will be tried again.
    rests: Option<Instant>,
    /// Since when its messages fail, and why the last one did.
    failing: Option<(Instant, String)>,
    /// Messages lost since the last one that got through.
    dropped: u64,
    delivered: u64,
    failed: u64,
}

impl Line {
    fn new(channel: Channel) -> Self {
        let (waiting, busy, rests, failing) = (VecDeque::new(), false, None, None);
        Self { channel, waiting, busy, rests, failing, dropped: 0, delivered: 0, failed: 0 }
    }

    /// Keeps a message for its turn. Where there is no room the least of them goes: what is only good to know before
    /// what needs a human, the older one before the newer.
    fn keep(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
        if self.waiting.len() <= BACKLOG {
            return;
        }
        let least = self.waiting.iter().map(|waiting| waiting.message.level).min();
        if let Some(place) = self.waiting.iter().position(|waiting| Some(waiting.message.level) == least) {
            self.waiting.remove(place);
            self.dropped += 1;
            self.failed += 1;
        }
    }

    fn known(&self) -> Known {
        Known {
            channel: self.channel.name(),
            delivered: self.delivered,
            failed: self.failed,
            waiting: self.waiting.len() + usize::from(self.busy),
            failing: self.failing.clone(),
        }
    }
}

/// Sends what the rules let through until `stop`, then the last words. `failing` hears when a channel
/// begins to fail: never of one that still does.
pub async fn run(
    inbox: Inbox,
    rules: Rules,
    channels: Vec<Channel>,
    stop: CancellationToken,
    mut failing: impl FnMut(&str, &PostError),
) {
    let Inbox { mut notices, lost, health } = inbox;
    let mut rules = rules;
    let mut lines: Vec<Line> = channels.into_iter().map(Line::new).collect();
    let mut posts: JoinSet<Ended> = JoinSet::new();
    let mut told_lost = 0;
    let mut open = true;
    while open {
        health.note(lines.iter().map(Line::known));
        let due = rules.next().into_iter().chain(lines.iter().filter_map(|line| line.rests)).min();
        let mut messages = tokio::select! {
            biased;
            Some(ended) = posts.join_next() => {
                ended_post(&mut lines, ended, true, &mut failing);
                Vec::new()
            }
            asked = notices.recv() => match asked {
                Some(Asked::Notice(notice)) => rules.take(notice, Instant::now()),
                Some(Asked::Acknowledged) => { rules.acknowledge(); Vec::new() }
                None => { open = false; Vec::new() }
            },
            () = sleep_until(due) => rules.due(Instant::now()),
            () = stop.cancelled() => { open = false; Vec::new() }
        };
        let now_lost = lost.load(Ordering::Relaxed);
        if now_lost > told_lost {
            warn!(lost = now_lost - told_lost, "notices came faster than they could be looked at");
            messages.push(overrun(now_lost - told_lost));
            told_lost = now_lost;
        }
        hand_out(&mut lines, messages, Some(Instant::now()), &mut posts);
    }
    while let Ok(asked) = notices.try_recv() {
        let messages = match asked {
            Asked::Notice(notice) => rules.take(notice, Instant::now()),
            Asked::Acknowledged => {
                rules.acknowledge();
                Vec::new()
            }
        };
        hand_out(&mut lines, messages, None, &mut posts);
    }
    let messages = rules.last();
    hand_out(&mut lines, messages, None, &mut posts);
    let last_words = async {
        while let Some(ended) = posts.join_next().await {
            ended_post(&mut lines, ended, false, &mut failing);
            hand_out(&mut lines, Vec::new(), None, &mut posts);
            health.note(lines.iter().map(Line::known));
        }
    };
    if tokio::time::timeout(LAST_WORDS, last_words).await.is_err() {
        warn!("the last notices could not be delivered in time");
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn overrun(lost: u64) -> Message {
    let text = format!("{lost} notices were lost: they came faster than they could be looked at; see the log");
    Message { level: Level::Warning, kind: "notify.lost".into(), symbol: None, text, at: None }
}

/// Gives each line its messages, and has it send one; `now`: a line that rests goes on resting.
fn hand_out(lines: &mut [Line], messages: Vec<Message>, now: Option<Instant>, posts: &mut JoinSet<Ended>) {
    for (place, line) in lines.iter_mut().enumerate() {
        for message in &messages {
            line.keep(Waiting { message: message.clone(), failed: 0 });
        }
        line.rests = line.rests.filter(|until| now.is_some_and(|now| now < *until));
        if !line.busy
            && line.rests.is_none()
            && let Some(waiting) = line.waiting.pop_front()
        {
            let mut message = waiting.message.clone();
            let dropped = std::mem::take(&mut line.dropped);
            if dropped > 0 {
                message.text.push_str(&format!(" ({dropped} older notices could not be delivered)"));
            }
            line.busy = true;
            let channel = line.channel.clone();
            posts.spawn(async move { (place, waiting, deliver(channel, message).await) });
        }
    }
}

async fn deliver(channel: Channel, message: Message) -> Result<(), PostError> {
    let mut wait = FIRST_WAIT;
    for attempt in 1.. {
        let (to, copy) = (channel.clone(), message.clone());
        let result = match tokio::task::spawn_blocking(move || to.deliver(&copy)).await {
            Ok(result) => result,
            Err(error) => Err(PostError::Failed(error.to_string())),
        };
        match result {
            Err(error) if attempt < TRIES && error.may_pass() => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            result => return result,
        }
    }
    Ok(())
}

/// `goes_on`: there is a later in which what needs a human can be tried again.
fn ended_post(
    lines: &mut [Line],
    ended: Result<Ended, tokio::task::JoinError>,
    goes_on: bool,
    failing: &mut impl FnMut(&str, &PostError),
) {
    let Ok((place, waiting, result)) = ended else { return };
    let Some(line) = lines.get_mut(place) else { return };
    line.busy = false;
    match result {
        Ok(()) => {
            line.delivered += 1;
            if line.failing.take().is_some() {
                info!(channel = line.channel.name(), "notices get through again");
            }
        }
        Err(error) => {
            if goes_on && waiting.message.level == Level::Critical && waiting.failed < AGAIN_AT_MOST {
                line.rests = Some(Instant::now() + AGAIN);
                line.keep(Waiting { failed: waiting.failed + 1, ..waiting });
            } else {
                line.dropped += 1;
                line.failed += 1;
            }
            let since = line.failing.as_ref().map(|(since, _)| *since);
            line.failing = Some((since.unwrap_or_else(Instant::now), error.to_string()));
            if since.is_none() {
                error!(channel = line.channel.name(), %error, "notices do not get through");
                failing(line.channel.name(), &error);
            }
        }
    }
}
