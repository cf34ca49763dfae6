//! What the desk is told of the settings.

use super::Settings;
use crate::desk::Plan;
use crate::domain::broker::AccountId;

impl Settings {
    /// Whether the expected outages are IBKR's own, as nobody has said otherwise.
    pub fn has_default_windows(&self) -> bool {
        let default = super::table::find("EXPECTED_WINDOWS").map(|spec| spec.default);
        default == Some(self.guards.expected.to_string().as_str())
    }

    /// The desk's plan for an account.
    pub fn plan(&self, account: AccountId) -> Plan {
        Plan {
            account,
            mode: self.mode,
            limits: self.limits.clone(),
            symbols: self.symbols.iter().cloned().collect(),
            bar_size: self.bar_size,
            calendar: self.calendar,
            freshness: self.freshness,
            stop_breached: self.stop_breached,
            no_entry_after_open: self.no_entry_after_open,
            no_entry_before_close: self.no_entry_before_close,
            flat_by_close: self.flat_by_close,
            trades_at_close: false,
            allow_unprotected: self.allow_unprotected,
            guards: self.guards.clone(),
        }
    }
}
