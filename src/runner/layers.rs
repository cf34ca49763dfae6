//! Health by layers: socket, API, TWS's link to IBKR, each data farm, each symbol's bars. Every
//! layer has a state, since when, and what it blocks; a layer that goes down or comes back is an
//! incident with the time that it took to notice and to recover.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::calendar::ExpectedWindows;
use crate::clock::wall_now;
use crate::desk::Event;
use crate::domain::book::IncidentFact;
use crate::domain::{MarketTime, Symbol, Window};
use crate::robust_connection::{ConnectionState, Phase};

/// Time between two looks at whether an expected outage has ended with something still down.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A layer's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The TCP connection and its handshake.
    Socket,
    /// The gateway answers requests.
    Api,
    /// TWS's link to IBKR's servers.
    Link,
    /// A data farm: what it serves, and its name.
    Farm(String),
    /// A symbol's bars.
    Bars(Symbol),
}

impl Layer {
    fn name(&self) -> String {
        match self {
            Self::Socket => "socket".to_owned(),
            Self::Api => "api".to_owned(),
            Self::Link => "link".to_owned(),
            Self::Farm(name) => format!("farm {name}"),
            Self::Bars(symbol) => format!("bars {symbol}"),
        }
    }

    /// The stem of its incidents' names.
    fn word(&self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Api => "api",
            Self::Link => "link",
            Self::Farm(_) => "farm",
            Self::Bars(_) => "bars",
        }
    }

    /// What it blocks while it is down.
    fn blocks(&self) -> String {
        match self {
            Self::Socket | Self::Api => "everything: no order leaves, no bar comes".to_owned(),
            Self::Link => "orders; fills that come are still booked".to_owned(),
            Self::Farm(_) => "bars that go through it, hence entries on them".to_owned(),
            Self::Bars(symbol) => format!("entries in {symbol}: its price is old"),
        }
    }
}

#[derive(Debug, Clone)]
struct State {
    /// Why it is down; `None` while it is up.
    down: Option<String>,
    /// It is down because it waits for its turn: no fault, and no incident.
    waits: bool,
    since: MarketTime,
    alive: Instant,
}

impl State {
    /// Up, since now.
    fn new(now: Instant) -> Self {
        Self { down: None, waits: false, since: wall_now(), alive: now }
    }
}

/// One layer, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LayerView {
    /// Its name.
    pub layer: String,
    /// Whether it is up.
    pub up: bool,
    /// Since when, by this machine's clock.
    pub since: MarketTime,
    /// Why it is down.
    pub why: Option<String>,
    /// What it blocks while it is down.
    pub blocks: Option<String>,
}

/// All layers. Clones share them.
#[derive(Debug, Clone)]
pub struct Layers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    states: Mutex<BTreeMap<Layer, State>>,
    expected: ExpectedWindows,
    /// The windows mean nothing now: IBKR's own ones, with something else at the other end.
    ignored: AtomicBool,
    desk: Mutex<Option<mpsc::Sender<Event>>>,
}

impl Layers {
    /// No layer known yet.
    pub fn new(expected: ExpectedWindows) -> Self {
        let (states, desk) = (Mutex::default(), Mutex::default());
        Self { inner: Arc::new(Inner { states, expected, ignored: AtomicBool::new(false), desk }) }
    }

    /// Incidents become facts there from now on; `None` lets go of the desk.
    pub fn report_to(&self, desk: Option<mpsc::Sender<Event>>) {
        *self.inner.desk.lock().unwrap_or_else(PoisonError::into_inner) = desk;
    }

    /// Says whether the expected outages mean nothing at the other end.
    pub fn ignore_outages(&self, ignored: bool) {
        self.inner.ignored.store(ignored, Ordering::Relaxed);
    }

    /// The expected outage at `now`, by this machine's clock.
    pub fn outage(&self, now: MarketTime) -> Option<(&str, Window)> {
        let ignored = self.inner.ignored.load(Ordering::Relaxed);
        self.inner.expected.active(now).filter(|_| !ignored)
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<Layer, State>> {
        // Nothing panics while it is held.
        self.inner.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A layer shows that it is up.
    pub fn up(&self, layer: Layer) {
        let now = Instant::now();
        let recovered = {
            let mut states = self.states();
            let state = states.entry(layer.clone()).or_insert_with(|| State::new(now));
            let away = now - std::mem::replace(&mut state.alive, now);
            let down = state.down.take().inspect(|_| state.since = wall_now());
            down.filter(|_| !std::mem::take(&mut state.waits)).map(|why| (why, away))
        };
        if let Some((why, away)) = recovered {
            let name = layer.name();
            info!(layer = %name, away_s = away.as_secs_f64(), "up again; it was down: {why}");
            let text = format!("{name} is up again after {:.1} s; it was down: {why}", away.as_secs_f64());
            self.incident(IncidentFact {
                recover_ms: Some(millis(away)),
                ..IncidentFact::new(format!("{}_up", layer.word()), text)
            });
        }
    }

    /// A layer is found down.
    pub fn down(&self, layer: Layer, why: &str) {
        let now = Instant::now();
        let unnoticed = {
            let mut states = self.states();
            let state = states.entry(layer.clone()).or_insert_with(|| State::new(now));
            if state.down.replace(why.to_owned()).is_some() && !std::mem::take(&mut state.waits) {
                return;
            }
            state.since = wall_now();
            now - state.alive
        };
        let (name, blocks) = (layer.name(), layer.blocks());
        let detect_s = unnoticed.as_secs_f64();
        match self.outage(wall_now()) {
            Some((window, until)) => {
                info!(layer = %name, detect_s, outage = window, until = %until.close, "down, as expected: {why}");
            }
            None => warn!(layer = %name, detect_s, blocks, "down: {why}"),
        }
        let text = format!("{name} is down ({why}), noticed after {detect_s:.1} s; it blocks {blocks}");
        self.incident(IncidentFact {
            detect_ms: Some(millis(unnoticed)),
            ..IncidentFact::new(format!("{}_down", layer.word()), text)
        });
    }

    /// Bars that wait for their turn, and until when by this machine's clock: down by name, but no fault. Those that wait
    /// no more are unknown until they come.
    pub fn wait(&self, waiting: &BTreeMap<Symbol, MarketTime>) {
        let (mut states, now) = (self.states(), Instant::now());
        let still = |layer: &Layer| matches!(layer, Layer::Bars(symbol) if waiting.contains_key(symbol));
        states.retain(|layer, state| !state.waits || still(layer));
        for (symbol, until) in waiting {
            let state = states.entry(Layer::Bars(*symbol)).or_insert_with(|| State::new(now));
            if state.down.is_none() || state.waits {
                let why = format!("it waits until {until} to be subscribed: IBKR lets 60 symbols begin in ten minutes");
                (state.down, state.waits) = (Some(why), true);
            }
        }
    }

    /// What is down and should not be.
    fn faults(&self) -> Vec<String> {
        let states = self.states();
        states.iter().filter(|(_, state)| state.down.is_some() && !state.waits).map(|(layer, _)| layer.name()).collect()
    }

    /// Forgets a layer that only a session knew: the next one says anew.
    pub fn forget(&self, wanted: impl Fn(&Layer) -> bool) {
        self.states().retain(|layer, _| !wanted(layer));
    }

    /// Every layer, in order.
    pub fn view(&self) -> Vec<LayerView> {
        let line = |(layer, state): (&Layer, &State)| LayerView {
            layer: layer.name(),
            up: state.down.is_none(),
            since: state.since,
            why: state.down.clone(),
            blocks: state.down.as_ref().map(|_| layer.blocks()),
        };
        self.states().iter().map(line).collect()
    }

    /// Something went wrong that is no layer: it becomes a fact where there is a desk.
    pub fn report(&self, incident: IncidentFact) {
        self.incident(incident);
    }

    fn incident(&self, incident: IncidentFact) {
        let desk = self.inner.desk.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(desk) = desk else { return };
        // The log has it in any case: a desk that is too busy (or gone) loses only the journal's copy.
        if let Err(error) = desk.try_send(Event::Incident(incident)) {
            debug!(%error, "an incident was not journaled");
        }
    }

    /// Follows the connection's state for ever.
    pub async fn follow(self, mut connection: watch::Receiver<ConnectionState>) {
        loop {
            let phase = connection.borrow_and_update().phase.clone();
            match phase {
                Phase::Held => self.up(Layer::Socket),
                Phase::Lost { why, .. } => self.down(Layer::Socket, &why),
                Phase::BackingOff { error, .. } | Phase::Failed { error } => self.down(Layer::Socket, &error),
                Phase::Idle | Phase::Dialing { .. } | Phase::Open { .. } | Phase::Connected => {}
            }
            if connection.changed().await.is_err() {
                return;
            }
        }
    }

    /// Raises its voice when an expected outage has ended and something is still down; for ever.
    pub async fn escalate(self) {
        let mut overrun = Overrun::default();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let outage = self.outage(wall_now()).map(|(name, _)| name.to_owned());
            let down = self.faults();
            if let Some(name) = overrun.ended(outage) {
                if down.is_empty() {
                    info!(outage = %name, "the expected outage is over, everything is up");
                    continue;
                }
                let still = down.join(", ");
                error!(outage = %name, still_down = %still, "the expected outage is over and not everything is back: a human has to look");
                let text = format!("the expected outage {name} is over and still down: {still}");
                self.incident(IncidentFact::new("outage_overrun", text));
            }
        }
    }
}

/// Tells the end of an outage once.
#[derive(Debug, Default)]
struct Overrun {
    inside: Option<String>,
}

impl Overrun {
    /// The outage that has ended since the last look.
    fn ended(&mut self, now_inside: Option<String>) -> Option<String> {
        let before = std::mem::replace(&mut self.inside, now_inside);
        before.filter(|before| self.inside.as_ref() != Some(before))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_incident_tells_how_long_it_took_to_notice_and_to_recover() {
        let layers = Layers::new(ExpectedWindows::default());
        let (desk, mut events) = mpsc::channel(8);
        layers.report_to(Some(desk));
        layers.up(Layer::Api);
        tokio::time::advance(Duration::from_secs(7)).await;
        layers.down(Layer::Api, "no answer");
        layers.down(Layer::Api, "no answer still");
        tokio::time::advance(Duration::from_secs(3)).await;
        layers.up(Layer::Api);
        layers.report_to(None);
        let mut told = Vec::new();
        while let Some(event) = events.recv().await {
            let Event::Incident(incident) = event else { panic!("{event:?}") };
            told.push((incident.name, incident.detect_ms, incident.recover_ms));
        }
        assert_eq!(told, [("api_down".into(), Some(7_000), None), ("api_up".into(), None, Some(10_000))]);
        assert!(layers.view().iter().all(|line| line.up && line.blocks.is_none()));
    }

    #[test]
    fn what_is_down_says_what_it_blocks_and_a_session_s_layers_can_be_forgotten() {
        let layers = Layers::new(ExpectedWindows::default());
        layers.down(Layer::Farm("usfarm".into()), "2103");
        layers.down(Layer::Bars("AAPL".parse().unwrap()), "silent");
        let lines: Vec<(String, bool)> = layers.view().into_iter().map(|line| (line.layer, line.up)).collect();
        assert_eq!(lines, [("farm usfarm".to_owned(), false), ("bars AAPL".to_owned(), false)]);
        assert!(layers.view()[1].blocks.as_ref().unwrap().contains("entries in AAPL"));
        layers.forget(|layer| matches!(layer, Layer::Farm(_)));
        assert_eq!(layers.view().len(), 1);
    }

    #[tokio::test]
    async fn bars_that_wait_for_their_turn_are_named_and_are_no_fault() {
        let layers = Layers::new(ExpectedWindows::default());
        let (desk, mut events) = mpsc::channel(8);
        layers.report_to(Some(desk));
        let symbol = |name: &str| -> Symbol { name.parse().unwrap() };
        let until = MarketTime::from_secs(1_800_000_000);
        layers.down(Layer::Bars(symbol("CCC")), "silent");
        let waiting = |names: &[&str]| names.iter().map(|name| (symbol(name), until)).collect();
        layers.wait(&waiting(&["AAA", "BBB", "CCC"]));
        let told = |layers: &Layers| -> Vec<(String, String)> {
            let down = layers.view().into_iter().filter(|line| !line.up);
            down.map(|line| (line.layer, line.why.unwrap())).collect()
        };
        let (names, whys): (Vec<_>, Vec<_>) = told(&layers).into_iter().unzip();
        assert_eq!((names.join(" "), layers.faults()), ("bars AAA bars BBB bars CCC".into(), vec!["bars CCC".into()]));
        assert!(whys[0].contains("until 2027-01-15T08:00:00Z") && whys[2] == "silent", "{whys:?}");
        // One comes, one is subscribed and not heard of yet.
        layers.up(Layer::Bars(symbol("AAA")));
        layers.wait(&waiting(&[]));
        assert_eq!(told(&layers), [("bars CCC".to_owned(), "silent".to_owned())]);
        // A wait that ends in a fault is one.
        layers.wait(&waiting(&["BBB"]));
        layers.down(Layer::Bars(symbol("BBB")), "refused");
        assert_eq!(layers.faults(), ["bars BBB", "bars CCC"]);
        layers.report_to(None);
        let mut incidents = Vec::new();
        while let Some(event) = events.recv().await {
            let Event::Incident(incident) = event else { panic!("{event:?}") };
            incidents.push(incident.name);
        }
        assert_eq!(incidents, ["bars_down", "bars_down"]);
    }

    #[test]
    fn the_end_of_an_outage_is_told_once() {
        let mut overrun = Overrun::default();
        let inside = |name: &str| Some(name.to_owned());
        assert_eq!(overrun.ended(inside("reset")), None);
        assert_eq!(overrun.ended(inside("reset")), None);
        assert_eq!(overrun.ended(None).as_deref(), Some("reset"));
        assert_eq!(overrun.ended(None), None);
    }

    #[test]
    fn ibkrs_windows_mean_nothing_on_a_simulator() {
        let layers = Layers::new("America/New_York daily 00:00-23:59 always".parse().unwrap());
        let noon = MarketTime::from_secs(1_780_675_200);
        assert!(layers.outage(noon).is_some());
        layers.ignore_outages(true);
        assert!(layers.outage(noon).is_none());
    }
}
