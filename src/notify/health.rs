//! How the channels are, for whoever looks: a notifier that is dead is itself something to be told of.

use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

/// One channel now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChannelView {
    /// Its name.
    pub channel: &'static str,
    /// Messages that it has taken since the daemon began.
    pub delivered: u64,
    /// Messages that it has not taken, those dropped because too many waited included.
    pub failed: u64,
    /// Messages that wait for it.
    pub waiting: usize,
    /// Seconds since when its messages fail; null while they get through.
    pub failing_for_s: Option<u64>,
    /// Why the last one failed, where they fail.
    pub error: Option<String>,
}

/// What is known of a channel.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) channel: &'static str,
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) waiting: usize,
    pub(super) failing: Option<(Instant, String)>,
}

/// All channels, shared by who delivers and who looks.
#[derive(Debug, Clone, Default)]
pub(super) struct Health(Arc<Mutex<Vec<Known>>>);

impl Health {
    pub(super) fn note(&self, channels: impl Iterator<Item = Known>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = channels.collect();
    }

    pub(super) fn view(&self) -> Vec<ChannelView> {
        let now = Instant::now();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let view = |known: &Known| ChannelView {
            channel: known.channel,
            delivered: known.delivered,
            failed: known.failed,
            waiting: known.waiting,
            failing_for_s: known.failing.as_ref().map(|(since, _)| now.saturating_duration_since(*since).as_secs()),
            error: known.failing.as_ref().map(|(_, error)| error.clone()),
        };
        known.iter().map(view).collect()
    }
}
