//! A simulator on a thread of its own, with a tap at its sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use robo_trader::domain::Usd;
use robo_trader::simulator::tap::{Seen, Tap};
use robo_trader::simulator::{Act, Running, SimulatorConfig, Speed, start};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::Receiver;

/// How often what the tap has seen is taken.
const TAKE_EVERY: Duration = Duration::from_millis(20);
/// What the tap holds at most.
const TAPPED: usize = 1 << 20;

pub struct World {
    runtime: Runtime,
    running: Running,
    seen: Receiver<Seen>,
    tap: Tap,
    pub address: SocketAddr,
}

/// A synthetic market that never closes, without IBKR's limits, so many times as fast as life.
pub fn config(speed: f64) -> SimulatorConfig {
    SimulatorConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        speed: Speed::Times(speed),
        cash: Usd::of(100_000_000.into()),
        message_rate: 0,
        pacing: false,
        ..SimulatorConfig::default()
    }
}

impl World {
    /// With a tap.
    pub fn start(config: SimulatorConfig) -> Self {
        let (tap, seen) = Tap::new(TAPPED);
        Self::run(SimulatorConfig { tap: Some(tap.clone()), ..config }, tap, seen)
    }

    /// Without one: nothing is seen.
    pub fn untapped(config: SimulatorConfig) -> Self {
        let (tap, seen) = Tap::new(1);
        Self::run(config, tap, seen)
    }

    fn run(config: SimulatorConfig, tap: Tap, seen: Receiver<Seen>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let running = runtime.block_on(start(config)).unwrap();
        let address = running.address;
        Self { runtime, running, seen, tap, address }
    }

    /// Hands on what the tap has seen until now.
    pub fn take(&mut self, hear: &mut impl FnMut(Seen)) {
        while let Ok(seen) = self.seen.try_recv() {
            hear(seen);
        }
        assert_eq!(self.tap.lost(), 0, "everything that was seen was taken");
    }

    /// The same for a while.
    pub fn watch(&mut self, time: Duration, mut hear: impl FnMut(Seen)) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            std::thread::sleep(TAKE_EVERY.min(end.saturating_duration_since(Instant::now())));
            self.take(&mut hear);
        }
    }

    /// The same until something is so; says whether it was in time.
    pub fn until(&mut self, within: Duration, mut hear: impl FnMut(Seen) -> bool) -> bool {
        let (end, mut is_so) = (Instant::now() + within, false);
        while !is_so && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
            self.take(&mut |seen| is_so |= hear(seen));
        }
        is_so
    }

    /// Says a line to the simulator.
    pub fn tell(&self, line: &str) -> String {
        self.runtime.block_on(self.running.tell(line)).unwrap()
    }

    /// Something happens that no client asks for.
    pub fn act(&self, act: Act) {
        self.runtime.block_on(self.running.act(act)).unwrap();
    }

    /// Its exchange.
    pub fn exchange(&self) -> &str {
        &self.running.exchange_id
    }

    pub fn stop(self) {
        self.runtime.block_on(self.running.stop()).unwrap();
    }
}
