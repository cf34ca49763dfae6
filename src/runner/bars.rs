//! Watches each symbol's bars: a layer of health of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::heartbeat::{NOW, age};
use super::layers::{Layer, Layers};
use super::view::DeskView;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tells of every symbol whose bars come, for ever. That they stay away is told by the feeds, which
/// know silence from a stock that nobody trades (rule 25).
pub(super) async fn watch(mut view: watch::Receiver<Arc<DeskView>>, layers: Layers) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let view = Arc::clone(&view.borrow_and_update());
        for symbol in view.symbols.iter().filter(|symbol| symbol.open_since.is_some()) {
            if age(&view, symbol, NOW).is_some_and(|age| age <= 2 * view.bar_s) {
                layers.up(Layer::Bars(symbol.symbol.clone()));
            }
        }
    }
}
