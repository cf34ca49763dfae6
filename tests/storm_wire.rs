//! The whole daemon against the simulator over TCP, under scenarios that a seed draws: the line, the
//! gateway, the link, the farms, orders and fills go wrong; then the weather clears, and account and
//! journal must be the same.
//!
//! `STORM_SCENARIOS=3000 cargo test --release --test storm_wire -- --nocapture` plays so many;
//! `STORM_SEED=42 cargo test --test storm_wire` plays one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use robo_trader::domain::Shares;
use robo_trader::domain::book::{Fact, FillFact, OrderFact};
use robo_trader::domain::order::OrderState;
use robo_trader::exchange::ChildRule;
use robo_trader::simulator::faults::Scenario;
use robo_trader::simulator::{Running, SimulatorConfig, Speed, Summary, start};
use support::{Daemon, Start, book, journal, settings};
use tokio::task::JoinSet;

/// Scenarios where nobody says how many.
const SCENARIOS: u64 = 100;

/// Scenarios at a time: they mostly wait.
const AT_A_TIME: usize = 8;

/// How long the weather stays bad, real time.
const STORM: Duration = Duration::from_millis(1_500);

/// How long the account may take to come to rest when the weather is clear.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lives after the storm's in which the journal has to catch up with a market that goes on.
const LOOKS: u32 = 10;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// What goes wrong, each with a moment and a length of its own.
fn scenario(random: &mut SmallRng) -> String {
    let mut text = String::new();
    for _ in 0..random.random_range(2..=6_u32) {
        let (after, lasts) = (random.random_range(0..1_200_u32), random.random_range(20..500_u32));
        let chance = f64::from(random.random_range(5..40_u32)) / 100.0;
        let timed = format!("after = \"{after}ms\"");
        let lasting = format!("{timed}\nfor = \"{lasts}ms\"");
        let shares = random.random_range(1..40_u32);
        let on = |what: &str| format!("on = \"{what}\"\nprobability = {chance}");
        let rule = match random.random_range(0..33_u32) {
            0 => format!("{timed}\nreset = {{}}"),
            1 => format!("{timed}\nreset = {{ mid_frame = true }}"),
            2 => format!("{timed}\nclose = {{}}"),
            3 => format!("{lasting}\nrefuse = {{}}"),
            4 => format!("{lasting}\naccept_close = {{}}"),
            5 => format!("{lasting}\nblackhole = {{}}"),
            6 => format!("{lasting}\nmute = {{}}"),
            7 => format!("{lasting}\nmute = {{ after_handshake = true, serves = true }}"),
            8 => format!("{lasting}\nomit = {{}}"),
            9 => format!("{lasting}\nhold_client_id = {{}}"),
            10 => format!("{lasting}\nfreeze = {{}}"),
            11 | 12 => format!("{lasting}\nrestart = {{ lose_orders = \"{shares}ms\", lower_ids = true }}"),
            13 => format!("{lasting}\nlink_loss = {{ data = \"kept\", every = \"100ms\", farms = true }}"),
            14 => format!("{lasting}\nlink_loss = {{ data = \"lost\" }}"),
            15 => format!("{lasting}\nlink_loss = {{ code = 2110 }}"),
            16 => format!("{lasting}\nfarm = {{ kind = \"market\", state = \"broken\" }}"),
            17 => format!("{lasting}\nsilence = {{}}"),
            18 => format!("{}\nduplicate = {{ copies = 2 }}", on("order-news")),
            19 => format!("{}\ndrop = {{}}", on("order-status")),
            20 => format!("{}\nreorder = {{}}", on("order-status")),
            21 => format!("{}\ndelay = {{ by = \"{lasts}ms\" }}", on("commission")),
            22 => format!("{}\ndrop = {{}}", on("open-order")),
            23 => format!("{}\nlose_answers = {{}}", on("place-order")),
            24 => format!("{}\nreject = {{}}", on("place-order")),
            25 => format!("{}\nchange_tif = {{ tif = \"DAY\" }}", on("place-order")),
            26 => format!("{}\nreset = {{}}", on("place-order")),
            27 => format!("split_writes = {{ bytes = {shares} }}\nfor = \"{lasts}ms\"\n{timed}"),
            28 => format!("{lasting}\npartial_fills = {{ shares = {shares} }}"),
            29 => format!("on = \"leave\"\nfill = {{ quantity = {shares} }}"),
            30 => format!("{timed}\nrepeat_executions = {{}}"),
            31 => format!("{timed}\nmalformed = {{}}"),
            _ => format!("{timed}\ncancel_orders = {{}}"),
        };
        write!(text, "[[rule]]\n{rule}\n\n").unwrap();
    }
    text
}

async fn gateway(random: &mut SmallRng, seed: u64) -> Running {
    let config = SimulatorConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        seed,
        speed: Speed::Times(f64::from(random.random_range(100..300_u32))),
        message_rate: 0,
        children: if random.random_bool(0.5) { ChildRule::ProRata } else { ChildRule::DieWithParent },
        slice: random.random_bool(0.3).then(|| Shares(random.random_range(5..60))),
        ..SimulatorConfig::default()
    };
    start(config).await.unwrap()
}

fn pairs(random: &mut SmallRng) -> Vec<(&'static str, &'static str)> {
    let mut pairs = vec![
        ("SYMBOLS", "AAPL,NVDA,TSLA"),
        ("STRATEGY_PARAMS", "fast=2,slow=5"),
        ("RISK_MAX_ORDERS_PER_MINUTE", "1000"),
        ("RISK_MAX_DAILY_NOTIONAL", "100000000"),
        ("RISK_MAX_SESSIONS_LOST", "1000"),
        ("RISK_MAX_REJECTS", "1000"),
        ("RISK_MAX_ORDERS", "100000"),
        ("RISK_MAX_LOSSES", "100000"),
        ("PROBE_DEADLINE", "0.4"),
        ("IBKR_TIMEOUT", "1"),
        ("DIAL_DEADLINE", "1"),
        ("BACKOFF_BASE", "0.02"),
        ("BACKOFF_CAP", "0.1"),
        ("CIRCUIT_BREAKER_TIMEOUT", "0.1"),
        ("SETTLE_TIME", "0.05"),
        ("ACK_DEADLINE", "1"),
        ("RECONCILE_INTERVAL", "1"),
        ("DATA_DURATION", "600 S"),
    ];
    if random.random_bool(0.5) {
        pairs.push(("RISK_TAKE_PROFIT_PCT", "0.002"));
    }
    if random.random_bool(0.3) {
        pairs.push(("RISK_STOP_LOSS_PCT", "0.002"));
    }
    pairs
}

/// The account when the book has heard of every fill and the desk is Ready.
async fn at_rest(daemon: &mut Daemon, running: &Running) -> Result<(), String> {
    let rest = async {
        loop {
            let fills = running.account().await.map_err(|error| error.to_string())?.fills;
            let heard =
                |p: &robo_trader::domain::progress::Progress| p.ready && p.unanswered == 0 && p.executions >= fills;
            if daemon.progress.wait_for(heard).await.is_err() {
                return Err(format!("the daemon ended by itself: {}", daemon.why().await));
            }
            if running.account().await.map_err(|error| error.to_string())?.fills == fills {
                return Ok(());
            }
        }
    };
    let waited = tokio::time::timeout(PATIENCE, rest).await;
    waited.unwrap_or_else(|_| Err("account and book do not come to rest when the weather is clear".to_owned()))
}

/// Account and journal say the same, and nothing was done twice.
fn the_same(state_dir: &Path, account: &Summary) -> Result<u64, String> {
    let (mut intents, mut executions) = (BTreeSet::new(), BTreeSet::new());
    for record in journal(state_dir) {
        match record.fact {
            Fact::Order(OrderFact::Intended { ticket, .. }) if !intents.insert(ticket.order_ref.intent) => {
                return Err(format!("{} was decided twice", ticket.order_ref));
            }
            Fact::Fill(FillFact::Executed { execution, .. }) if !executions.insert(execution.id.clone()) => {
                return Err(format!("{} was booked twice", execution.id));
            }
            _ => {}
        }
    }
    let book = book(state_dir);
    if book.counts().executions != account.fills {
        return Err(format!("the journal knows {} fills, the account {}", book.counts().executions, account.fills));
    }
    for (id, position) in book.positions() {
        let symbol = book.symbol(id).ok_or("a position without a name")?.to_string();
        let theirs = account.positions.get(&symbol).map_or(Shares::ZERO, |held| held.quantity);
        if position.quantity() != theirs {
            return Err(format!("{symbol}: the journal holds {}, the account {theirs}", position.quantity()));
        }
    }
    if book.cash() != Some(account.cash) {
        return Err(format!("cash is {:?} in the journal, {} in the account", book.cash(), account.cash));
    }
    if let Some(order) = book.orders().find(|order| order.state == OrderState::Unknown) {
        return Err(format!("{} is in doubt at the end", order.ticket.order_ref));
    }
    // What left once may reach the exchange once: more than was decided was sent twice.
    if account.orders > intents.len() as u64 {
        return Err(format!("the exchange got {} orders, {} were decided", account.orders, intents.len()));
    }
    Ok(intents.len() as u64)
}

#[derive(Debug, Default)]
struct Sum {
    orders: u64,
    fills: u64,
    sessions: u64,
}

async fn weathered(seed: u64) -> Result<Sum, String> {
    let mut random = SmallRng::seed_from_u64(seed);
    let text = scenario(&mut random);
    let running = gateway(&mut random, seed).await;
    let pairs = pairs(&mut random);
    let dir = tempfile::tempdir().unwrap();
    let told = |why: String| format!("seed {seed}: {why}\nthe scenario:\n{text}settings: {pairs:?}");
    let played = async {
        let mut daemon = Daemon::start(settings(running.address, &pairs), dir.path(), Start::default());
        running.play(Scenario::parse("storm", &text).map_err(|e| e.to_string())?).await.map_err(|e| e.to_string())?;
        tokio::time::sleep(STORM).await;
        running.clear().await.map_err(|error| error.to_string())?;
        at_rest(&mut daemon, &running).await?;
        let (_, result) = daemon.stop().await;
        result.map_err(|error| format!("the daemon ended: {error}"))?;
        // What a resting stop does between the daemon's end and the look, and what was in doubt just
        // then, is found by one more life.
        for _ in 0..LOOKS {
            let account = running.account().await.map_err(|error| error.to_string())?;
            let known = book(dir.path());
            let doubt = known.orders().any(|order| order.state == OrderState::Unknown);
            let counts = known.counts();
            if counts.executions == account.fills && counts.costed == account.fills && !doubt {
                return Ok(account);
            }
            let looks: Vec<_> = pairs.iter().copied().chain([("EXECUTION_MODE", "observe")]).collect();
            let mut daemon = Daemon::start(settings(running.address, &looks), dir.path(), Start::default());
            at_rest(&mut daemon, &running).await?;
            daemon.stop().await.1.map_err(|error| format!("the daemon ended: {error}"))?;
        }
        Err(format!("in {LOOKS} lives the journal has not caught up with the account"))
    };
    let played = played.await;
    running.stop().await.map_err(|error| told(format!("the simulator failed: {error}")))?;
    let account = played.map_err(told)?;
    let orders = the_same(dir.path(), &account).map_err(told)?;
    Ok(Sum { orders, fills: account.fills, sessions: book(dir.path()).counts().sessions })
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_weather_clears_account_and_journal_are_the_same() {
    let (first, count) = match number("STORM_SEED") {
        Some(seed) => (seed, 1),
        None => (number("STORM_FIRST").unwrap_or(1), number("STORM_SCENARIOS").unwrap_or(SCENARIOS)),
    };
    let mut storms = JoinSet::new();
    let (mut sum, mut failed, mut next) = (Sum::default(), Vec::new(), first);
    loop {
        // Never more of them than have a place, so that thousands need no more room than a few.
        while next < first + count && failed.is_empty() && storms.len() < AT_A_TIME {
            storms.spawn(weathered(next));
            next += 1;
        }
        match storms.join_next().await {
            Some(Ok(Ok(one))) => {
                sum.orders += one.orders;
                sum.fills += one.fills;
                sum.sessions += one.sessions;
            }
            Some(Ok(Err(why))) => failed.push(why),
            Some(Err(panic)) => failed.push(format!("it panicked: {panic}")),
            None => break,
        }
    }
    assert!(failed.is_empty(), "{}\n\nagain: STORM_SEED=<seed> cargo test --test storm_wire", failed.join("\n\n"));
    println!("{count} scenarios from seed {first}: {sum:?}");
}
