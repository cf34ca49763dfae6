//! Indicators of a symbol's strategy over the bars that are kept: computed when somebody looks, by a strategy of the
//! same name and parameters that sees these bars and nothing else. The one that trades is not asked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use schemars::JsonSchema;
use serde::Serialize;

use super::views::BarView;
use crate::domain::{Bar, MarketTime, Symbol};
use crate::strategy::{Drawn, Pane, Strategy, drawn};

/// An indicator.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct IndicatorView {
    /// Its name.
    pub name: &'static str,
    /// `price`: over the candles, USD a share; `own`: on a scale of its own.
    pub pane: &'static str,
    /// One a bar, oldest first; null before the strategy is warm.
    pub values: Vec<Option<f64>>,
}

impl From<Drawn> for IndicatorView {
    fn from(drawn: Drawn) -> Self {
        let pane = match drawn.pane {
            Pane::Price => "price",
            Pane::Own => "own",
        };
        Self { name: drawn.name, pane, values: drawn.values }
    }
}

/// Makes a strategy that has seen nothing.
type Fresh = Box<dyn Fn() -> Option<Box<dyn Strategy>> + Send + Sync>;

/// How the strategy of each symbol is made.
#[derive(Default)]
pub(super) struct Makers(Mutex<BTreeMap<Symbol, Fresh>>);

impl fmt::Debug for Makers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Makers")
    }
}

impl Makers {
    pub(super) fn set(&self, symbol: Symbol, fresh: Fresh) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(symbol, fresh);
    }

    /// The indicators over these bars; none where the strategy has none.
    pub(super) fn over(&self, symbol: &Symbol, bars: &[BarView]) -> Vec<IndicatorView> {
        let fresh = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(symbol).and_then(|fresh| fresh());
        let Some(mut strategy) = fresh else { return Vec::new() };
        let bars: Vec<Bar> = bars.iter().map(bar).collect();
        drawn(strategy.as_mut(), &bars).into_iter().map(IndicatorView::from).collect()
    }
}

fn bar(view: &BarView) -> Bar {
    Bar {
        time: MarketTime::from_millis(view.time_ms),
        end: MarketTime::from_millis(view.end_ms),
        open: view.open_usd,
        high: view.high_usd,
        low: view.low_usd,
        close: view.close_usd,
        volume: view.volume_shares,
    }
}
