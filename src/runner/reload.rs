//! Settings read anew while the daemon runs: limits and locks change, all of them or none.

use std::sync::{Arc, Mutex, PoisonError};

use super::board::views::SettingView;
use crate::config::Settings;
use crate::desk::operator::Order;

/// What may change while the daemon runs; everything else wants a restart.
///
/// Symbols and strategies are among the rest. What a session is made of follows from them: contracts that were
/// resolved, streams that are open, an outbox that holds the largest burst there can be, a desk that sizes, protects
/// and reconciles by one plan. A symbol that is taken away keeps its position and its stop, and would need somebody
/// who answers for both; a strategy that is changed would have to be warm before the target of the old one is given
/// up. A restart does all of that by the way that every start goes, with the stops at the broker meanwhile.
pub const MAY_CHANGE: &[&str] = &[
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

    /// What the desk is to be told, and how the settings are shown then; `None` where nothing has changed. An error where
    /// anything is wrong, or wants a restart: nothing changes then.
    pub(super) fn read(&self) -> Result<Option<(Order, Vec<SettingView>)>, String> {
        let (settings, shown) = (self.read)()?;
        let changed = changed(&self.in_force(), &shown);
        if changed.is_empty() {
            return Ok(None);
        }
        let fixed: Vec<&str> = changed.iter().map(String::as_str).filter(|name| !MAY_CHANGE.contains(name)).collect();
        if !fixed.is_empty() {
            return Err(format!(
                "{} can only change with a restart: nothing was changed; positions and their stops stay while it restarts",
                fixed.join(", ")
            ));
        }
        let order =
            Order::Retune { limits: settings.limits, guards: Box::new(settings.guards), changed: changed.join(", ") };
        Ok(Some((order, shown)))
    }

    /// They are in force from now on.
    pub(super) fn took(&self, shown: Vec<SettingView>) {
        *self.in_force.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(shown);
    }
}

/// The names whose values differ.
fn changed(old: &[SettingView], new: &[SettingView]) -> Vec<String> {
    let value = |rows: &[SettingView], name: &str| rows.iter().find(|row| row.name == name).map(|row| row.stamp);
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
    fn whatever_wants_a_restart_is_named_exactly_symbols_their_own_settings_and_scripts_included() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("my.rhai");
        let example = include_str!("../../examples/sma-cross.rhai");
        std::fs::write(&script, example).unwrap();
        let name = format!("script:{}", script.display());
        let read = move |more: &[(&str, &str)]| {
            let mut layers = Layers::new();
            layers.set("STRATEGY", &*name, Source::Environment);
            more.iter().for_each(|(name, value)| layers.set(name, *value, Source::Environment));
            (Settings::resolve(&layers).unwrap(), SettingView::all(&layers))
        };
        let begun = read(&[]).1;
        let again = |more: &'static [(&str, &str)]| {
            let read = read.clone();
            Reload::new(move || Ok(read(more)), begun.clone()).read().map(|read| read.is_some())
        };
        assert_eq!(again(&[]), Ok(false));
        let more: &[(&str, &str)] = &[("SYMBOLS", "SPY"), ("RISK_MAX_LEVERAGE", "2"), ("DATA_BAR_SIZE", "5 mins")];
        let refused = again(more).unwrap_err();
        assert!(refused.starts_with("DATA_BAR_SIZE, SYMBOLS can only change with a restart"), "{refused}");
        std::fs::write(&script, format!("{example}\n// changed\n")).unwrap();
        let refused = again(&[("RISK_MAX_LEVERAGE", "2")]).unwrap_err();
        assert!(refused.starts_with("STRATEGY can only change with a restart"), "{refused}");
    }

    #[test]
    fn limits_change_together_and_what_wants_a_restart_refuses_all() {
        assert!(MAY_CHANGE.iter().all(|name| table::find(name).is_some()));
        let (order, shown) = reload(&[("RISK_MAX_LEVERAGE", "2"), ("CASH_LIMIT", "5")]).read().unwrap().unwrap();
        let Order::Retune { limits, guards, changed } = order else { panic!("{order:?}") };
        assert_eq!((limits.max_leverage, guards.cash_limit.decimal()), (2.into(), 5.into()));
        assert_eq!(changed, "CASH_LIMIT, RISK_MAX_LEVERAGE");
        assert!(shown.iter().any(|row| row.name == "CASH_LIMIT" && row.value == "5"));
        let refused = reload(&[("RISK_MAX_LEVERAGE", "2"), ("SYMBOLS", "SPY")]).read().unwrap_err();
        assert!(refused.starts_with("SYMBOLS can only change with a restart"), "{refused}");
        assert!(reload(&[]).read().unwrap().is_none(), "nothing has changed");
        // What is masked is compared all the same: a new address that nobody uses must not pass for nothing.
        let secret = reload(&[("NOTIFY_NTFY", "https://ntfy.example/other")]).read().unwrap_err();
        assert!(secret.starts_with("NOTIFY_NTFY can only") && !secret.contains("ntfy.example"), "{secret}");
        let wrong = Reload::new(|| Err("1 setting(s) are wrong".to_owned()), Vec::new());
        assert!(wrong.read().unwrap_err().contains("wrong"));
    }
}
