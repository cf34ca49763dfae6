//! Which notices are sent, when, and how often: pure, by the instants that it is told.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use tokio::time::Instant;

use super::{Lasting, Level, Message, Notice};

/// Lines of a digest.
const DIGEST_LINES: usize = 20;
/// Kinds and conditions that are remembered.
const REMEMBERED: usize = 1_000;

/// What is said of one kind of notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The kind; a `*` at its end stands for anything.
    pub kind: String,
    /// Its level; `None`: never sent.
    pub level: Option<Level>,
    /// How long equal ones are held back after one was sent.
    pub throttle: Option<Duration>,
}

/// Rules that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a rule: use KIND=LEVEL or KIND=LEVEL/MINUTES, separated by commas, with off, info, warning or critical for LEVEL and a * at the end of KIND for all that begin so"
)]
pub struct BadRules(String);

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What lies below is gathered for the digest, or dropped where there is none.
    pub level: Level,
    /// The first one that fits a kind counts.
    pub rules: Vec<Rule>,
    /// How long equal notices are held back after one was sent, where no rule says.
    pub throttle: Duration,
    /// Time between digests; `None`: there are none.
    pub digest: Option<Duration>,
    /// Time after which what stands and needs a human is told again; `None`: it is told once.
    pub repeat: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self { level: Level::Warning, rules: Vec::new(), throttle: minutes(5), digest: None, repeat: Some(minutes(60)) }
    }
}

/// Reads a list of rules.
///
/// # Errors
/// The first one that is none.
pub fn rules(text: &str) -> Result<Vec<Rule>, BadRules> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| rule(part).ok_or_else(|| BadRules(part.to_owned()))).collect()
}

fn rule(text: &str) -> Option<Rule> {
    let (kind, says) = text.split_once('=')?;
    let (level, throttle) = match says.split_once('/') {
        Some((level, minutes)) => (level, Some(minutes.trim().parse::<u32>().ok()?)),
        None => (says, None),
    };
    let level = match level.trim() {
        "off" => None,
        level => Some(level.parse().ok()?),
    };
    let kind = kind.trim().to_owned();
    let throttle = throttle.map(|minutes| Duration::from_secs(60 * u64::from(minutes)));
    (!kind.is_empty()).then_some(Rule { kind, level, throttle })
}

impl FromStr for Level {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Info, Self::Warning, Self::Critical]
            .into_iter()
            .find(|level| level.as_str() == text.trim())
            .ok_or_else(|| "use info, warning or critical".to_owned())
    }
}

#[derive(Debug)]
struct Held {
    /// Until when equal ones are held back.
    until: Instant,
    throttle: Duration,
    /// How many were, and the last of them.
    count: u64,
    last: Option<Notice>,
}

impl Held {
    /// What was held back, told by the last of it.
    fn release(&mut self) -> Option<Message> {
        let more = std::mem::take(&mut self.count);
        self.last.take().map(|last| message(&last, format!(" (the last of {more} since the one before)")))
    }
}

#[derive(Debug)]
struct Standing {
    notice: Notice,
    next: Option<Instant>,
}

/// See the module.
#[derive(Debug)]
pub struct Rules {
    policy: Policy,
    held: BTreeMap<(String, Option<String>), Held>,
    standing: BTreeMap<String, Standing>,
    gathered: Vec<Notice>,
    left_out: u64,
    digest_at: Option<Instant>,
}

impl Rules {
    /// By a policy.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            held: BTreeMap::new(),
            standing: BTreeMap::new(),
            gathered: Vec::new(),
            left_out: 0,
            digest_at: None,
        }
    }

    /// Takes a notice in; what is sent of it at once.
    pub fn take(&mut self, notice: Notice, now: Instant) -> Vec<Message> {
        let mut notice = notice;
        let rule = self.rule(&notice.kind).cloned();
        match &rule {
            Some(Rule { level: None, .. }) => return Vec::new(),
            Some(Rule { level: Some(level), .. }) => notice.level = *level,
            None => {}
        }
        let stood = self.note_lasting(&notice, now);
        if notice.planned && notice.level < Level::Critical {
            return Vec::new();
        }
        // The end of what was told is told, whatever its level.
        if notice.level < self.policy.level && !stood {
            self.gather(notice, now);
            return Vec::new();
        }
        let throttle = rule.and_then(|rule| rule.throttle).unwrap_or(self.policy.throttle);
        let key = (notice.kind.clone(), notice.symbol.clone());
        if let Some(held) = self.held.get_mut(&key).filter(|held| now < held.until) {
            held.count += 1;
            held.last = Some(notice);
            return Vec::new();
        }
        if self.held.len() >= REMEMBERED {
            self.held.retain(|_, held| now < held.until);
        }
        self.held.insert(key, Held { until: now + throttle, throttle, count: 0, last: None });
        vec![message(&notice, String::new())]
    }

    /// Whether the notice ends something that had been told.
    fn note_lasting(&mut self, notice: &Notice, now: Instant) -> bool {
        match &notice.lasts {
            Some(Lasting::Begins(key)) if notice.level == Level::Critical => {
                let next = self.policy.repeat.map(|repeat| now + repeat);
                if self.standing.len() < REMEMBERED {
                    self.standing.entry(key.clone()).or_insert(Standing { notice: notice.clone(), next });
                }
                false
            }
            // Those of one place begin alike, and may end together.
            Some(Lasting::Ends(key)) => {
                let before = self.standing.len();
                self.standing.retain(|stood, _| !stood.starts_with(key));
                self.standing.len() < before
            }
            Some(Lasting::Until(key)) if notice.level == Level::Critical => {
                let next = self.policy.repeat.map(|repeat| now + repeat);
                if self.standing.len() < REMEMBERED {
                    self.standing.insert(key.clone(), Standing { notice: notice.clone(), next });
                }
                false
            }
            Some(Lasting::Begins(_) | Lasting::Until(_)) | None => false,
        }
    }

    fn gather(&mut self, notice: Notice, now: Instant) {
        let Some(digest) = self.policy.digest else { return };
        self.digest_at.get_or_insert(now + digest);
        if self.gathered.len() < DIGEST_LINES { self.gathered.push(notice) } else { self.left_out += 1 }
    }

    fn rule(&self, kind: &str) -> Option<&Rule> {
        self.policy.rules.iter().find(|rule| match rule.kind.strip_suffix('*') {
            Some(begin) => kind.starts_with(begin),
            None => rule.kind == kind,
        })
    }

    /// When [`Rules::due`] has something to say next.
    pub fn next(&self) -> Option<Instant> {
        let held = self.held.values().filter(|held| held.count > 0).map(|held| held.until);
        let standing = self.standing.values().filter_map(|standing| standing.next);
        held.chain(standing).chain(self.digest_at).min()
    }

    /// What has to be said by now: what was held back, what still stands, the digest.
    pub fn due(&mut self, now: Instant) -> Vec<Message> {
        let mut messages = Vec::new();
        for held in self.held.values_mut().filter(|held| held.count > 0 && held.until <= now) {
            messages.extend(held.release());
            // This was one, too: a storm is told once in each such time, not twice.
            held.until = now + held.throttle;
        }
        for standing in self.standing.values_mut() {
            if standing.next.is_some_and(|next| next <= now) {
                standing.next = self.policy.repeat.map(|repeat| now + repeat);
                messages.push(message(&standing.notice, " (still so; robo-trader notify ack silences it)".to_owned()));
            }
        }
        if self.digest_at.is_some_and(|at| at <= now) {
            messages.extend(self.flush());
        }
        messages
    }

    /// The last words: what was held back, and the digest.
    pub fn last(&mut self) -> Vec<Message> {
        let mut messages: Vec<Message> = self.held.values_mut().filter_map(Held::release).collect();
        messages.extend(self.flush());
        messages
    }

    /// The digest of what was gathered, now.
    fn flush(&mut self) -> Vec<Message> {
        self.digest_at = None;
        let gathered = std::mem::take(&mut self.gathered);
        let left_out = std::mem::take(&mut self.left_out);
        let Some(at) = gathered.last().map(|last| last.at) else { return Vec::new() };
        let line = |notice: &Notice| {
            let symbol = notice.symbol.as_ref().map(|symbol| format!("{symbol}: ")).unwrap_or_default();
            format!("{symbol}{} ({})", notice.text, notice.kind)
        };
        let mut lines: Vec<String> = gathered.iter().map(line).collect();
        if left_out > 0 {
            lines.push(format!("and {left_out} more"));
        }
        vec![Message { level: Level::Info, kind: "digest".into(), symbol: None, text: lines.join("\n"), at }]
    }

    /// A human has taken notice of everything that stands.
    pub fn acknowledge(&mut self) {
        self.standing.retain(|_, standing| {
            standing.next = None;
            !matches!(standing.notice.lasts, Some(Lasting::Until(_)))
        });
    }
}

fn message(notice: &Notice, suffix: String) -> Message {
    Message {
        level: notice.level,
        kind: notice.kind.clone(),
        symbol: notice.symbol.clone(),
        text: format!("{}{suffix}", notice.text),
        at: notice.at,
    }
}
