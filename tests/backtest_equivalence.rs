//! The daemon on the simulator and the backtest are one machine: the same bars, strategy and seed
//! give the same orders, fills, fees and ledger.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use robo_trader::backtest::data::Wanted;
use robo_trader::backtest::{Listener, Played, Setup, run};
use robo_trader::domain::book::{Fact, FillFact, OrderFact, OrderRecord, Record};
use robo_trader::domain::broker::AccountId;
use robo_trader::domain::{BarSize, MarketTime};
use robo_trader::exchange::{Config, Friction};
use robo_trader::simulator::SimulatorConfig;
use robo_trader::strategy::build;
use support::{book, journal, replayed_by, settings, write_waves};

const MINUTES: [(&str, &str); 3] = [("DATA_BAR_SIZE", "1 min"), ("DATA_DURATION", "1 D"), ("CALENDAR", "XNYS")];

/// Orders, fills and costs, in their order.
fn story(records: &[Record]) -> Vec<String> {
    let line = |record: &Record| match &record.fact {
        Fact::Order(OrderFact::Intended { ticket, .. }) => Some(format!("order {ticket:?}")),
        Fact::Order(OrderFact::Amended { ticket, .. }) => Some(format!("amended {ticket:?}")),
        Fact::Fill(FillFact::Executed { intent, execution }) => Some(format!(
            "fill of {intent} {} {} {} at {}",
            execution.at, execution.side, execution.quantity, execution.price
        )),
        Fact::Fill(FillFact::Costed { commission }) => Some(format!("cost {}", commission.amount)),
        _ => None,
    };
    records.iter().filter_map(line).collect()
}

/// What a backtest tells while it runs.
#[derive(Default)]
struct Told {
    records: Vec<Record>,
    orders: Vec<OrderRecord>,
}

impl Listener for Told {
    fn fact(&mut self, record: &Record) {
        self.records.push(record.clone());
    }

    fn order(&mut self, order: &OrderRecord) {
        self.orders.push(order.clone());
    }
}

/// The same bars by the backtest.
fn backtested(data: &Path, pairs: &[(&str, &str)], exchange: Config) -> (Played, Vec<Record>) {
    let (played, told) = told(data, pairs, exchange, false);
    (played, told.records)
}

fn told(data: &Path, pairs: &[(&str, &str)], exchange: Config, forgets: bool) -> (Played, Told) {
    let settings = settings(SocketAddr::from(([127, 0, 0, 1], 1)), pairs);
    let wanted = Wanted {
        paths: vec![data.to_path_buf()],
        symbols: settings.symbols.iter().map(|(symbol, _)| *symbol).collect(),
        size: Some(settings.bar_size),
        // The tape is of minutes: they are played inside of what is bigger.
        intrabar: (settings.bar_size > BarSize::Min1).then(|| data.to_path_buf()).into_iter().collect(),
        from: None,
        to: None,
        calendar: settings.calendar,
        jumps: Default::default(),
    };
    let setup = Setup {
        plan: settings.plan(AccountId("".into())),
        exchange: Config { allow_short: settings.limits.allow_short, ..exchange },
        cash: settings.default_cash,
        seed: 7,
        trade_from: MarketTime::MIN,
        forgets,
        charts: false,
        described: Vec::new(),
        warnings: Vec::new(),
    };
    let strategies: BTreeMap<_, _> =
        settings.symbols.iter().map(|(symbol, plan)| (*symbol, build(&plan.strategy, &plan.params).unwrap())).collect();
    let mut told = Told::default();
    let played = run(&setup, &wanted.load().unwrap(), strategies, &mut told);
    (played, told)
}

/// Plays the same both ways and compares; at least so many fills.
async fn same(data: &Path, pairs: &[(&'static str, &'static str)], rules: SimulatorConfig, fills: u64) {
    let pairs: Vec<_> = MINUTES.iter().chain(pairs).copied().collect();
    let dir = tempfile::tempdir().unwrap();
    let exchange = Config {
        children: rules.children,
        slice: rules.slice,
        friction: rules.friction,
        commission: rules.commission,
        ..Config::default()
    };
    let (summary, account) = replayed_by(data, dir.path(), true, &pairs, rules).await;
    let (played, records) = backtested(data, &pairs, exchange);
    let daemon = book(dir.path());
    assert!(summary.fills >= fills, "only {} fills", summary.fills);
    let (live, past) = (story(&journal(dir.path())), story(&records));
    for (index, (live, past)) in live.iter().zip(&past).enumerate() {
        assert_eq!(live, past, "line {index}; the daemon's is on the left");
    }
    assert_eq!(live.len(), past.len(), "the daemon's lines and the backtest's");
    let past = played.desk.book();
    assert_eq!((daemon.cash(), daemon.fees(), daemon.realized()), (past.cash(), past.fees(), past.realized()));
    let held = |book: &robo_trader::domain::book::Book| {
        book.positions().map(|(id, position)| (id, position.quantity(), position.cost())).collect::<Vec<_>>()
    };
    assert_eq!(held(&daemon), held(past));
    assert_eq!((account.cash, account.commissions), (past.cash().unwrap(), past.fees()));
    assert_eq!(played.outcome.final_equity, account.equity);
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_days_with_stops() {
    let data = tempfile::tempdir().unwrap();
    write_waves(data.path(), "AAA", &[3, 4], 50.0, 9.0);
    write_waves(data.path(), "BBB", &[3, 4], 20.0, 7.0);
    let pairs = [("SYMBOLS", "AAA,BBB"), ("RISK_STOP_LOSS_PCT", "0.01")];
    same(data.path(), &pairs, SimulatorConfig::default(), 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn brackets_with_take_profit_and_shorts() {
    let data = tempfile::tempdir().unwrap();
    write_waves(data.path(), "AAA", &[3, 4], 50.0, 9.0);
    let pairs = [
        ("SYMBOLS", "AAA"),
        ("EXECUTION_SHORT_SELLING", "yes"),
        ("STRATEGY_PARAMS", "short=yes"),
        ("RISK_STOP_LOSS_PCT", "0.006"),
        ("RISK_TAKE_PROFIT_PCT", "0.004"),
        ("ORDER_STYLE", "limit"),
    ];
    same(data.path(), &pairs, SimulatorConfig::default(), 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trailing_stops_slippage_and_days_that_end_flat() {
    let data = tempfile::tempdir().unwrap();
    write_waves(data.path(), "AAA", &[3, 4], 50.0, 9.0);
    write_waves(data.path(), "BBB", &[3, 4], 20.0, 7.0);
    let pairs = [
        ("SYMBOLS", "AAA,BBB"),
        ("RISK_STOP", "trailing"),
        ("RISK_TRAILING_STOP_PCT", "0.004"),
        ("FLAT_BY_CLOSE", "10"),
        ("NO_ENTRY_AFTER_OPEN", "15"),
    ];
    let friction = Friction { slippage_bps: 3.into(), spread_bps: 2.into(), volume_share: None };
    same(data.path(), &pairs, SimulatorConfig { friction, ..SimulatorConfig::default() }, 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_that_stay_over_night_and_entries_that_wait_for_the_open() {
    let data = tempfile::tempdir().unwrap();
    write_waves(data.path(), "AAA", &[3, 4, 5], 50.0, 97.0);
    let pairs = [
        ("SYMBOLS", "AAA"),
        ("STRATEGY_PARAMS", "fast=2,slow=5,entry=level"),
        ("RISK_STOP", "none"),
        ("AFTER_CLOSE", "requeue-at-open"),
    ];
    same(data.path(), &pairs, SimulatorConfig::default(), 10).await;
}

/// Bars of five minutes are decided on, orders trade in the minutes inside. Some minutes are missing: in the
/// midst of a bar, the last of one, and all of one before the close.
#[tokio::test(flavor = "multi_thread")]
async fn minutes_inside_of_the_bars_decided_on() {
    let data = tempfile::tempdir().unwrap();
    write_waves(data.path(), "AAA", &[3, 4], 50.0, 14.0);
    write_waves(data.path(), "BBB", &[3, 4], 20.0, 11.0);
    let path = data.path().join("BBB-1min-2024-06.csv");
    let rows = std::fs::read_to_string(&path).unwrap();
    let there = |line: &usize| !matches!(line % 35, 10 | 13 | 20) && line % 390 < 380;
    let kept = rows.lines().enumerate().filter(|(line, _)| there(line)).map(|(_, row)| row);
    std::fs::write(&path, kept.collect::<Vec<_>>().join("\n")).unwrap();
    let pairs = [
        ("SYMBOLS", "AAA,BBB"),
        ("DATA_BAR_SIZE", "5 mins"),
        ("STRATEGY_PARAMS", "fast=2,slow=4"),
        ("RISK_STOP_LOSS_PCT", "0.006"),
        ("RISK_TAKE_PROFIT_PCT", "0.004"),
    ];
    same(data.path(), &pairs, SimulatorConfig::default(), 20).await;
    let pairs: Vec<_> = MINUTES.into_iter().chain(pairs).collect();
    let (played, records) = backtested(data.path(), &pairs, Config::default());
    assert_eq!(played.outcome.sizes_in_words(), "1 min inside bars of 5 mins");
    let inside = |record: &&Record| match &record.fact {
        Fact::Fill(FillFact::Executed { execution, .. }) => execution.at.millis() % 300_000 != 0,
        _ => false,
    };
    assert!(records.iter().filter(inside).count() > 0, "no order traded inside of a bar");
}

/// A book that forgets what has ended, within a session of very many orders, too, decides and tells the same.
#[test]
fn a_book_that_forgets_tells_the_same_story() {
    let data = tempfile::tempdir().unwrap();
    let symbols = ["AAA", "BBB", "CCC", "DDD"];
    for (symbol, period) in symbols.into_iter().zip([0.7, 0.8, 0.9, 1.1]) {
        write_waves(data.path(), symbol, &[3, 4, 5], 50.0, period);
        // The last session does not end: only what was forgotten within it is not known any more.
        let path = data.path().join(format!("{symbol}-1min-2024-06.csv"));
        let rows = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, rows.lines().take(1 + 2 * 390 + 300).collect::<Vec<_>>().join("\n")).unwrap();
    }
    let pairs = [
        ("SYMBOLS", "AAA,BBB,CCC,DDD"),
        ("STRATEGY_PARAMS", "fast=1,slow=2"),
        ("RISK_STOP_LOSS_PCT", "0.003"),
        ("RISK_TAKE_PROFIT_PCT", "0.01"),
        ("RISK_MAX_ORDERS_PER_MINUTE", "1000"),
        ("RISK_MAX_DAILY_NOTIONAL", "100000000"),
        ("RISK_MAX_DAILY_LOSS_PCT", "1"),
    ];
    let pairs: Vec<_> = MINUTES.into_iter().chain(pairs).collect();
    let [(played, kept), (forgetful, told)] =
        [false, true].map(|forgets| told(data.path(), &pairs, Config::default(), forgets));
    assert!(kept.orders.len() > 1_000, "only {} orders in three days", kept.orders.len());
    assert_eq!(told.records, kept.records);
    let by_intent = |orders: &[OrderRecord]| {
        let mut all: Vec<OrderRecord> = orders.to_vec();
        all.sort_by_key(|order| order.ticket.order_ref.intent);
        all
    };
    assert_eq!(by_intent(&told.orders), kept.orders, "each order is told once, as it ended");
    let known = forgetful.desk.book().orders().count();
    let of_the_day = kept.orders.iter().filter(|order| order.at.to_string().starts_with("2024-06-05")).count();
    assert!(of_the_day > 300 && known < 32, "{known} of the last day's {of_the_day} orders are still known");
    let (past, other) = (played.desk.book(), forgetful.desk.book());
    assert_eq!((past.cash(), past.fees(), past.counts()), (other.cash(), other.fees(), other.counts()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_six_real_days_of_october_2013() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !data.exists() {
        eprintln!("skipped: {} is not there", data.display());
        return;
    }
    same(&data, &[("SYMBOLS", "SPY,BAC")], SimulatorConfig::default(), 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_and_sizes_by_the_average_true_range() {
    let data = tempfile::tempdir().unwrap();
    write_waves(data.path(), "AAA", &[3, 4], 50.0, 9.0);
    write_waves(data.path(), "BBB", &[3, 4], 20.0, 7.0);
    let each = [
        [("RISK_STOP", "atr"), ("RISK_POSITION_SIZING", "shares"), ("RISK_FIXED_SHARES", "20")],
        [("RISK_STOP", "fixed"), ("RISK_POSITION_SIZING", "atr"), ("RISK_ATR_RISK_PCT", "0.0001")],
    ];
    for by_range in each {
        let pairs: Vec<_> = [("SYMBOLS", "AAA,BBB")].into_iter().chain(by_range).collect();
        same(data.path(), &pairs, SimulatorConfig::default(), 10).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn protections_time_exits_and_sizes_by_volatility_and_kelly() {
    let data = tempfile::tempdir().unwrap();
    write_waves(data.path(), "AAA", &[3, 4], 50.0, 9.0);
    write_waves(data.path(), "BBB", &[3, 4], 20.0, 7.0);
    let common = [
        ("SYMBOLS", "AAA,BBB"),
        ("RISK_STOP", "trailing"),
        ("RISK_TRAILING_STOP_PCT", "0.002"),
        ("RISK_TIME_EXIT", "12"),
        ("RISK_COOL_DOWN", "5"),
        ("RISK_STOP_GUARD", "6"),
        ("RISK_STOP_GUARD_PAUSE", "15"),
        ("RISK_LOW_PROFIT_TRIPS", "8"),
        ("RISK_LOW_PROFIT_PAUSE", "20"),
        ("RISK_KELLY_TRIPS", "5"),
    ];
    for sizing in ["volatility", "kelly"] {
        let pairs: Vec<_> = common.into_iter().chain([("RISK_POSITION_SIZING", sizing)]).collect();
        same(data.path(), &pairs, SimulatorConfig::default(), 10).await;
        let pairs: Vec<_> = MINUTES.into_iter().chain(pairs).collect();
        let (played, records) = backtested(data.path(), &pairs, Config::default());
        let timed = played.outcome.trades.kept().iter().filter(|trade| trade.reason.as_str() == "time").count();
        let cooled = |record: &&Record| record.fact.kind() == "lock.set" && format!("{record:?}").contains("CoolDown");
        let cooled = records.iter().filter(cooled).count();
        assert!(timed > 0 && cooled > 0, "{sizing}: {timed} time exits, {cooled} cool-downs");
    }
}
