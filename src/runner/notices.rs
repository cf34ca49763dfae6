//! The gateway's notices: what TWS says of its link, its farms and itself, as events and log lines.

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use super::exit::RunError;
use super::layers::{Layer, Layers};
use super::scope::Report;
use crate::desk::Event;
use crate::feed::Pulse;
use crate::tws::{Farm, FarmKind, FarmState, Link, Notice, Notices};

/// Unreadable messages that end a session.
const UNREADABLE_AT_MOST: u32 = 3;

fn kind(kind: FarmKind) -> &'static str {
    match kind {
        FarmKind::Market => "market data",
        FarmKind::Historical => "history",
        FarmKind::Definitions => "definitions",
    }
}

/// Turns the gateway's notices into events and log lines.
pub(super) async fn listen(
    mut notices: Notices,
    events: mpsc::Sender<Event>,
    pulse: &Pulse,
    layers: &Layers,
) -> Report {
    let mut broken: BTreeSet<String> = BTreeSet::new();
    let (mut unreadable, mut link_down) = (0, false);
    while let Some(notice) = notices.next().await {
        let event = match notice {
            Notice::Link(Link::Down) => {
                link_down = true;
                layers.down(Layer::Link, "TWS says that it has lost its link to IBKR");
                Some(Event::Link { up: false })
            }
            Notice::Link(restored @ (Link::RestoredDataKept | Link::RestoredDataLost)) => {
                link_down = false;
                layers.up(Layer::Link);
                if restored == Link::RestoredDataLost {
                    // Subscriptions are gone (1101): every feed subscribes anew.
                    warn!("TWS's link is back, its subscriptions were lost: subscribing anew");
                    pulse.farm_back();
                }
                Some(Event::Link { up: true })
            }
            Notice::Farm(farm) => {
                heard_of(farm, &mut broken, pulse, layers);
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
                unreadable += 1;
                warn!(unreadable, "a message of the gateway cannot be read: {text}");
                if unreadable >= UNREADABLE_AT_MOST {
                    return Report::Lost(format!("{unreadable} messages of the gateway could not be read"));
                }
                // Nobody knows what it said: the broker's state is read anew.
                Some(Event::Fenced)
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
        pulse.outage(link_down || !broken.is_empty());
        if let Some(event) = event
            && events.send(event).await.is_err()
        {
            break;
        }
    }
    Report::Lost("the gateway closed the connection".into())
}

/// A farm's news: a layer of health, and where one is back its streams are subscribed anew.
fn heard_of(farm: Farm, broken: &mut BTreeSet<String>, pulse: &Pulse, layers: &Layers) {
    let layer = Layer::Farm(format!("{} ({})", farm.name, kind(farm.kind)));
    match farm.state {
        FarmState::Broken => {
            layers.down(layer, "TWS says that its connection is broken");
            // No bar comes through a definitions farm.
            if farm.kind != FarmKind::Definitions {
                broken.insert(farm.name);
            }
        }
        state => {
            debug!(kind = ?farm.kind, farm = %farm.name, ?state, "data farm");
            if matches!(state, FarmState::Ok | FarmState::Inactive) {
                layers.up(layer);
            }
            let up = matches!(state, FarmState::Ok | FarmState::Inactive);
            let back = up && broken.remove(&farm.name);
            if back && farm.kind != FarmKind::Definitions {
                pulse.farm_back();
            }
        }
    }
}
