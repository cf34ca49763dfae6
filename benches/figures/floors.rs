//! What no daemon can be faster than: a bare client, and `ibapi` alone. Each answers every closed bar with an order.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use hdrhistogram::Histogram;
use ibapi::Client;
use ibapi::contracts::Contract;
use ibapi::market_data::historical::{BarSize, HistoricalBarUpdate, ToDuration};
use ibapi::orders::{Action, Order, order_builder};
use ibapi::prelude::SubscriptionItem;
use robo_trader::domain::MarketTime;
use robo_trader::domain::book::Record;
use robo_trader::journal::sqlite::SqliteJournal;
use robo_trader::journal::{Durability, Journal};
use robo_trader::simulator::tap::fields;

use super::matching::{Orders, histogram};
use super::trading;
use super::wire;
use super::world::{World, config};

/// The account of the simulator.
const ACCOUNT: &str = "DU1234567";

/// Runs a client beside a simulator for a while, and says what the tap has seen.
fn beside(
    speed: f64,
    warm: Duration,
    time: Duration,
    client: impl FnOnce(SocketAddr, Arc<AtomicBool>) + Send + 'static,
) -> Orders {
    let mut world = World::start(config(speed));
    let stop = Arc::new(AtomicBool::new(false));
    let (address, stopped) = (world.address, Arc::clone(&stop));
    let client = std::thread::spawn(move || client(address, stopped));
    let mut matching = Orders::default();
    world.watch(warm, |seen| matching.hear(&seen));
    matching.begin();
    world.watch(time, |seen| matching.hear(&seen));
    stop.store(true, Ordering::Relaxed);
    world.stop();
    client.join().unwrap();
    matching
}

/// A client that is nothing but a socket, and a thread that waits for it.
pub fn bare(speed: f64, warm: Duration, time: Duration) -> Orders {
    beside(speed, warm, time, |address, stop| {
        let mut stream = wire::connected(address, 5);
        let contract = Some(wire::Contract::stock("AAA"));
        let word = str::to_owned;
        let request = wire::BarsRequest {
            req_id: 1,
            contract: contract.clone(),
            size: word("5 secs"),
            duration: word("1800 S"),
            show: word("TRADES"),
            format_date: 2,
            keep_up_to_date: true,
        };
        stream.write_all(&wire::frame(wire::HISTORICAL_DATA_REQUEST, &request)).unwrap();
        let (mut waiting, mut chunk, mut order_id, mut newest) = (Vec::new(), [0; 65_536], 0, Vec::new());
        while let Ok(read @ 1..) = stream.read(&mut chunk) {
            waiting.extend_from_slice(&chunk[..read]);
            let mut rest = &waiting[..];
            while let Some((length, after)) = rest.split_first_chunk::<4>()
                && let Some((frame, after)) = after.split_at_checked(u32::from_be_bytes(*length) as usize)
            {
                rest = after;
                let (id, payload) = frame.split_first_chunk::<4>().unwrap();
                let bar =
                    (i32::from_be_bytes(*id) == wire::BAR_UPDATE + 200).then(|| fields::bytes(payload, 2)).flatten();
                let Some(date) = bar.and_then(|bar| fields::bytes(bar, 1)) else { continue };
                if newest != date && !stop.load(Ordering::Relaxed) {
                    newest = date.to_vec();
                    order_id += 1;
                    let terms = wire::Terms {
                        action: word(if order_id % 2 == 1 { "BUY" } else { "SELL" }),
                        quantity: word("1"),
                        kind: word("MKT"),
                        tif: word("DAY"),
                        account: word(ACCOUNT),
                        transmit: true,
                    };
                    let place = wire::Place { order_id, contract: contract.clone(), order: Some(terms) };
                    // The simulator may be gone: that is the end.
                    if stream.write_all(&wire::frame(wire::PLACE_ORDER, &place)).is_err() {
                        return;
                    }
                }
            }
            let left = rest.len();
            waiting.drain(..waiting.len() - left);
        }
    })
}

/// The crate that the daemon speaks by, and nothing else.
pub fn ibapi(speed: f64, warm: Duration, time: Duration) -> Orders {
    beside(speed, warm, time, |address, stop| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(runtime.spawn(answer(address, stop))).unwrap();
    })
}

/// The same as all that a process does: what it uses then is the least that a daemon can use.
pub fn client(address: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(runtime.spawn(answer(address, Arc::default()))).unwrap();
}

async fn answer(address: SocketAddr, stop: Arc<AtomicBool>) {
    let builder = Client::builder().address(address.to_string()).client_id(5).tcp_no_delay(true);
    let client = builder.max_reconnect_attempts(0).connect().await.unwrap();
    let contract = client.contract_details(&Contract::stock("AAA").build()).await.unwrap()[0].contract.clone();
    let bars = client.historical_data(&contract, BarSize::Sec5).duration(1_800.seconds());
    let mut bars = bars.stream().await.unwrap();
    let (mut order_id, mut newest) = (client.next_order_id(), None);
    while let Some(Ok(item)) = bars.next().await {
        let SubscriptionItem::Data(HistoricalBarUpdate::Update(bar)) = item else { continue };
        if newest.replace(bar.date) != Some(bar.date) && !stop.load(Ordering::Relaxed) {
            let side = if order_id % 2 == 1 { Action::Buy } else { Action::Sell };
            let order = Order { account: ACCOUNT.to_owned(), transmit: true, ..order_builder::market_order(side, 1.0) };
            if client.submit_order(order_id, &contract, &order).await.is_err() {
                return;
            }
            order_id += 1;
        }
    }
}

/// What an order is appended with: the target it follows from, and itself.
fn facts_of_orders(count: usize) -> Vec<[Record; 2]> {
    let (mut orders, mut before) = (Vec::new(), None);
    let bars = trading::walk(1, count * 20);
    trading::play(&[bars], &trading::settings(1, (1, 2)), &mut |record: &Record| {
        let accepted = before.replace(record.clone()).filter(|before: &Record| before.fact.kind() == "target.accepted");
        if let (Some(accepted), true) = (accepted, record.fact.kind() == "order.intended") {
            orders.push([accepted, record.clone()]);
        }
    });
    orders.truncate(count);
    assert_eq!(orders.len(), count, "the walk is long enough");
    orders
}

/// The journal alone: the facts of an order and another, with as much time between them as asked: nanoseconds.
pub fn append(times: usize, pause: Duration, durability: Durability) -> Histogram<u64> {
    let (dir, mut took) = (tempfile::tempdir().unwrap(), histogram());
    let mut journal = SqliteJournal::open(&dir.path().join("journal.db"), ACCOUNT).unwrap();
    for facts in facts_of_orders(times) {
        std::thread::sleep(pause);
        let began = std::time::Instant::now();
        journal.append(&facts, durability, MarketTime::from_secs(1_700_000_000)).unwrap();
        took.saturating_record(u64::try_from(began.elapsed().as_nanos()).unwrap());
    }
    took
}

/// The bare fsync of 8 kB, as the command `bench` measures it for operators, each after a pause: nanoseconds.
fn fsync(times: usize, pause: Duration) -> Histogram<u64> {
    let (dir, mut took) = (tempfile::tempdir().unwrap(), histogram());
    for time in robo_trader::cli::syncs(dir.path(), times, pause).unwrap() {
        took.saturating_record(u64::try_from(time.as_nanos()).unwrap());
    }
    took
}

/// What only the journal and the disk take: the journal at `process` durability, at `full`, and the bare fsync; each with
/// a pause before every one, and without.
pub struct Disk([[Histogram<u64>; 2]; 3]);

/// Each by its name and durability.
const DISK: [(&str, &str); 3] = [
    ("floor: the journal alone, bars apart", "process"),
    ("floor: the journal alone, bars apart", "full"),
    ("floor: fsync of 8 kB, bars apart", "none"),
];

impl Disk {
    pub fn measure(times: usize, pause: Duration) -> Self {
        let both = [pause, Duration::ZERO];
        let [process, full] = [Durability::Process, Durability::PowerCut]
            .map(|durability| both.map(|pause| append(times, pause, durability)));
        Self([process, full, both.map(|pause| fsync(times, pause))])
    }

    /// The same measured once more.
    pub fn add(&mut self, more: &Self) {
        for (times, more) in self.0.iter_mut().flatten().zip(more.0.iter().flatten()) {
            times.add(more).unwrap();
        }
    }

    /// The journal at `process` durability, with a pause and without.
    pub fn process(&self) -> &[Histogram<u64>; 2] {
        &self.0[0]
    }

    /// The same at `full`.
    pub fn full(&self) -> &[Histogram<u64>; 2] {
        &self.0[1]
    }

    /// The bare fsync.
    pub fn fsync(&self) -> &[Histogram<u64>; 2] {
        &self.0[2]
    }

    /// All of it by name and durability.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, &'static str, &Histogram<u64>)> {
        let named = DISK.into_iter().zip(&self.0);
        named.flat_map(|((name, durability), [apart, at_once])| {
            [(name, durability, apart), ("the same, one after the other", durability, at_once)]
        })
    }
}
