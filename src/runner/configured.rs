//! What the settings mean to the parts that the runner joins.

use std::sync::Arc;

use crate::config::{FeedKind, Settings};
use crate::domain::HistoryRequest;
use crate::feed::{FeedConfig, Kind, Pulse, Ticks};
use crate::robust_connection::{BackoffPolicy, BreakerPolicy, HealthPolicy, Policy};
use crate::tws::TwsConfig;

/// Above so many symbols, `auto` uses five-second bars: one stream of each kind a symbol costs a
/// market data line all the same, but historical streams are fewer (at most 50 requests open).
const STREAMS_AT_MOST: usize = 40;

pub(super) fn tws_config(settings: &Settings) -> TwsConfig {
    let connection = &settings.connection;
    TwsConfig {
        host: connection.host.clone(),
        port: connection.port,
        client_id: connection.client_id,
        account: connection.account.clone(),
        connect_within: connection.dial_deadline,
        reply_within: connection.reply_within,
        send_within: connection.reply_within,
        message_rate: connection.message_rate,
        historical_pacing: connection.historical_pacing,
    }
}

pub(super) fn policy(settings: &Settings) -> Policy {
    let connection = &settings.connection;
    Policy {
        backoff: BackoffPolicy {
            base: connection.backoff_base,
            cap: connection.backoff_cap,
            multiplier: connection.backoff_multiplier,
            jitter: connection.backoff_jitter,
        },
        breaker: BreakerPolicy {
            threshold: connection.breaker_threshold,
            timeout: connection.breaker_timeout,
            half_open_successes: connection.breaker_successes,
        },
        // The gateway bounds its own steps; this only catches what none of them bounds.
        dial_deadline: tws_config(settings).attempt_within(),
        health: HealthPolicy {
            interval: connection.probe_interval,
            deadline: connection.probe_deadline,
            misses: connection.probe_misses,
        },
        ..Policy::default()
    }
}

pub(super) fn feed_config(settings: &Settings, ticks: &Arc<Ticks>) -> FeedConfig {
    let kind = match settings.feed {
        FeedKind::Stream => Kind::Stream,
        FeedKind::Realtime => Kind::Realtime,
        FeedKind::Poll => Kind::Poll(settings.poll_interval),
        FeedKind::Auto if settings.symbols.len() <= STREAMS_AT_MOST => Kind::Stream,
        FeedKind::Auto => Kind::Realtime,
    };
    let request = HistoryRequest {
        duration: settings.duration,
        size: settings.bar_size,
        show: settings.show,
        regular_only: settings.regular_only,
        end: None,
    };
    let else_poll = (settings.feed == FeedKind::Auto).then_some(settings.poll_interval);
    FeedConfig {
        kind,
        request,
        calendar: settings.calendar,
        else_poll,
        pulse: Pulse::new(settings.symbols.len()),
        ticks: Arc::clone(ticks),
        park_after: settings.park_after,
    }
}
