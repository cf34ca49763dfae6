//! The gateway's notices: what TWS says of its link, its farms and itself, as events and log lines.

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::exit::RunError;
use super::scope::Report;
use crate::desk::Event;
use crate::feed::Pulse;
use crate::tws::{FarmKind, FarmState, Link, Notice, Notices};

/// Turns the gateway's notices into events and log lines.
pub(super) async fn listen(mut notices: Notices, events: mpsc::Sender<Event>, pulse: &Pulse) -> Report {
    let mut broken: BTreeSet<String> = BTreeSet::new();
    while let Some(notice) = notices.next().await {
        let event = match notice {
            Notice::Link(Link::Down) => {
                error!("TWS has lost its link to IBKR: no orders until it is back");
                Some(Event::Link { up: false })
            }
            Notice::Link(Link::RestoredDataKept) => Some(Event::Link { up: true }),
            Notice::Link(Link::RestoredDataLost) => {
                // Subscriptions are gone: a new session subscribes and reconciles everything.
                return Report::Lost("TWS's link is back, but its subscriptions were lost".into());
            }
            Notice::Farm(farm) => {
                match farm.state {
                    FarmState::Broken => {
                        warn!(kind = ?farm.kind, farm = %farm.name, "data farm is down");
                        broken.insert(farm.name);
                    }
                    state => {
                        info!(kind = ?farm.kind, farm = %farm.name, ?state, "data farm");
                        let back = state == FarmState::Ok && broken.remove(&farm.name);
                        if back && farm.kind != FarmKind::Definitions {
                            pulse.farm_back();
                        }
                    }
                }
                None
            }
            Notice::PortReset { text } => {
                error!("the gateway's port was reset: {text}");
                None
            }
            Notice::TooFast { text } => {
                warn!("the gateway says that we send too fast: {text}");
                None
            }
            Notice::ReadOnly { text } => {
                let why = format!("the gateway's API is read-only ({text}): clear \"Read-Only API\" in its settings");
                return Report::Failed(RunError::Mode(why));
            }
            Notice::Unreadable { text } => {
                warn!("a message of the gateway cannot be read: {text}");
                None
            }
            Notice::Other { code, text, informational } => {
                if informational {
                    info!(code, "gateway: {text}")
                } else {
                    warn!(code, "gateway: {text}")
                }
                None
            }
            Notice::Lagged => {
                warn!("notices were lost on the way: reconciling");
                Some(Event::Fenced)
            }
        };
        if let Some(event) = event
            && events.send(event).await.is_err()
        {
            break;
        }
    }
    Report::Lost("the gateway closed the connection".into())
}
