//! The outbound heartbeat: a ping a minute while the desk lives, so that a dead host raises an alarm
//! elsewhere. It speaks what healthchecks.io and its like understand: the address itself for "well",
//! with `/start` when the daemon begins and `/fail` when it cannot go on.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::channels::{BadChannel, Request, address};
use super::post::{PostError, post};

/// Time between two pings.
pub const EVERY: Duration = Duration::from_secs(60);

/// Where pings go. It is a secret: whoever has it can silence the alarm.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

impl FromStr for Address {
    type Err = BadChannel;
    fn from_str(text: &str) -> Result<Self, BadChannel> {
        address(text).map(Self)
    }
}

/// How the desk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// It answers, and nobody has to do anything.
    Well,
    /// It answers, and a human is needed.
    NeedsHuman,
    /// It does not answer: nothing is sent, so that the alarm elsewhere goes off.
    Silent,
}

/// Pings every `every` until `stop`, by what `pulse` says.
pub async fn ping(url: Address, every: Duration, pulse: impl Fn() -> Pulse, stop: CancellationToken) {
    let mut failing = false;
    tell(&url, "/start", &mut failing).await;
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => return,
        }
        match pulse() {
            Pulse::Well => tell(&url, "", &mut failing).await,
            Pulse::NeedsHuman => tell(&url, "/fail", &mut failing).await,
            Pulse::Silent => warn!("no ping: the desk does not answer"),
        }
    }
}

/// Says every `every` until `stop` that it cannot go on; the first time after one `every`.
pub async fn fail(url: Address, every: Duration, stop: CancellationToken) {
    let mut failing = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => tell(&url, "/fail", &mut failing).await,
            () = stop.cancelled() => return,
        }
    }
}

/// The last ping: the daemon ends, and `failed` says whether it had to.
pub async fn last(url: &Address, failed: bool) {
    if failed {
        tell(url, "/fail", &mut false).await;
    }
}

async fn tell(Address(url): &Address, suffix: &str, failing: &mut bool) {
    let request = Request { url: with(url, suffix), headers: Vec::new(), body: String::new() };
    let result = match tokio::task::spawn_blocking(move || post(&request)).await {
        Ok(result) => result,
        Err(error) => Err(PostError::Failed(error.to_string())),
    };
    match result {
        Ok(()) if std::mem::take(failing) => info!("pings get through again"),
        Ok(()) => {}
        Err(error) if !std::mem::replace(failing, true) => warn!(%error, "a ping did not get through"),
        Err(_) => {}
    }
}

/// The address with a suffix on its path, before its query.
fn with(url: &str, suffix: &str) -> String {
    match url.split_once('?') {
        Some((path, query)) => format!("{}{suffix}?{query}", path.trim_end_matches('/')),
        None => format!("{}{suffix}", url.trim_end_matches('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::with;

    #[test]
    fn the_suffix_comes_before_the_query() {
        assert_eq!(with("https://a/b/", "/fail"), "https://a/b/fail");
        assert_eq!(with("https://a/b?x=1", "/start"), "https://a/b/start?x=1");
        assert_eq!(with("https://a/b", ""), "https://a/b");
    }
}
