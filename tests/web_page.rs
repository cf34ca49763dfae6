//! The page in a browser, against a daemon that trades: headless Chromium, driven by its own protocol.
//!
//! Skipped, with a message, where no Chromium is installed; `BROWSER_TESTS=required` makes that a failure.
//! `SHOTS=DIRECTORY` keeps pictures.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod support;
mod web_support;

use std::path::Path;
use std::sync::Arc;

use robo_trader::runner::board::Board;
use robo_trader::web::log_tail::LogTail;
use serde_json::json;
use support::{Daemon, Start, settings, synthetic};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use web_support::browser::{Page, browser, quiet};
use web_support::{Served, config};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_what_the_api_tells_obeys_the_token_and_heals() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let simulator = synthetic(None, 0).await;
    let board = Board::new();
    let busy = [
        ("SYMBOLS", "AAPL,NVDA,TSLA"),
        ("STRATEGY_PARAMS", "fast=3,slow=8"),
        ("RISK_MAX_DAILY_NOTIONAL", "1000000000"),
    ];
    // The only test of this binary with a log.
    tracing_subscriber::registry().with(LogTail(Arc::clone(&board))).init();
    let how = Start { board: Some(Arc::clone(&board)), ..Start::default() };
    let mut daemon = Daemon::start(settings(simulator.address, &busy), dir.path(), how);
    let served = Served::of(Arc::clone(&board), config(dir.path())).await;
    let address = served.address;
    let mut page = Page::open(&browser, &format!("http://{address}/"), 1400, 1000).await;
    daemon.until("some fills", |progress| progress.executions >= 40).await;
    page.until("!document.body.classList.contains('stale')").await;
    page.value("window.sameDocument = true").await;
    page.until("document.querySelectorAll('#fills tr').length > 5").await;
    page.until("Number(document.getElementById('chart').dataset.fills) > 0").await;
    page.until("document.querySelectorAll('#health .chip.good').length > 3").await;
    page.until("document.getElementById('health').textContent.includes('entries permitted since')").await;
    // Indicators by the strategy's own code, over the candles.
    page.until("document.getElementById('chart').dataset.curves === 'fast,slow'").await;
    // The keyboard's focus stays where it is while rows are drawn anew.
    page.value("document.querySelectorAll('#positions button')[1].focus(); document.activeElement.click(); true").await;
    page.until("document.getElementById('h-chart').textContent.includes('NVDA')").await;
    assert_eq!(page.value("document.activeElement.textContent").await, json!("NVDA"));

    page.until("document.querySelectorAll('#log li').length > 10").await;
    page.until("[...document.querySelectorAll('#positions tr')].some((row) => Number(row.cells[7].textContent) > 0)")
        .await;
    page.picture("trading").await;

    obeys_the_token(&mut page, &served).await;

    // Nothing moves any more: the page has the API's numbers.
    daemon.stop().await.1.unwrap();
    simulator.stop().await.unwrap();
    let account = served.get("/api/v1/account").await["account"].clone();
    let equity = json!(account["equity_usd"].as_str().unwrap());
    page.until(&format!("document.querySelector('#money dd').title === {equity}")).await;
    let (orders, fills) = (served.list("orders").await.len(), served.list("fills").await.len());
    page.until(&format!("document.getElementById('orders-count').textContent === '({orders})'")).await;
    page.until(&format!("document.getElementById('fills-count').textContent === '({fills})'")).await;

    // Phone and dark.
    let phone = json!({ "width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true });
    page.call("Emulation.setDeviceMetricsOverride", phone).await;
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    page.call("Emulation.setEmulatedMedia", dark).await;
    page.until("document.documentElement.scrollWidth <= 390").await;
    page.picture("phone-dark").await;

    // The daemon goes: visibly stale; it comes again: healed without a reload.
    served.stop().await;
    page.until("document.body.classList.contains('stale')").await;
    assert!(page.text("#stale").await.contains("what you see is old"));
    page.picture("stale").await;
    let mut config = config(dir.path());
    config.port = address.port();
    let served = Served::of(board, config).await;
    page.until("!document.body.classList.contains('stale')").await;
    assert_eq!(page.value("window.sameDocument").await, json!(true), "it was not loaded anew");
    quiet(&page, &format!("http://{address}/"));
    served.stop().await;
}

/// A page of a daemon that has not begun: what its scripts do can be tried there.
async fn bare(browser: &Path, dir: &Path) -> (Page, Served) {
    let served = Served::of(Board::new(), config(dir)).await;
    let mut page = Page::open(browser, &format!("http://{}/", served.address), 1400, 1000).await;
    page.until("document.readyState === 'complete' && !document.body.classList.contains('stale')").await;
    (page, served)
}

/// Candles on a canvas of their own, as `candles`, and a maker of so many bars.
const CANDLES: &str = r"
    import('/chart.js').then(({ Candles }) => {
        window.readings = '';
        window.candles = new Candles(document.getElementById('equity'), (text) => { window.readings = text; });
        window.minutes = (count) => Array.from({ length: count }, (_, i) => ({ time_ms: i * 60000, end_ms: (i + 1) * 60000,
            open_usd: 10, high_usd: 12, low_usd: 9, close_usd: 11, volume_shares: 100 + i }));
        window.look = () => [candles.canvas.dataset.seen, candles.canvas.dataset.back].join();
        return true;
    })";

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_that_looks_back_survives_fewer_bars() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (mut page, served) = bare(&browser, dir.path()).await;
    page.value(CANDLES).await;
    let many = "candles.set('AAPL', minutes(500), [], [], []); candles.move(400); candles.draw(); look()";
    assert_eq!(page.value(many).await, json!("100,400"));
    // One more: the same bars stay in view.
    assert_eq!(page.value("candles.set('AAPL', minutes(501), [], [], []); look()").await, json!("100,401"));
    // A daemon that has just begun has fewer.
    assert_eq!(page.value("candles.set('AAPL', minutes(50), [], [], []); look()").await, json!("10,40"));
    assert_eq!(page.value("candles.set('AAPL', minutes(3), [], [], []); look()").await, json!("3,0"));
    assert_eq!(page.value("readings.includes('V 102')").await, json!(true), "the newest bar is read");
    assert_eq!(page.value("candles.set('AAPL', [], [], [], []); look() + readings").await, json!("0,0"));
    // Another symbol begins at its newest bar.
    page.value(many).await;
    assert_eq!(page.value("candles.set('NVDA', minutes(450), [], [], []); look()").await, json!("120,0"));
    // A part that fails says so, and the others are drawn all the same.
    assert_eq!(page.value("document.getElementById('fault').hidden").await, json!(true));
    page.value("document.getElementById('health').remove(); true").await;
    page.value("document.getElementById('orders-count').textContent = 'old'; true").await;
    page.value("document.getElementById('orders-filter').value = 'x'; true").await;
    page.value("document.getElementById('orders-filter').dispatchEvent(new Event('input')); true").await;
    page.until("document.getElementById('fault').textContent.includes('health: TypeError')").await;
    page.until("!document.getElementById('fault').hidden").await;
    page.until("document.getElementById('orders-count').textContent === '(0)'").await;
    quiet(&page, &format!("http://{}/", served.address));
    served.stop().await;
}

/// A page that is open while a daemon starts has the bars of its history, whole. Indicators that are no prices are
/// drawn below the candles, on a scale of their own.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_open_before_has_the_history_and_indicators_below_the_candles() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let simulator = synthetic(None, 0).await;
    let board = Board::new();
    let served = Served::of(Arc::clone(&board), config(dir.path())).await;
    let mut page = Page::open(&browser, &format!("http://{}/", served.address), 1400, 1000).await;
    page.until("document.getElementById('trading')?.textContent === 'trading: starting'").await;
    let how = Start { board: Some(Arc::clone(&board)), ..Start::default() };
    let blend = [("SYMBOLS", "AAPL"), ("STRATEGY", "mean-reversion")];
    let daemon = Daemon::start(settings(simulator.address, &blend), dir.path(), how);
    page.until("document.getElementById('chart').dataset.curves === 'middle,lower,upper,blend,too low'").await;
    page.picture("indicators").await;
    daemon.stop().await.1.unwrap();
    simulator.stop().await.unwrap();
    let bars = served.get("/api/v1/bars?symbol=AAPL&limit=5000").await["bars"].clone();
    let (count, first) = (bars.as_array().unwrap().len(), &bars[0]["time_ms"]);
    page.value("import('/state.js').then(({ S }) => { window.barsOf = (symbol) => S.bars.get(symbol); return true; })")
        .await;
    page.until(&format!("barsOf('AAPL').length === {count} && barsOf('AAPL')[0].time_ms === {first}")).await;
    quiet(&page, &format!("http://{}/", served.address));
    served.stop().await;
}

/// Halt, resume and flatten by the page: with the token, after a confirmation.
async fn obeys_the_token(page: &mut Page, served: &Served) {
    // Halt, refused with a wrong token, done with the right one.
    let refused = page.command("halt", "", "0123456789abcdef0123456789abcdef").await;
    assert!(refused.contains("not the token"), "{refused}");
    assert!(served.list("locks").await.is_empty());
    let halted = page.command("halt", "", &served.token).await;
    assert!(halted.contains("no entries"), "{halted}");
    page.until("document.getElementById('trading').textContent.includes('exits only: locked')").await;
    let resumed = page.command("resume", "", "").await;
    assert!(resumed.contains("entries"), "{resumed}");
    page.until("document.getElementById('trading').textContent === 'trading: yes'").await;
    page.picture("desktop").await;
    let unsure = page.command("flatten", "yes", "").await;
    assert!(unsure.contains("Type flatten"), "{unsure}");
    let flat = page.command("flatten", "flatten", "").await;
    // Whether anything is held right now is the market's matter.
    assert!(flat.contains("entries are blocked"), "{flat}");
    page.until("[...document.querySelectorAll('#positions tr')].every((row) => row.cells[5].textContent === '0')")
        .await;
}
