//! Every setting: its name, default and meaning.

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Its name in the environment and in `.env`; in lower case, in `robo-trader.toml`.
    pub name: &'static str,
    /// Its default, as text; empty for none.
    pub default: &'static str,
    /// What it means, with its unit.
    pub help: &'static str,
    /// Whether it is masked wherever it is shown.
    pub secret: bool,
}

const fn spec(name: &'static str, default: &'static str, help: &'static str) -> Spec {
    Spec { name, default, help, secret: false }
}

const fn secret(name: &'static str, help: &'static str) -> Spec {
    Spec { name, default: "", help, secret: true }
}

/// Every setting, by subject.
pub const TABLE: &[Spec] = &[
    // The gateway.
    spec("IBKR_HOST", "127.0.0.1", "host of TWS, IB Gateway or a simulator"),
    spec("IBKR_PORT", "7497", "its port: TWS 7497 paper, 7496 live; IB Gateway 4002 paper, 4001 live"),
    spec("IBKR_CLIENT_ID", "1", "our client id, 1 to 999; keep it: orders belong to it"),
    spec(
        "IBKR_TOOL_CLIENT_ID",
        "998",
        "client id, 1 to 999, of commands that ask the gateway themselves; not IBKR_CLIENT_ID",
    ),
    spec("IBKR_ACCOUNT", "", "the account to trade; needed where the session has several, and for live"),
    spec("IBKR_READONLY", "no", "yes: send no orders, whatever the mode (as mode observe)"),
    spec("IBKR_TIMEOUT", "10", "seconds that any request may take"),
    spec("MESSAGE_RATE", "45", "messages to the gateway in any sliding second (IBKR allows 50)"),
    spec(
        "HISTORICAL_PACING",
        "yes",
        "obey IBKR's pacing of historical requests and of new real-time bars; off is for simulators only",
    ),
    // The connection.
    spec(
        "DIAL_DEADLINE",
        "15",
        "seconds for connecting, the handshake included; the checks behind it have IBKR_TIMEOUT each",
    ),
    spec("BACKOFF_BASE", "1", "seconds before the second attempt"),
    spec("BACKOFF_MULTIPLIER", "2", "growth of the wait from attempt to attempt"),
    spec("BACKOFF_CAP", "60", "seconds that a wait never exceeds, jitter included"),
    spec("BACKOFF_JITTER", "0.25", "fraction of the wait that is drawn at random, anew for every attempt"),
    spec("CIRCUIT_BREAKER_THRESHOLD", "5", "failures in a row that open the breaker"),
    spec("CIRCUIT_BREAKER_TIMEOUT", "300", "seconds that an open breaker waits before its one probe"),
    spec("CIRCUIT_BREAKER_SUCCESSES", "1", "usable sessions in a row that close a half-open breaker"),
    spec("PROBE_INTERVAL", "5", "seconds between liveness probes of a held session"),
    spec("PROBE_DEADLINE", "5", "seconds that a probe may take"),
    spec("PROBE_MISSES", "3", "probes missed in a row that end a session"),
    spec(
        "EXPECTED_WINDOWS",
        "ibkr-us",
        "expected outages: ibkr-us, ibkr-europe, ibkr-asia, weekly-login, or ZONE DAYS HH:MM-HH:MM NAME; several separated by ;",
    ),
    spec("HOLD_BEFORE", "2", "minutes before an expected outage in which no entry leaves any more"),
    // What is traded.
    spec("SYMBOLS", "AAPL,MSFT,SPY", "symbols to trade, comma separated, at most 100"),
    spec("STRATEGY", "sma-cross", "name of the strategy (see robo-trader strategies), or script:FILE"),
    spec("STRATEGY_PARAMS", "", "its parameters: name=value, comma separated"),
    spec("EXECUTION_MODE", "paper", "observe (send nothing), paper (paper accounts and simulators only) or live"),
    spec("EXECUTION_SHORT_SELLING", "no", "whether positions may be short"),
    // Bars.
    spec("DATA_BAR_SIZE", "1 min", "size of the bars that strategies see, in TWS's words"),
    spec("DATA_DURATION", "2 D", "history fetched at the start: number and S, D, W, M or Y"),
    spec("DATA_SHOW", "TRADES", "what bars are made of: TRADES, MIDPOINT, BID or ASK"),
    spec("DATA_RTH", "yes", "regular trading hours only"),
    spec("DATA_FEED", "auto", "live bars by stream, realtime (5-second bars, aggregated) or poll; auto chooses"),
    spec("DATA_INTERVAL", "30", "seconds between polls, where polling"),
    spec("DATA_FRESHNESS", "", "seconds a bar's close may be old to trade on it; empty: one bar"),
    spec("PARK_AFTER", "3", "times in a row that a symbol's silent bars are subscribed anew before it is parked"),
    spec("MAX_CONCURRENT", "8", "symbols whose history is fetched at a time"),
    // Sizing.
    spec(
        "RISK_POSITION_SIZING",
        "percent",
        "shares, notional, percent (of equity), atr (risk by average true range), volatility (a target of it) or kelly (by its own round trips)",
    ),
    spec("RISK_FIXED_SHARES", "10", "shares of a full position, for sizing shares"),
    spec("RISK_FIXED_NOTIONAL", "2000", "USD of a full position, for sizing notional"),
    spec(
        "RISK_MAX_POSITION_PCT",
        "0.02",
        "fraction of equity of a full position, for sizing percent; its cap, for volatility and kelly",
    ),
    spec("RISK_ATR_RISK_PCT", "0.005", "fraction of equity at risk in a full position, for sizing atr"),
    spec("RISK_ATR_MULTIPLE", "2", "average true ranges that this risk is measured over"),
    spec(
        "RISK_TARGET_VOLATILITY",
        "0.1",
        "annual volatility of a full position, as a fraction of equity, for sizing volatility",
    ),
    spec("RISK_KELLY_PART", "0.25", "part of Kelly's fraction that a full position is, for sizing kelly"),
    spec("RISK_KELLY_TRIPS", "20", "round trips of the symbol that Kelly's fraction needs (it looks back 256)"),
    spec("RISK_KELLY_START", "0.01", "fraction of equity of a full position until then"),
    // Limits.
    spec("RISK_MAX_ORDER_NOTIONAL", "10000", "USD that one entry may be worth"),
    spec("RISK_MAX_DAILY_NOTIONAL", "500000", "USD that the entries of an exchange day may be worth"),
    spec("RISK_MAX_POSITION_NOTIONAL", "20000", "USD that the position in one symbol may be worth"),
    spec("RISK_MAX_LEVERAGE", "1", "worth of all positions as a multiple of equity"),
    spec("RISK_MAX_OPEN_POSITIONS", "30", "symbols held at a time"),
    spec(
        "RISK_MAX_DAILY_LOSS_PCT",
        "0.02",
        "loss of an exchange day, unrealized included, as a fraction of equity at its start",
    ),
    spec("RISK_ON_DAILY_LOSS", "lock", "then: lock (no entries that day) or flatten (close everything, too)"),
    spec("RISK_MAX_ORDERS_PER_MINUTE", "60", "entries within a minute of market time"),
    spec("RISK_PRICE_COLLAR_PCT", "0.05", "how far a limit price may lie from the last close, as a fraction"),
    spec("RISK_MAX_DRAWDOWN_PCT", "0.2", "loss since the highest equity, as a fraction of it, at which entries stop"),
    spec(
        "RISK_DRAWDOWN_PAUSE",
        "",
        "minutes of market time after which entries go on, the highest equity measured anew; empty: by resume only",
    ),
    spec("RISK_MAX_LOSSES", "10", "losing round trips in a row at which entries pause"),
    spec("RISK_LOSS_PAUSE", "30", "minutes of market time that this pause lasts"),
    spec("RISK_MAX_ORDERS", "600", "orders of every kind within a minute of market time at which entries stop"),
    spec("RISK_MAX_REJECTS", "10", "orders rejected by the broker within ten minutes at which entries stop"),
    spec("RISK_MAX_SESSIONS_LOST", "6", "sessions lost within thirty minutes at which entries pause"),
    spec("RISK_FLAPPING_PAUSE", "10", "minutes of market time that this pause lasts"),
    spec(
        "RISK_COOL_DOWN",
        "",
        "minutes of market time in which a symbol is not entered after its stop has filled; empty: off",
    ),
    spec(
        "RISK_STOP_GUARD",
        "",
        "stops filled, of all symbols, within RISK_STOP_GUARD_WINDOW at which entries pause; empty: off",
    ),
    spec("RISK_STOP_GUARD_WINDOW", "60", "minutes of market time in which these stops are counted"),
    spec("RISK_STOP_GUARD_PAUSE", "60", "minutes of market time that this pause lasts"),
    spec(
        "RISK_LOW_PROFIT_TRIPS",
        "",
        "last round trips of a symbol at which its entries pause if together they lost money, fees included; empty: off",
    ),
    spec("RISK_LOW_PROFIT_PAUSE", "1440", "minutes of market time that this pause lasts"),
    spec("CASH_LIMIT", "1000", "USD that may move at once by no trade of ours; beyond it entries stop"),
    // Protection and orders.
    spec("RISK_STOP", "fixed", "protective stop at the broker: none, fixed, atr or trailing"),
    spec("RISK_STOP_LOSS_PCT", "0.02", "fraction of the entry price, for stop fixed"),
    spec("RISK_STOP_ATR", "3", "average true ranges, for stop atr"),
    spec("RISK_TRAILING_STOP_PCT", "0.015", "fraction of the best price, for stop trailing"),
    spec("RISK_TAKE_PROFIT_PCT", "", "fraction of the entry price for a take-profit order; empty: none"),
    spec(
        "RISK_TIME_EXIT",
        "",
        "decision bars after which a position is closed; by market time since it was opened (its first bar counts; nights do, too; for daily bars, exchange days), so that a restart changes nothing; empty: never",
    ),
    spec("RISK_ALLOW_UNPROTECTED", "no", "whether live entries may go without a stop"),
    spec("RISK_STOP_BREACHED", "hold", "when the market has passed a missing stop: hold (lock and page) or exit"),
    spec("ORDER_STYLE", "auto", "market, limit (marketable, with offset) or auto (limit when live, else market)"),
    spec("ORDER_LIMIT_OFFSET_PCT", "0.002", "how far beyond the last close a marketable limit lies, as a fraction"),
    spec("AFTER_CLOSE", "auto", "entries decided after the close: drop, requeue-at-open or auto (by bar size)"),
    spec("NO_ENTRY_AFTER_OPEN", "0", "minutes after the open without entries"),
    spec("NO_ENTRY_BEFORE_CLOSE", "0", "minutes before the close without entries"),
    spec("FLAT_BY_CLOSE", "", "minutes before the close at which positions are closed; empty: they stay"),
    spec("ACK_DEADLINE", "10", "seconds after which an unanswered order is in doubt"),
    spec("RECONCILE_INTERVAL", "60", "seconds between comparisons of broker and book while trading goes on"),
    spec(
        "FOREIGN",
        "watch",
        "orders and holdings that are not ours: ignore, watch (show and tell) or adopt (holdings)",
    ),
    spec("SETTLE_TIME", "2", "seconds between two reads that have to agree"),
    // The process.
    spec("CALENDAR", "XNYS", "exchange calendar beside the gateway's hours: XNYS or always"),
    spec("STATE_DIR", "", "directory of all state; empty: the platform's own place for it"),
    spec("JOURNAL_DURABILITY", "full", "full (an order's facts survive a power cut) or process (a kill)"),
    spec("SHUTDOWN_GRACE", "5", "seconds that a shutdown may take"),
    spec("DEFAULT_CASH", "100000", "USD in the embedded simulator's account"),
    spec(
        "LOG_FILE",
        "",
        "file to log to, rotated by size; beside the console, or, where standard error is no terminal, instead of it",
    ),
    spec("LOG_FORMAT", "text", "text or json (one flat object a line), of the log file"),
    spec("LOG_LEVEL", "info", "error, warn, info, debug or trace; RUST_LOG overrides it"),
    spec("LOG_MAX_MB", "10", "megabytes of a log file before it is rotated"),
    spec("LOG_KEEP", "5", "rotated log files kept"),
    spec("HEARTBEAT_INTERVAL", "60", "seconds between heartbeat lines in the log"),
    // Alerts.
    secret("NOTIFY_WEBHOOK", "address to which every alert is posted as a JSON object; empty: none"),
    secret("NOTIFY_SLACK", "address of an incoming webhook of Slack's; empty: none"),
    secret("NOTIFY_DISCORD", "address of a webhook of Discord's; empty: none"),
    secret("NOTIFY_NTFY", "address of a topic at an ntfy server; empty: none"),
    secret("NOTIFY_TELEGRAM", "TOKEN@CHAT of a Telegram bot and its chat; empty: none"),
    spec("NOTIFY_EMAIL_TO", "", "addresses, separated by commas, to which alerts are mailed; empty: none"),
    spec("NOTIFY_EMAIL_FROM", "", "address from which they are mailed; empty: the first of NOTIFY_EMAIL_TO"),
    secret("NOTIFY_SMTP_URL", "mail server for them: smtps://USER:PASSWORD@HOST:PORT, or smtp:// for STARTTLS"),
    spec("NOTIFY_LEVEL", "warning", "alerts below it are only gathered for the digest: info, warning or critical"),
    spec(
        "NOTIFY_RULES",
        "",
        "levels of kinds of alerts, KIND=LEVEL or KIND=LEVEL/MINUTES, comma separated; off for never, * at the end of KIND; the first that fits counts",
    ),
    spec("NOTIFY_THROTTLE", "5", "minutes in which equal alerts are held back after one was sent"),
    spec("NOTIFY_DIGEST", "", "minutes between digests of what lies below NOTIFY_LEVEL; empty: none"),
    spec(
        "NOTIFY_NO_SESSION",
        "10",
        "minutes without a session, outside planned windows, after which a human is needed; empty: never",
    ),
    spec("NOTIFY_REPEAT", "60", "minutes after which what needs a human is told again while it stands; empty: once"),
    secret("HEARTBEAT_URL", "address pinged every minute while the desk lives (with /start and /fail); empty: none"),
    // The dashboard.
    spec("DASH_ENABLED", "yes", "whether dashboard, API and feed are served"),
    spec("DASH_BIND", "127.0.0.1", "address they are served at; beyond loopback, every read needs the token, too"),
    spec("DASH_PORT", "5555", "port of dashboard and API; 0: one that is free, told in the log"),
    spec(
        "DASH_HOSTS",
        "",
        "names, comma separated, by which a browser may reach them (behind a proxy); localhost and loopback addresses always may",
    ),
    spec("WS_PORT", "", "a second port that serves the same (the predecessor's feed had 8765); empty: none"),
    spec(
        "DESK_STALL_ABORT",
        "",
        "seconds without an answer of the desk after which the process ends itself, for launchd (systemd has a watchdog); empty: never",
    ),
];

/// The setting of a name.
pub fn find(name: &str) -> Option<&'static Spec> {
    TABLE.iter().find(|spec| spec.name == name)
}
