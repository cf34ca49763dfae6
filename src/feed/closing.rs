//! When a bar is closed: a later bar has appeared, or broker time has passed its end by two
//! seconds. Only then does a strategy see it.

use std::time::Duration;

use crate::calendar::Calendar;
use crate::domain::{Bar, BarFault, BarSize, MarketTime};

/// How far broker time must be past a bar's end where no later bar proves that it closed.
const PAST_END: Duration = Duration::from_secs(2);

/// Turns a series of forming and finished bars into closed ones: strictly ordered, each once.
#[derive(Debug, Default)]
pub struct Closing {
    last: Option<MarketTime>,
    forming: Option<Bar>,
    end: Option<MarketTime>,
    refused: u64,
}

impl Closing {
    /// Takes the newest state of a bar; the bar that this one proves closed, if any.
    ///
    /// # Errors
    /// The bar is refused (and counted): it is not consistent, or older than what is forming.
    pub fn offer(&mut self, bar: Bar) -> Result<Option<Bar>, BarFault> {
        if self.last.is_some_and(|last| bar.time <= last) {
            // History overlaps what was seen, and late updates repeat a closed bar: old news.
            return Ok(None);
        }
        let previous = self.forming.map(|forming| forming.time).filter(|time| *time != bar.time);
        if let Err(fault) = bar.check(previous) {
            self.refused += 1;
            return Err(fault);
        }
        self.end = self.end.max(Some(bar.end));
        let closed = self.forming.replace(bar).filter(|forming| forming.time < bar.time);
        if let Some(closed) = closed {
            self.last = Some(closed.time);
        }
        Ok(closed)
    }

    /// Broker time passed; the bar that this proves closed, if any.
    pub fn elapse(&mut self, now: MarketTime) -> Option<Bar> {
        let closed = self.forming.filter(|forming| now >= forming.end + PAST_END)?;
        self.forming = None;
        self.last = Some(closed.time);
        Some(closed)
    }

    /// Open instant of the last closed bar.
    pub fn last(&self) -> Option<MarketTime> {
        self.last
    }

    /// End of the newest bar seen, closed or forming.
    pub fn end(&self) -> Option<MarketTime> {
        self.end
    }

    /// The bar being formed.
    pub fn forming(&self) -> Option<&Bar> {
        self.forming.as_ref()
    }

    /// Forgets the bar being formed: a new subscription tells it anew.
    pub fn interrupted(&mut self) {
        self.forming = None;
    }

    /// Bars refused so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// Builds bars of a size from smaller ones, aligned to the exchange's wall clock.
#[derive(Debug)]
pub struct Aggregating {
    calendar: Calendar,
    size: BarSize,
    forming: Option<Bar>,
}

impl Aggregating {
    /// Nothing yet.
    pub fn new(calendar: Calendar, size: BarSize) -> Self {
        Self { calendar, size, forming: None }
    }

    /// Takes a smaller bar in; the bigger one as it is so far.
    pub fn push(&mut self, small: &Bar) -> Bar {
        let window = self.calendar.bar_window(small.time, self.size);
        let grown = match self.forming.filter(|forming| forming.time == window.open) {
            Some(forming) => Bar {
                high: forming.high.max(small.high),
                low: forming.low.min(small.low),
                close: small.close,
                volume: forming.volume.zip(small.volume).map(|(a, b)| a.saturating_add(b)),
                ..forming
            },
            None => Bar { time: window.open, end: window.close, ..*small },
        };
        self.forming = Some(grown);
        grown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(minute: i64, close: f64) -> Bar {
        let time = MarketTime::from_secs(minute * 60);
        Bar { time, end: time + Duration::from_secs(60), open: 10.0, high: 12.0, low: 9.0, close, volume: Some(1) }
    }

    #[test]
    fn a_bar_closes_when_the_next_appears_or_its_time_is_over() {
        let mut closing = Closing::default();
        assert_eq!(closing.offer(bar(0, 10.0)), Ok(None));
        assert_eq!(closing.offer(bar(0, 11.0)), Ok(None));
        assert_eq!(closing.offer(bar(1, 10.5)), Ok(Some(bar(0, 11.0))));
        assert_eq!(closing.elapse(MarketTime::from_secs(121)), None);
        assert_eq!(closing.elapse(MarketTime::from_secs(122)), Some(bar(1, 10.5)));
        assert_eq!(closing.elapse(MarketTime::from_secs(500)), None);
    }

    #[test]
    fn history_after_a_gap_neither_repeats_nor_skips() {
        let mut closing = Closing::default();
        let mut closed = Vec::new();
        for minute in [0, 1, 2] {
            closed.extend(closing.offer(bar(minute, 10.0)).unwrap());
        }
        closing.interrupted();
        assert_eq!(closing.end(), Some(MarketTime::from_secs(180)), "what was seen stays known");
        for minute in [0, 1, 2, 3, 4] {
            closed.extend(closing.offer(bar(minute, 10.0)).unwrap());
        }
        let minutes: Vec<i64> = closed.iter().map(|bar| bar.time.secs() / 60).collect();
        assert_eq!(minutes, [0, 1, 2, 3]);
    }

    #[test]
    fn bad_bars_are_refused_and_counted() {
        let mut closing = Closing::default();
        closing.offer(bar(5, 10.0)).unwrap();
        assert!(closing.offer(bar(4, 10.0)).is_err());
        assert!(closing.offer(Bar { close: f64::NAN, ..bar(6, 10.0) }).is_err());
        assert!(closing.offer(Bar { low: 10.5, ..bar(6, 10.0) }).is_err());
        assert_eq!(closing.refused(), 3);
    }

    #[test]
    fn small_bars_grow_into_big_ones() {
        let mut five = Aggregating::new(Calendar::Always, BarSize::Mins5);
        let grown: Vec<Bar> = (0..7).map(|minute| five.push(&bar(minute, 10.0 + minute as f64 / 10.0))).collect();
        assert_eq!((grown[4].time.secs(), grown[4].end.secs(), grown[4].volume), (0, 300, Some(5)));
        assert_eq!((grown[6].time.secs(), grown[6].volume, grown[6].close), (300, Some(2), 10.6));
    }
}
