//! Settings of the daemon that mean nothing to a backtest: there is no gateway, no wire, no clock, no log
//! and nobody to tell.

use crate::config::{Layers, Source};

/// Their names.
pub(in crate::cli) const WITHOUT_EFFECT: [&str; 63] = [
    "IBKR_HOST",
    "IBKR_PORT",
    "IBKR_CLIENT_ID",
    "IBKR_TOOL_CLIENT_ID",
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
    "NOTIFY_WEBHOOK",
    "NOTIFY_SLACK",
    "NOTIFY_DISCORD",
    "NOTIFY_NO_SESSION",
    "NOTIFY_NTFY",
    "NOTIFY_TELEGRAM",
    "NOTIFY_EMAIL_TO",
    "NOTIFY_EMAIL_FROM",
    "NOTIFY_SMTP_URL",
    "NOTIFY_LEVEL",
    "NOTIFY_RULES",
    "NOTIFY_THROTTLE",
    "NOTIFY_DIGEST",
    "NOTIFY_REPEAT",
    "HEARTBEAT_URL",
    "DESK_STALL_ABORT",
    "DASH_ENABLED",
    "DASH_BIND",
    "DASH_PORT",
    "DASH_HOSTS",
    "WS_PORT",
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
    fn every_name_is_a_setting_and_what_is_the_daemons_alone_is_named() {
        for name in WITHOUT_EFFECT {
            assert!(crate::config::table::find(name).is_some(), "{name}");
        }
        for spec in crate::config::table::TABLE {
            let of_the_daemon = ["IBKR_", "LOG_", "NOTIFY_", "HEARTBEAT_", "DASH_", "WS_", "BACKOFF_", "PROBE_"];
            let alone = of_the_daemon.iter().any(|begin| spec.name.starts_with(begin));
            assert!(!alone || WITHOUT_EFFECT.contains(&spec.name), "{} would be told as a backtest's", spec.name);
        }
    }
}
