//! What scripts are offered: the bar, and the indicators that compiled strategies use.

use std::sync::{Arc, Mutex, PoisonError};

use rhai::{Dynamic, Engine, EvalAltResult, FLOAT, INT};

use super::super::indicators::{Atr, Change, Deviation, Ema, Extreme, MovingSum, Rsi};
use crate::domain::Bar;

/// A number that is no price and no volume of anything: sums of it would lose their meaning.
const TOO_MUCH: f64 = 1e12;

/// A closed bar, as scripts see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScriptBar {
    pub(super) bar: Bar,
    /// Bars that the script saw before it.
    pub(super) index: INT,
}

/// An indicator. Copies are the same indicator, so that `let fast = this.fast; fast.push(x)` does
/// what it seems to.
#[derive(Debug, Clone)]
struct Indicator(Arc<Mutex<Measuring>>);

#[derive(Debug)]
struct Measuring {
    of: Of,
    last: Option<f64>,
}

#[derive(Debug)]
enum Of {
    Sma(MovingSum),
    Ema(Ema),
    Rsi(Rsi),
    Atr(Atr),
    Highest(Extreme),
    Lowest(Extreme),
    Deviation(Deviation),
    Score(Deviation),
    Change(Change),
}

/// Makes an indicator of so many bars.
type Maker = fn(usize) -> Of;

type Answer = Result<Dynamic, Box<EvalAltResult>>;

fn answer(value: Option<f64>) -> Dynamic {
    value.map_or(Dynamic::UNIT, Dynamic::from_float)
}

impl Indicator {
    fn new(bars: INT, make: Maker) -> Result<Self, Box<EvalAltResult>> {
        let longest = Deviation::LONGEST;
        let length = usize::try_from(bars).ok().filter(|bars| (1..=longest).contains(bars));
        let length = length.ok_or_else(|| format!("an indicator of {bars} bars; use 1 to {longest}"))?;
        Ok(Self(Arc::new(Mutex::new(Measuring { of: make(length), last: None }))))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Measuring) -> T) -> T {
        // No code of ours panics with the lock held; if it did, the numbers would still be numbers.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&mut self, value: f64) -> Answer {
        if value.is_nan() || value.abs() > TOO_MUCH {
            return Err(format!("push({value}): use a number between -1e12 and 1e12").into());
        }
        self.with(|measuring| {
            measuring.last = match &mut measuring.of {
                Of::Sma(sum) => sum.push(value).map(|total| total as f64 / (sum.length() as f64 * 1e6)),
                Of::Ema(ema) => ema.push(value),
                Of::Rsi(rsi) => rsi.push(value),
                Of::Atr(_) => return Err("an atr measures bars: use update(bar)".into()),
                Of::Highest(extreme) | Of::Lowest(extreme) => {
                    extreme.push(value);
                    extreme.value()
                }
                Of::Deviation(spread) => spread.push(value).map(|spread| spread.deviation),
                Of::Score(spread) => spread.push(value).map(|spread| spread.score),
                Of::Change(change) => change.push(value),
            };
            Ok(answer(measuring.last))
        })
    }

    /// A bar: its high, its low, all of it, or else its close.
    fn update(&mut self, bar: ScriptBar) -> Answer {
        let bar = bar.bar;
        let value = self.with(|measuring| match &mut measuring.of {
            Of::Atr(atr) => {
                measuring.last = atr.push(&bar);
                None
            }
            Of::Highest(_) => Some(bar.high),
            Of::Lowest(_) => Some(bar.low),
            Of::Sma(_) | Of::Ema(_) | Of::Rsi(_) | Of::Deviation(_) | Of::Score(_) | Of::Change(_) => Some(bar.close),
        });
        match value {
            Some(value) => self.push(value),
            None => Ok(self.value()),
        }
    }

    fn value(&mut self) -> Dynamic {
        answer(self.with(|measuring| measuring.last))
    }
}

/// Makes all of it known.
pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<ScriptBar>("bar")
        .register_get("open", |bar: &mut ScriptBar| bar.bar.open)
        .register_get("high", |bar: &mut ScriptBar| bar.bar.high)
        .register_get("low", |bar: &mut ScriptBar| bar.bar.low)
        .register_get("close", |bar: &mut ScriptBar| bar.bar.close)
        .register_get("volume", |bar: &mut ScriptBar| {
            let volume = bar.bar.volume.and_then(|volume| INT::try_from(volume).ok());
            volume.map_or(Dynamic::UNIT, Dynamic::from_int)
        })
        .register_get("index", |bar: &mut ScriptBar| bar.index)
        .register_get("time", |bar: &mut ScriptBar| bar.bar.time.utc().timestamp())
        .register_get("end", |bar: &mut ScriptBar| bar.bar.end.utc().timestamp());
    engine
        .register_type_with_name::<Indicator>("indicator")
        .register_fn("push", |indicator: &mut Indicator, value: FLOAT| indicator.push(value))
        .register_fn("push", |indicator: &mut Indicator, value: INT| indicator.push(value as f64))
        .register_fn("update", |indicator: &mut Indicator, bar: ScriptBar| indicator.update(bar))
        .register_get("value", |indicator: &mut Indicator| indicator.value());
    let makers: [(&str, Maker); 9] = [
        ("sma", |bars| Of::Sma(MovingSum::new(bars))),
        ("ema", |bars| Of::Ema(Ema::new(bars))),
        ("rsi", |bars| Of::Rsi(Rsi::new(bars))),
        ("atr", |bars| Of::Atr(Atr::new(bars))),
        ("highest", |bars| Of::Highest(Extreme::highest(bars))),
        ("lowest", |bars| Of::Lowest(Extreme::lowest(bars))),
        ("stddev", |bars| Of::Deviation(Deviation::new(bars))),
        ("zscore", |bars| Of::Score(Deviation::new(bars))),
        ("change", |bars| Of::Change(Change::new(bars))),
    ];
    for (name, make) in makers {
        engine.register_fn(name, move |bars: INT| Indicator::new(bars, make));
    }
}
