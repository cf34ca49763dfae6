//! The gateway: how long a session takes, and an answer.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{Failed, Times};
use crate::cli::broker::Broker;
use crate::config::Settings;

/// Between two questions: with fewer than four a second, none waits for the message limit of commands.
const PAUSE: Duration = Duration::from_millis(400);
/// Before the first: what getting the session has sent is forgotten by then.
const BEFORE: Duration = Duration::from_millis(1_200);
/// How often the time is asked for.
const TIMES: usize = 20;
/// How often everything of the account is read.
const LOOKS: usize = 3;

/// What the gateway took.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    venue: String,
    asked_by: &'static str,
    /// From dialling to a session that has been checked, milliseconds, waits between attempts included; null where the
    /// running daemon's was used.
    session_ms: Option<f64>,
    /// Asking for its time; null where the running daemon's session was used.
    time: Option<Times>,
    /// By the running daemon's session: its time, orders, executions, positions and balances, each time; null where a
    /// session of its own was used, which has four messages a second and would measure that.
    look: Option<Times>,
}

/// Asks it, and orders nothing.
pub(super) async fn ask(settings: &Settings) -> Result<Asked, Failed> {
    let began = Instant::now();
    let broker = Broker::reach(settings).await?;
    let session_ms = (began.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let own = matches!(broker, Broker::Own(..));
    let asked = async {
        sleep(BEFORE).await;
        let mut times = Vec::new();
        for _ in 0..if own { TIMES } else { 0 } {
            let began = Instant::now();
            broker.time().await?;
            times.push(began.elapsed());
            sleep(PAUSE).await;
        }
        let (mut looks, mut venue) = (Vec::new(), String::new());
        for _ in 0..if own { 1 } else { LOOKS } {
            let began = Instant::now();
            venue = broker.look().await?.venue;
            looks.push(began.elapsed());
            sleep(PAUSE).await;
        }
        Ok::<_, Failed>((times, looks, venue))
    }
    .await;
    let asked_by = broker.by();
    broker.close().await;
    let (times, looks, venue) = asked?;
    Ok(Asked {
        venue,
        asked_by,
        session_ms: own.then_some(session_ms),
        time: own.then(|| Times::of(times)),
        look: (!own).then(|| Times::of(looks)),
    })
}

impl Asked {
    pub(super) fn text(&self) -> String {
        let mut out = format!("gateway ({}), by {}\n", self.venue, self.asked_by);
        if let Some(ms) = self.session_ms {
            out += &format!("  {:<30} {ms:>9.3}\n", "a session");
        }
        if let Some(time) = &self.time {
            out += &time.line("its time, there and back");
        }
        if let Some(look) = &self.look {
            out += &look.line("everything of the account");
        }
        out
    }
}
