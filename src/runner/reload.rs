//! Settings read anew while the daemon runs: limits and locks change, all of them or none.

use std::sync::{Arc, Mutex, PoisonError};

use super::board::views::SettingView;
use crate::config::Settings;
use crate::desk::operator::Order;

/// What may change while the daemon runs; everything else wants a restart.
const MAY_CHANGE: &[&str] = &[
    "RISK_MAX_ORDER_NOTIONAL",
    "RISK_MAX_DAILY_NOTIONAL",
    "RISK_MAX_POSITION_NOTIONAL",
    "RISK_MAX_LEVERAGE",
    "RISK_MAX_OPEN_POSITIONS",
    "RISK_MAX_DAILY_LOSS_PCT",
    "RISK_ON_DAILY_LOSS",
    "RISK_MAX_ORDERS_PER_MINUTE",
    "RISK_MAX_DRAWDOWN_PCT",
    "RISK_DRAWDOWN_PAUSE",
    "RISK_MAX_LOSSES",
    "RISK_LOSS_PAUSE",
    "RISK_MAX_ORDERS",
    "RISK_MAX_REJECTS",
    "RISK_MAX_SESSIONS_LOST",
    "RISK_FLAPPING_PAUSE",
    "RISK_COOL_DOWN",
    "RISK_STOP_GUARD",
    "RISK_STOP_GUARD_WINDOW",
    "RISK_STOP_GUARD_PAUSE",
    "RISK_LOW_PROFIT_TRIPS",
    "RISK_LOW_PROFIT_PAUSE",
    "CASH_LIMIT",
];

/// The settings as they are now, with how they are shown.
pub type Fresh = (Settings, Vec<SettingView>);

/// Reads settings anew, and knows those in force.
pub struct Reload {
    read: Box<dyn Fn() -> Result<Fresh, String> + Send + Sync>,
    in_force: Mutex<Arc<Vec<SettingView>>>,
}

impl Reload {
    /// By what reads them, and how those in force are shown.
    pub fn new(
        read: impl Fn() -> Result<Fresh, String> + Send + Sync + 'static,
        in_force: Vec<SettingView>,
    ) -> Arc<Self> {
        Arc::new(Self { read: Box::new(read), in_force: Mutex::new(Arc::new(in_force)) })
    }

    /// The settings in force, as they are shown.
    pub fn in_force(&self) -> Arc<Vec<SettingView>> {
        Arc::clone(&self.in_force.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the desk is to be told, and how the settings are shown then; an error where anything is wrong, has
    /// not changed, or wants a restart: nothing changes then.
    pub(super) fn read(&self) -> Result<(Order, Vec<SettingView>), String> {
        let (settings, shown) = (self.read)()?;
        let changed = changed(&self.in_force(), &shown);
        if changed.is_empty() {
            return Err("nothing has changed".to_owned());
        }
        let fixed: Vec<&str> = changed.iter().map(String::as_str).filter(|name| !MAY_CHANGE.contains(name)).collect();
        if !fixed.is_empty() {
            return Err(format!("{} can only change with a restart: nothing was changed", fixed.join(", ")));
        }
        let order =
            Order::Retune { limits: settings.limits, guards: Box::new(settings.guards), changed: changed.join(", ") };
        Ok((order, shown))
    }

    /// They are in force from now on.
    pub(super) fn took(&self, shown: Vec<SettingView>) {
        *self.in_force.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(shown);
    }
}

/// The names whose values differ.
fn changed(old: &[SettingView], new: &[SettingView]) -> Vec<String> {
    let value =
        |rows: &[SettingView], name: &str| rows.iter().find(|row| row.name == name).map(|row| row.value.clone());
    let mut names: Vec<String> = new.iter().chain(old).map(|row| row.name.clone()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| value(old, name) != value(new, name));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, Source, table};

    fn fresh(pairs: &[(&str, &str)]) -> Fresh {
        let mut layers = Layers::new();
        for (name, value) in pairs {
            layers.set(name, *value, Source::Environment);
        }
        (Settings::resolve(&layers).unwrap(), SettingView::all(&layers))
    }

    fn reload(pairs: &'static [(&str, &str)]) -> Arc<Reload> {
        Reload::new(move || Ok(fresh(pairs)), fresh(&[]).1)
    }

    #[test]
    fn limits_change_together_and_what_wants_a_restart_refuses_all() {
        assert!(MAY_CHANGE.iter().all(|name| table::find(name).is_some()));
        let (order, shown) = reload(&[("RISK_MAX_LEVERAGE", "2"), ("CASH_LIMIT", "5")]).read().unwrap();
        let Order::Retune { limits, guards, changed } = order else { panic!("{order:?}") };
        assert_eq!((limits.max_leverage, guards.cash_limit.0), (2.into(), 5.into()));
        assert_eq!(changed, "CASH_LIMIT, RISK_MAX_LEVERAGE");
        assert!(shown.iter().any(|row| row.name == "CASH_LIMIT" && row.value == "5"));
        let refused = reload(&[("RISK_MAX_LEVERAGE", "2"), ("SYMBOLS", "SPY")]).read().unwrap_err();
        assert!(refused.starts_with("SYMBOLS can only change with a restart"), "{refused}");
        assert_eq!(reload(&[]).read().unwrap_err(), "nothing has changed");
        let wrong = Reload::new(|| Err("1 setting(s) are wrong".to_owned()), Vec::new());
        assert!(wrong.read().unwrap_err().contains("wrong"));
    }
}
