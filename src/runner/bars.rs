//! Watches each symbol's bars: a layer of health of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use super::heartbeat::{NOW, age};
use super::layers::{Layer, Layers};
use super::view::DeskView;
use crate::clock::wall_now;
use crate::domain::{MarketTime, Symbol};
use crate::tws::{Session, Waiting};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Two ends of a wait so near to each other are one.
const ABOUT: Duration = Duration::from_secs(3);

/// Tells of every symbol whose bars come, or that waits for its turn to have them, for ever. That they stay away is told
/// by the feeds, which know silence from a stock that nobody trades (rule 25).
pub(super) async fn watch(mut view: watch::Receiver<Arc<DeskView>>, layers: Layers, session: Session) {
    let mut waited = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let view = Arc::clone(&view.borrow_and_update());
        let open = view.symbols.iter().filter(|symbol| symbol.open_since.is_some());
        let come = open.filter(|symbol| age(&view, symbol, NOW).is_some_and(|age| age <= 2 * view.bar_s));
        let come: BTreeSet<&Symbol> = come.map(|symbol| &symbol.symbol).collect();
        // Whose former subscription still brings bars waits for nothing that is missing.
        let mut waiting = session.waiting_for_realtime();
        waiting.retain(|waiting| waiting.blind || !come.contains(&waiting.symbol));
        let waiting = ends(&waiting, &waited, wall_now());
        layers.wait(&waiting);
        for symbol in come.into_iter().filter(|symbol| !waiting.contains_key(*symbol)) {
            layers.up(Layer::Bars(*symbol));
        }
        tell(&waiting, &waited);
        waited = waiting;
    }
}

/// When each wait ends, by this machine's clock: it is for the reader alone, and nothing is decided by it. What was said
/// before stays said while it is about the same.
fn ends(waiting: &[Waiting], said: &BTreeMap<Symbol, MarketTime>, now: MarketTime) -> BTreeMap<Symbol, MarketTime> {
    let end = |Waiting { symbol, left, .. }: &Waiting| {
        let end = now + Duration::from_secs(left.as_secs() + 1);
        let same = |said: &&MarketTime| end.since(**said).max(said.since(end)) <= ABOUT;
        (*symbol, said.get(symbol).filter(same).copied().unwrap_or(end))
    };
    waiting.iter().map(end).collect()
}

/// Says once that symbols wait, and once that none does any more.
fn tell(waiting: &BTreeMap<Symbol, MarketTime>, before: &BTreeMap<Symbol, MarketTime>) {
    match (waiting.values().min(), waiting.values().max()) {
        (Some(first), Some(last)) if before.is_empty() => {
            warn!(
                symbols = waiting.len(), first = %first, last = %last,
                "some symbols wait for their real-time bars and do not trade until then: IBKR lets 60 subscriptions \
                 begin in ten minutes"
            );
        }
        (None, None) if !before.is_empty() => info!("every symbol's real-time bars are subscribed"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_of_an_end_stays_said_while_it_is_about_the_same() {
        let symbol: Symbol = "AAA".parse().unwrap();
        let at = MarketTime::from_secs;
        let left = |seconds: u64| {
            let left = Duration::from_millis(1_000 * seconds + 400);
            [Waiting { symbol, left, blind: true }]
        };
        let said = ends(&left(600), &BTreeMap::new(), at(1_000));
        assert_eq!(said[&symbol], at(1_601));
        assert_eq!(ends(&left(598), &said, at(1_001)), said, "a second's rounding");
        assert_eq!(ends(&left(300), &said, at(1_001))[&symbol], at(1_302), "somebody has left the line");
        assert!(ends(&[], &said, at(1_001)).is_empty());
    }
}
