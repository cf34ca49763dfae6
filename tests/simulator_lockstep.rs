//! The embedded simulator in lock-step: a small daemon decides on every bar, at any speed, and the
//! market never runs ahead of it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod simulator_support;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use ibapi::contracts::Contract;
use ibapi::market_data::historical::{BarSize, BarTimestamp, HistoricalBarUpdate, ToDuration};
use ibapi::orders::{Action, Order, OrderUpdate, order_builder};
use ibapi::prelude::SubscriptionItem;
use robo_trader::domain::progress::Progress;
use robo_trader::domain::{MarketTime, Symbol};
use robo_trader::simulator::{SimulatorConfig, Speed, Summary, start};
use simulator_support::{PATIENCE, ibapi, replay, write_minutes};
use tokio::sync::watch;
use tokio::time::timeout;

/// Buys 10 at the end of every even minute and sells them at the end of every odd one, of each
/// symbol; returns the fills as text, and the account.
async fn play(dir: &Path, symbols: &[&str]) -> (Vec<String>, Summary) {
    let (progress, seen) = watch::channel(Progress::default());
    let names: Vec<Symbol> = symbols.iter().map(|name| name.parse().unwrap()).collect();
    let config = SimulatorConfig { speed: Speed::Max, symbols: names, progress: Some(seen), ..replay(dir) };
    let running = start(config).await.unwrap();
    let client = ibapi(&running, 7).await;
    let mut finished = running.tape_finished();
    let mut orders = client.order_update_stream().await.unwrap();
    progress.send_modify(|p| p.ready = true);
    let mut bars = futures::stream::SelectAll::new();
    for name in symbols {
        let contract = Contract::stock(*name).build();
        let stream = client.historical_data(&contract, BarSize::Min).duration(1.days()).stream().await.unwrap();
        bars.push(stream.map(move |item| (*name, item)).boxed());
    }
    let mut daemon = Daemon {
        client: &client,
        progress: &progress,
        next_id: 1,
        answered: BTreeSet::new(),
        open: Vec::new(),
        fills: Vec::new(),
    };
    let mut poll = tokio::time::interval(Duration::from_millis(5));
    let playing = async {
        loop {
            tokio::select! {
                biased;
                Some(update) = orders.next() => daemon.order(update.unwrap()),
                Some((name, item)) = bars.next() => daemon.update(name, item).await,
                _ = finished.wait_for(|over| *over) => break,
                // The last bar has no successor: broker time tells its end.
                _ = poll.tick() => {
                    let now = client.server_time_millis().await.unwrap().unix_timestamp();
                    // What was sent before the time counts before it.
                    while let Some(Some((name, item))) = bars.next().now_or_never() {
                        daemon.update(name, item).await;
                    }
                    daemon.time(now).await;
                }
            }
        }
    };
    timeout(6 * PATIENCE, playing).await.unwrap();
    let fills = daemon.fills;
    client.disconnect().await;
    (fills, running.stop().await.unwrap())
}

struct Daemon<'a> {
    client: &'a ibapi::Client,
    progress: &'a watch::Sender<Progress>,
    next_id: i32,
    answered: BTreeSet<i32>,
    /// The bar that is forming, by symbol.
    open: Vec<(&'static str, i64)>,
    fills: Vec<String>,
}

impl Daemon<'_> {
    async fn update(&mut self, name: &str, item: Result<SubscriptionItem<HistoricalBarUpdate>, ibapi::Error>) {
        if let Ok(SubscriptionItem::Data(HistoricalBarUpdate::Update(bar))) = item {
            let BarTimestamp::DateTime(at) = bar.date else { panic!("a daily bar") };
            self.bar(name, at.unix_timestamp()).await;
        }
    }

    async fn bar(&mut self, name: &str, at: i64) {
        let known = self.open.iter().position(|(symbol, _)| *symbol == name);
        let before = known.map(|place| self.open.swap_remove(place));
        let name: &'static str = String::from(name).leak();
        self.open.push((name, at));
        if let Some((_, before)) = before.filter(|(_, before)| *before < at) {
            self.decide(name, before).await;
        }
    }

    async fn time(&mut self, now: i64) {
        self.progress.send_modify(|p| p.time = MarketTime::from_secs(now));
        let mut over: Vec<(&'static str, i64)> = self.open.iter().copied().filter(|(_, at)| now >= at + 62).collect();
        over.sort_unstable();
        self.open.retain(|(_, at)| now < at + 62);
        for (name, at) in over {
            self.decide(name, at).await;
        }
    }

    async fn decide(&mut self, name: &str, bar: i64) {
        let action = if (bar / 60) % 2 == 0 { Action::Buy } else { Action::Sell };
        let order = Order {
            order_ref: format!("rt-test-{}", self.next_id),
            transmit: true,
            ..order_builder::market_order(action, 10.0)
        };
        self.progress.send_modify(|p| {
            p.decided.insert(name.parse().unwrap(), MarketTime::from_secs(bar + 60));
            p.unanswered += 1;
        });
        self.client.submit_order(self.next_id, &Contract::stock(name).build(), &order).await.unwrap();
        self.next_id += 1;
    }

    fn order(&mut self, update: SubscriptionItem<OrderUpdate>) {
        match update {
            SubscriptionItem::Data(OrderUpdate::OpenOrder(open)) => {
                let is_new = self.answered.insert(open.order_id);
                self.progress.send_modify(|p| match open.order_state.status.to_string().as_str() {
                    // Decided at the close: it waits for the next session, and then is told of again.
                    "Submitted" | "PreSubmitted" => {
                        p.unanswered -= u64::from(is_new);
                        p.working += u64::from(is_new);
                    }
                    "Filled" => p.working -= 1,
                    other => panic!("{other}"),
                })
            }
            SubscriptionItem::Data(OrderUpdate::ExecutionData(data)) => {
                let fill = data.execution;
                self.fills.push(format!(
                    "{} {} {} at {} {}",
                    data.contract.symbol, fill.side, fill.shares, fill.price, fill.time
                ));
                self.progress.send_modify(|p| p.executions += 1);
            }
            SubscriptionItem::Data(OrderUpdate::CommissionReport(_)) => {
                self.progress.send_modify(|p| p.commissions += 1)
            }
            SubscriptionItem::Data(_) => {}
            SubscriptionItem::Notice(notice) => assert_eq!(notice.code, 399, "only that it waits: {notice:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_full_speed_every_order_fills_at_the_next_open_and_two_runs_agree() {
    let dir = tempfile::tempdir().unwrap();
    let closes = |base: f64| (0..30).map(|n| base + f64::from(n)).collect::<Vec<_>>();
    write_minutes(dir.path(), "AAA", &closes(100.0));
    write_minutes(dir.path(), "BBB", &closes(200.0));
    let (fills, account) = play(dir.path(), &["AAA", "BBB"]).await;
    // 30 bars; the order decided on the last one never meets another open.
    assert_eq!(fills.len(), 2 * 29, "{fills:#?}");
    for (n, pair) in fills.chunks(2).enumerate() {
        let side = if n % 2 == 0 { "BOT" } else { "SLD" };
        // Bar n+1 opens at the close of bar n.
        let n = f64::from(u32::try_from(n).unwrap());
        assert!(pair[0].starts_with(&format!("AAA {side} 10 at {}", 100.0 + n)), "{pair:?}");
        assert!(pair[1].starts_with(&format!("BBB {side} 10 at {}", 200.0 + n)), "{pair:?}");
    }
    assert_eq!(account.fills, 58);
    assert_eq!(account.working, 2);
    let (again, other) = play(dir.path(), &["AAA", "BBB"]).await;
    assert_eq!(again, fills);
    assert_eq!(Summary { exchange: account.exchange.clone(), ..other }, account);
}

/// Six real days with their gaps and nights, where the data is at hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_days_are_played_whole_and_the_same_every_time() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !dir.exists() {
        println!("skipped: no real data beside the repository");
        return;
    }
    let (fills, account) = play(&dir, &["BAC", "SPY"]).await;
    assert!(fills.len() > 4_000, "{} fills", fills.len());
    let (again, other) = play(&dir, &["BAC", "SPY"]).await;
    let place = fills.iter().zip(&again).position(|(one, two)| one != two);
    assert_eq!(place, None, "the runs part at {:?}", place.map(|n| (&fills[n], &again[n])));
    assert_eq!(Summary { exchange: account.exchange.clone(), ..other }, account);
}

#[tokio::test]
async fn full_speed_needs_someone_to_keep_step_with() {
    let config = SimulatorConfig { speed: Speed::Max, ..simulator_support::config() };
    let error = start(config).await.unwrap_err().to_string();
    assert!(error.contains("--speed max"), "{error}");
}
