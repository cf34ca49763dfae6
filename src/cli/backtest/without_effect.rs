//! Settings of the daemon that mean nothing to a backtest: there is no gateway, no wire, no clock and no log.

use crate::config::{Layers, Source};

/// Their names.
pub(in crate::cli) const WITHOUT_EFFECT: [&str; 41] = [
    "IBKR_HOST",
    "IBKR_PORT",
    "IBKR_CLIENT_ID",
    "IBKR_ACCOUNT",
    "IBKR_READONLY",
    "IBKR_TIMEOUT",
    "MESSAGE_RATE",
    "HISTORICAL_PACING",
    "DIAL_DEADLINE",
    "BACKOFF_BASE",
    "BACKOFF_MULTIPLIER",
    "BACKOFF_CAP",
    "BACKOFF_JITTER",
    "CIRCUIT_BREAKER_THRESHOLD",
    "CIRCUIT_BREAKER_TIMEOUT",
    "CIRCUIT_BREAKER_SUCCESSES",
    "PROBE_INTERVAL",
    "PROBE_DEADLINE",
    "PROBE_MISSES",
    "DATA_DURATION",
    "DATA_SHOW",
    "DATA_RTH",
    "DATA_FEED",
    "DATA_INTERVAL",
    "PARK_AFTER",
    "MAX_CONCURRENT",
    "RISK_MAX_SESSIONS_LOST",
    "RISK_FLAPPING_PAUSE",
    "ACK_DEADLINE",
    "RECONCILE_INTERVAL",
    "FOREIGN",
    "SETTLE_TIME",
    "STATE_DIR",
    "JOURNAL_DURABILITY",
    "SHUTDOWN_GRACE",
    "LOG_FILE",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "LOG_MAX_MB",
    "LOG_KEEP",
    "HEARTBEAT_INTERVAL",
];

/// Flags of the same kind, which the help of `backtest` and `sweep` does not show.
const FLAGS: [&str; 12] = [
    "duration",
    "feed",
    "interval",
    "max_concurrent",
    "host",
    "port",
    "client_id",
    "account",
    "state_dir",
    "log_file",
    "message_rate",
    "foreign",
];

/// A flag that would be accepted and ignored. Files and the environment are `run`'s, too, and may
/// hold anything of it.
pub(super) fn ignored(layers: &Layers) -> Option<(&'static str, &'static str)> {
    WITHOUT_EFFECT.into_iter().find_map(|name| match layers.get(name).1 {
        Source::Flag(flag) => Some((flag, name)),
        Source::Default
        | Source::File(_)
        | Source::DotEnv(_)
        | Source::Environment
        | Source::Simulator
        | Source::Backtest => None,
    })
}

/// The command without them in its help.
pub(in crate::cli) fn hide(command: clap::Command) -> clap::Command {
    FLAGS.into_iter().fold(command, |command, flag| command.mut_arg(flag, |arg| arg.hide(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_setting() {
        for name in WITHOUT_EFFECT {
            assert!(crate::config::table::find(name).is_some(), "{name}");
        }
    }
}
