//! What this bench's binary is in other processes: the daemon for more symbols than the real one takes (the rest is the
//! same), a simulator without IBKR's limits, and a client that is `ibapi` and nothing else.

use std::path::Path;

use robo_trader::config::{Layers, Settings, Source};
use robo_trader::domain::progress::Progress;
use robo_trader::runner::board::Board;
use robo_trader::runner::{RunConfig, run};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::floors;
use super::live::name;
use super::world::config;

/// What they are started with.
pub const DAEMON: &str = "daemon";
pub const SIMULATOR: &str = "simulator";
pub const CLIENT: &str = "client";

/// Whether the command line asks for one of them, which then has been run to its end.
pub fn main(words: &[String]) -> bool {
    match words {
        [word, rest @ ..] if word == DAEMON => daemon(rest),
        [word, speed] if word == SIMULATOR => simulator(speed.parse().unwrap()),
        [word, address] if word == CLIENT => floors::client(address.parse().unwrap()),
        _ => return false,
    }
    true
}

/// `simulator SPEED`: says its address, and serves until it is killed.
fn simulator(speed: f64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let running = runtime.block_on(robo_trader::simulator::start(config(speed))).unwrap();
    println!("simulator listening on {}", running.address);
    runtime.block_on(running.ended());
}

/// `daemon DIR SYMBOLS NAME=VALUE...`: runs until SIGTERM.
fn daemon(words: &[String]) {
    let [dir, symbols, set @ ..] = words else { panic!("{DAEMON} DIR SYMBOLS NAME=VALUE...") };
    let mut layers = Layers::new();
    for setting in set {
        let (name, value) = setting.split_once('=').unwrap();
        layers.set(name, value, Source::Default);
    }
    let mut settings = Settings::resolve(&layers).unwrap();
    let plan = settings.symbols[0].1.clone();
    settings.symbols =
        (0..symbols.parse().unwrap()).map(|number| (name(number).parse().unwrap(), plan.clone())).collect();
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let stop = CancellationToken::new();
    let config = RunConfig {
        settings,
        state_dir: Path::new(dir).to_owned(),
        confirmed_live: false,
        once: false,
        seed: Some(1),
        progress: watch::channel(Progress::default()).0,
        stop: stop.clone(),
        board: Some(Board::new()),
        reload: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        let running = run(config);
        tokio::pin!(running);
        let (_, ended) = tokio::select! {
            ended = &mut running => ended,
            _ = terminate.recv() => {
                stop.cancel();
                running.await
            }
        };
        ended.unwrap();
    });
}
