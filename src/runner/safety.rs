//! Mode, port and account have to go together before anything is opened.

use crate::config::Settings;
use crate::desk::Mode;
use crate::domain::broker::{AccountId, Venue};

use super::exit::RunError;

/// Ports that TWS and IB Gateway use for live log-ins.
const LIVE_PORTS: [u16; 2] = [7496, 4001];
/// Ports that they use for paper log-ins.
const PAPER_PORTS: [u16; 2] = [7497, 4002];

/// Checks what can be checked before any connection.
///
/// # Errors
/// What does not go together, and what to change.
pub fn before_dialling(settings: &Settings, confirmed_live: bool) -> Result<(), RunError> {
    let port = settings.connection.port;
    let refuse = |why: String| Err(RunError::Mode(why));
    match settings.mode {
        Mode::Live => {
            if !confirmed_live {
                return refuse("EXECUTION_MODE=live needs --confirm-live: orders would trade real money".to_owned());
            }
            if settings.connection.account.is_none() {
                return refuse("EXECUTION_MODE=live needs IBKR_ACCOUNT, the live account to trade".to_owned());
            }
            if PAPER_PORTS.contains(&port) {
                return refuse(format!(
                    "EXECUTION_MODE=live on port {port}, a paper port: use 7496 (TWS) or 4001 (IB Gateway), or EXECUTION_MODE=paper"
                ));
            }
        }
        Mode::Paper if LIVE_PORTS.contains(&port) => {
            return refuse(format!(
                "EXECUTION_MODE=paper on port {port}, a live port: use 7497 (TWS) or 4002 (IB Gateway), or EXECUTION_MODE=observe"
            ));
        }
        Mode::Paper | Mode::Observe => {}
    }
    Ok(())
}

/// Checks the session's account and venue against the mode.
///
/// # Errors
/// What does not go together, and what to change.
pub fn of_session(mode: Mode, venue: &Venue, account: &AccountId) -> Result<(), RunError> {
    let simulator = matches!(venue, Venue::Simulator { .. });
    match mode {
        Mode::Live if simulator => {
            Err(RunError::Mode("EXECUTION_MODE=live, but this is a simulator: use EXECUTION_MODE=paper".to_owned()))
        }
        Mode::Live if account.is_paper() => Err(RunError::Mode(format!(
            "EXECUTION_MODE=live, but account {account} is a paper account: use EXECUTION_MODE=paper, or log in live"
        ))),
        Mode::Paper if !simulator && !account.is_paper() => Err(RunError::Mode(format!(
            "EXECUTION_MODE=paper, but account {account} is a live account: log in to paper trading, or use EXECUTION_MODE=observe"
        ))),
        Mode::Live | Mode::Paper | Mode::Observe => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let mut layers = Layers::new();
        layers.environment(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Settings::resolve(&layers).unwrap()
    }

    #[test]
    fn live_needs_mode_confirmation_account_and_port() {
        let live = [("EXECUTION_MODE", "live"), ("IBKR_ACCOUNT", "U1234567"), ("IBKR_PORT", "7496")];
        assert!(before_dialling(&settings(&live), true).is_ok());
        assert!(before_dialling(&settings(&live), false).is_err());
        assert!(before_dialling(&settings(&[live[0], live[2]]), true).is_err());
        assert!(before_dialling(&settings(&[live[0], live[1]]), true).is_err());
        assert!(before_dialling(&settings(&[("IBKR_PORT", "4001")]), true).is_err());
        assert!(before_dialling(&settings(&[("IBKR_PORT", "4001"), ("EXECUTION_MODE", "observe")]), false).is_ok());
    }

    #[test]
    fn paper_orders_never_reach_a_live_account() {
        let (paper, live) = (AccountId("DU1".into()), AccountId("U1".into()));
        let simulator = Venue::Simulator { exchange: "x".into() };
        assert!(of_session(Mode::Paper, &Venue::Ibkr, &live).is_err());
        assert!(of_session(Mode::Paper, &Venue::Ibkr, &paper).is_ok());
        assert!(of_session(Mode::Paper, &simulator, &live).is_ok());
        assert!(of_session(Mode::Live, &Venue::Ibkr, &paper).is_err());
        assert!(of_session(Mode::Live, &simulator, &live).is_err());
        assert!(of_session(Mode::Live, &Venue::Ibkr, &live).is_ok());
        assert!(of_session(Mode::Observe, &Venue::Ibkr, &live).is_ok());
    }
}
