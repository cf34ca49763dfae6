//! Limits that bind nobody, for a strategy alone.

/// Settings that limit, at their widest: `--limits wide`.
pub const WIDE_LIMITS: [(&str, &str); 14] = [
    ("RISK_MAX_ORDER_NOTIONAL", "1000000000"),
    ("RISK_MAX_DAILY_NOTIONAL", "1000000000"),
    ("RISK_MAX_POSITION_NOTIONAL", "1000000000"),
    ("RISK_MAX_LEVERAGE", "4"),
    ("RISK_MAX_OPEN_POSITIONS", "1000"),
    ("RISK_MAX_DAILY_LOSS_PCT", "1"),
    ("RISK_MAX_ORDERS_PER_MINUTE", "10000"),
    ("RISK_PRICE_COLLAR_PCT", "0.5"),
    ("RISK_MAX_DRAWDOWN_PCT", "1"),
    ("RISK_MAX_LOSSES", "1000000"),
    ("RISK_MAX_ORDERS", "1000000"),
    ("RISK_MAX_REJECTS", "1000000"),
    ("RISK_MAX_SESSIONS_LOST", "1000000"),
    ("CASH_LIMIT", "1000000000"),
];
