//! The page in a browser, against a daemon that trades: headless Chromium, driven by its own protocol.
//!
//! Skipped, with a message, where no Chromium is installed, or by `BROWSER_TESTS=skip`; `BROWSER_TESTS=required` makes
//! one that is missing a failure.
//! `SHOTS=DIRECTORY` keeps pictures.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod support;
mod web_support;

use std::path::Path;
use std::sync::Arc;

use robo_trader::runner::board::Board;
use robo_trader::web::log_tail::LogTail;
use serde_json::{Value, json};
use support::{Daemon, Start, settings, synthetic};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use web_support::browser::{Page, browser, faults, quiet};
use web_support::{PATIENCE, Served, config};

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
    // The curve's end is what stands above it.
    page.until(
        "(() => { const canvas = document.getElementById('equity'), box = canvas.getBoundingClientRect(); \
         canvas.dispatchEvent(new PointerEvent('pointermove', { clientX: box.right - 5, clientY: box.top + 9 })); \
         const said = document.getElementById('equity-read').textContent; \
         const of = (name) => [...document.querySelectorAll('#money div')].find((row) => \
            row.children[0].textContent === name).children[1]; \
         return said.includes('drawdown ' + of('Drawdown').textContent) && \
            said.includes('equity ' + Number(of('Equity, USD').title).toFixed(2)); })()",
    )
    .await;
    let (orders, fills) = (served.list("orders").await.len(), served.list("fills").await.len());
    page.until(&format!("document.getElementById('orders-count').textContent === '({orders})'")).await;
    page.until(&format!("document.getElementById('fills-count').textContent === '({fills})'")).await;

    page.on_a_phone_in_the_dark().await;
    page.picture("phone-dark").await;

    // The daemon goes: visibly stale; it comes again: healed without a reload.
    page.turns().await;
    served.stop().await;
    page.until("document.body.classList.contains('stale')").await;
    assert!(page.text("#stale").await.contains("what you see is old"));
    page.picture("stale").await;
    let mut config = config(dir.path());
    config.port = address.port();
    let served = Served::of(board, config).await;
    page.until("!document.body.classList.contains('stale')").await;
    page.turns().await;
    assert_eq!(page.value("window.sameDocument").await, json!(true), "it was not loaded anew");
    quiet(&mut page, &format!("http://{address}/")).await;
    served.stop().await;
}

/// A message of the feed, as if it had come.
async fn heard(page: &mut Page, kind: &str, data: &Value) {
    let message = json!({ "type": kind, "data": data }).to_string();
    let message = json!(message);
    page.value(&format!(
        "import('/state.js').then(({{ S }}) => {{ S.socket.onmessage({{ data: {message} }}); return true; }})"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_has_no_meter_and_a_desk_that_does_not_answer_is_shown() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (mut page, served) = bare(&browser, dir.path()).await;
    let limit = |name: &str, used: Option<&str>| json!({ "name": name, "unit": "usd", "used": used, "limit": "100" });
    let account = json!({
        "market_time": "2026-01-05T15:00:00Z", "account": "DU1", "ready": false, "mode": "paper", "bar_s": 60,
        "equity_usd": null, "cash_usd": null, "realized_usd": "0", "unrealized_usd": null, "fees_usd": "0",
        "day_pnl_usd": null, "exposure_usd": null, "peak_usd": null, "drawdown": null, "unknown_orders": 0,
        "counts": { "orders": 0, "executions": 0 }, "limits": [limit("daily_loss", None), limit("daily_notional", Some("0"))],
    });
    heard(&mut page, "account", &account).await;
    page.until("document.querySelectorAll('#limits tr').length === 2").await;
    let meters =
        "[...document.querySelectorAll('#limits tr')].map((row) => row.querySelectorAll('meter').length).join()";
    assert_eq!(page.value(meters).await, json!("0,1"), "unknown is not 0");
    assert!(page.text("#limits tr").await.contains("—"));
    let link = json!({
        "trading": "no: the desk does not answer", "trading_since": "2026-01-05T15:00:00Z",
        "reason_since": "2026-01-05T15:00:00Z", "phase": "held", "since": "2026-01-05T15:00:00Z", "breaker": "closed",
        "attempts": 0, "next_attempt_at": null, "last_error": null, "outage": null, "halts_waiting": [], "layers": [],
    });
    heard(&mut page, "connection", &link).await;
    page.until("getComputedStyle(document.getElementById('stuck')).display === 'block'").await;
    // It does not cover the commands, wherever the page is scrolled to.
    page.value("scrollTo(0, 400); true").await;
    page.until(
        "window.scrollY > 100 && document.getElementById('stuck').getBoundingClientRect().top >= \
         document.getElementById('halt').getBoundingClientRect().bottom && \
         document.getElementById('halt').getBoundingClientRect().top >= 0",
    )
    .await;
    page.until("document.getElementById('fault').hidden").await;
    quiet(&mut page, &format!("http://{}/", served.address)).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_keeps_is_what_the_daemon_keeps() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (mut page, served) = bare(&browser, dir.path()).await;
    // Of 2,100 orders the first is live still, and the others have ended; some lives are open.
    let kept = page
        .value(
            r"import('/state.js').then(({ S, fold }) => {
                for (let intent = 1; intent <= 2100; intent += 1) {
                    if (intent < 50) S.opened.add(intent);
                    fold.order({ intent, is_live: intent === 1 });
                    fold.fill({ execution: 'e' + intent + '.01' });
                }
                fold.fill({ execution: 'e2100.02' });
                return [S.orders.size, S.orders.has(1), Math.min(...[...S.orders.keys()].slice(1)), [...S.opened].join(),
                    S.fills.size, S.fills.has('e100'), S.fills.has('e101'), S.fills.get('e2100').execution];
            })",
        )
        .await;
    assert_eq!(kept, json!([2000, true, 102, "1", 2000, false, true, "e2100.02"]));
    quiet(&mut page, &format!("http://{}/", served.address)).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_not_quiet_is_found_out() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (mut page, served) = bare(&browser, dir.path()).await;
    let own = format!("http://{}/", served.address);
    assert_eq!(faults(&mut page, &own).await, Vec::<String>::new());
    let of = async |page: &mut Page, script: &str, part: &str| {
        let before = faults(page, &own).await;
        page.value(script).await;
        // The console is told of in its own time.
        let told = async {
            loop {
                let faults = faults(page, &own).await;
                if faults.len() > before.len() {
                    return faults;
                }
            }
        };
        let told = tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("not found out: {script}"));
        assert!(told.len() == before.len() + 1 && told.iter().any(|fault| fault.contains(part)), "{told:#?}");
    };
    of(&mut page, "console.error('a complaint'); true", "a complaint").await;
    of(&mut page, "setTimeout(() => { throw new Error('an accident'); }); true", "an accident").await;
    let nothing = "fetch('/api/v1/nothing').then(() => true)";
    of(&mut page, nothing, "/api/v1/nothing").await;
    let inline = "document.body.append(Object.assign(document.createElement('script'), { textContent: '1' })); true";
    of(&mut page, inline, "Content Security Policy").await;
    // What is provoked is no fault, and must have come; what is not provoked stays one.
    let before = faults(&mut page, &own).await.len();
    page.provokes(404, "/api/v1/nothing");
    assert_eq!(faults(&mut page, &own).await.len(), before - 1);
    page.provokes(404, "/api/v1/other");
    let lacks = faults(&mut page, &own).await;
    assert!(lacks.iter().any(|fault| fault == "/api/v1/other was never answered 404"), "{lacks:#?}");
    // Without a daemon connections fail, which is no fault only where the test says that there is none.
    served.stop().await;
    page.until("document.body.classList.contains('stale')").await;
    page.until("fetch('/api/v1/version').then(() => false, () => true)").await;
    let gone = faults(&mut page, &own).await;
    assert!(gone.len() > lacks.len() && gone.iter().any(|fault| fault.contains("net::ERR_")), "{gone:#?}");
}

/// How often an input is made that the page may not have got.
const TRIES: u32 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn fingers_and_the_wheel_zoom_the_chart_and_leave_the_page_its_scroll() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (mut page, served) = bare(&browser, dir.path()).await;
    page.call("Emulation.setTouchEmulationEnabled", json!({ "enabled": true, "maxTouchPoints": 2 })).await;
    page.value(CANDLES).await;
    page.value("candles.set('AAPL', minutes(500), [], [], []); candles.move(100); true").await;
    let row = page.value("document.getElementById('equity').getBoundingClientRect().top + 60").await.as_f64().unwrap();
    let touch = async |page: &mut Page, kind: &str, at: &[(f64, f64)]| {
        let points = |(id, (x, y)): (usize, &(f64, f64))| json!({ "x": x, "y": row + y, "id": id });
        let points: Vec<Value> = at.iter().enumerate().map(points).collect();
        page.call("Input.dispatchTouchEvent", json!({ "type": kind, "touchPoints": points })).await;
    };
    // Two fingers, from 100 to 200 pixels apart: half as many bars, and those between them stay.
    touch(&mut page, "touchStart", &[(300.0, 0.0), (400.0, 0.0)]).await;
    touch(&mut page, "touchMove", &[(250.0, 0.0), (450.0, 0.0)]).await;
    touch(&mut page, "touchEnd", &[]).await;
    page.until("candles.shown === 60 && candles.fingers.size === 0").await;
    let back = page.value("candles.back").await.as_i64().unwrap();
    assert!((101..160).contains(&back), "{back}");
    // One finger to the side moves.
    touch(&mut page, "touchStart", &[(300.0, 0.0)]).await;
    touch(&mut page, "touchMove", &[(400.0, 0.0)]).await;
    touch(&mut page, "touchEnd", &[]).await;
    page.until(&format!("candles.back > {back} && window.scrollY === 0")).await;
    // The wheel zooms with Ctrl, and without it scrolls, to its end before anything else is tried.
    let wheel = async |page: &mut Page, modifiers: u8| {
        let wheel =
            json!({ "type": "mouseWheel", "x": 300, "y": row, "deltaX": 0, "deltaY": 120, "modifiers": modifiers });
        page.call("Input.dispatchMouseEvent", wheel).await;
    };
    for _ in 0..TRIES {
        wheel(&mut page, 2).await;
        if page.soon("candles.shown !== 60").await {
            break;
        }
    }
    page.until("candles.shown === 69 && window.scrollY === 0").await;
    page.value("candles.act('in'); candles.act('in'); true").await;
    assert_eq!(page.value("candles.shown").await, json!(41));
    for _ in 0..TRIES {
        wheel(&mut page, 0).await;
        if page.soon("window.scrollY > 0").await {
            break;
        }
    }
    page.until("window.scrollY > 0 && window.scrollY % 120 === 0").await;
    assert_eq!(page.value("candles.shown").await, json!(41));
    // One finger up is the page's: it scrolls, and the chart has let go. The last of all, for a page that was flung
    // goes on by itself.
    let back = page.value("candles.back").await;
    let before = page.value("window.scrollY").await.as_f64().unwrap();
    for _ in 0..TRIES {
        let low = -page.value("window.scrollY").await.as_f64().unwrap();
        touch(&mut page, "touchStart", &[(300.0, low)]).await;
        for up in 1..=10 {
            touch(&mut page, "touchMove", &[(300.0, low - 10.0 * f64::from(up))]).await;
        }
        touch(&mut page, "touchEnd", &[]).await;
        if page.soon(&format!("window.scrollY > {before} + 30")).await {
            break;
        }
    }
    page.until(&format!("window.scrollY > {before} + 30 && candles.fingers.size === 0")).await;
    assert_eq!(page.value("candles.back").await, back);
    quiet(&mut page, &format!("http://{}/", served.address)).await;
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
async fn the_equity_curve_is_drawn_by_time_and_its_losses_are_the_accounts() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (mut page, served) = bare(&browser, dir.path()).await;
    // Two points of a month ago, from the journal; four of the last four minutes. The height was before all of them.
    page.value(
        r"import('/chart.js').then(({ Curve }) => {
            window.curve = new Curve(document.getElementById('chart'), (text) => { window.readings = text; });
            const day = 86400000;
            window.point = (ms, usd, restored, peak = 200) => ({ ms, usd, peak, restored });
            window.points = [point(0, 100, true), point(day, 150, true), point(30 * day, 160, false),
                point(30 * day + 60000, 170, false, null), point(30 * day + 120000, 180, false), point(30 * day + 180000, 150, false)];
            const width = document.getElementById('chart').getBoundingClientRect().width - 70;
            window.at = (part, range = 0) => { curve.cross = part * width; curve.set(points, range); return readings; };
            return true;
        })",
    )
    .await;
    let read = async |page: &mut Page, script: &str| page.value(script).await.as_str().unwrap().to_owned();
    let near = read(&mut page, "at(0.03)").await;
    assert!(near.contains("equity 150.00 USD   drawdown 25.000 %   from the journal"), "{near}");
    // A month is not as wide as a minute: half of the way is still nearer to one of both ends.
    assert!(read(&mut page, "at(0.4)").await.contains("equity 150.00 USD"));
    let middle = read(&mut page, "at(0.6)").await;
    assert!(middle.contains("equity 160.00 USD   drawdown 20.000 %") && !middle.contains("journal"), "{middle}");
    assert_eq!(page.value("curve.canvas.dataset.restored").await, json!("2"));
    // An hour: measured points alone, and where no height is known there is no loss.
    let hour = read(&mut page, "at(0.34, 3600000)").await;
    assert!(hour.contains("equity 170.00 USD   drawdown unknown"), "{hour}");
    assert_eq!(page.value("[curve.canvas.dataset.points, curve.canvas.dataset.restored].join()").await, json!("4,0"));
    assert!(read(&mut page, "at(0.66, 3600000)").await.contains("drawdown 10.000 %"));
    // Beside it stands the account's loss, 0.0001246 to a millionth: 0.000125, which is shown as 0.013 %.
    page.value("points = [point(0, 100000, false, 100000), point(60000, 99987.54, false, 100000)]; true").await;
    assert!(read(&mut page, "at(1.05)").await.contains("drawdown 0.013 %"));
    quiet(&mut page, &format!("http://{}/", served.address)).await;
    served.stop().await;
}

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
    // A stop that is far away is told at the edge, and does not press the candles flat.
    let stop = "candles.set('AAPL', minutes(50), [], [{ name: 'stop', at: 2, color: '--bad' }, \
        { name: 'average', at: 11, color: '--dim' }], []); candles.canvas.dataset.beyond";
    assert_eq!(page.value(stop).await, json!("stop 2"));
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
    page.until("document.getElementById('orders-count').textContent === ''").await;
    quiet(&mut page, &format!("http://{}/", served.address)).await;
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
    quiet(&mut page, &format!("http://{}/", served.address)).await;
    served.stop().await;
}

/// Bars come while those before them are on their way to the page: none is lost, none is there twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_bar_that_comes_while_those_before_it_are_read_is_in_the_chart() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (mut page, served) = bare(&browser, dir.path()).await;
    // What is asked about a symbol waits for `give`, and is answered with its first two minutes.
    page.value(
        r"import('/state.js').then(({ S }) => {
            const served = window.fetch;
            const minute = (i) => ({ time_ms: i * 60000, end_ms: (i + 1) * 60000, open_usd: 10, high_usd: 12, low_usd: 9, close_usd: 11, volume_shares: 100 });
            window.asked = 0;
            const given = new Promise((resolve) => { window.give = () => { resolve(); return true; }; });
            window.fetch = (url, ...how) => {
                if (!url.includes('symbol=')) return served(url, ...how);
                const body = url.includes('bars?') ? { bars: [minute(0), minute(1)] } : { time_ms: [], indicators: [] };
                if (url.includes('bars?')) window.asked += 1;
                return given.then(() => new Response(JSON.stringify(body)));
            };
            const hear = (message) => S.socket.onmessage({ data: JSON.stringify(message) });
            const position = { symbol: 'AAPL', strategy: 'sma-cross', held_shares: 0, average_price_usd: null, last_close_usd: '11',
                last_bar_end: null, market_value_usd: null, unrealized_usd: null, realized_usd: '0', fees_usd: '0', target: null,
                target_shares: null, disarmed: null, working_orders: 0, stop_usd: null, take_profit_usd: null, locked: null };
            window.bar = (i) => { hear({ type: 'bar', symbol: 'AAPL', data: minute(i) }); return true; };
            window.minutes = () => S.bars.get('AAPL').map((bar) => bar.time_ms / 60000).join();
            hear({ type: 'snapshot', data: { connection: null, account: null, locks: null, orders: null, positions: [position] } });
            return bar(1);
        })",
    )
    .await;
    page.until("asked === 1").await;
    page.value("bar(2)").await;
    assert_eq!(page.value("minutes()").await, json!("1,2"), "kept, though nothing before them is known");
    page.value("give()").await;
    page.until("minutes() === '0,1,2'").await;
    page.value("bar(3)").await;
    assert_eq!(page.value("minutes()").await, json!("0,1,2,3"));
    quiet(&mut page, &format!("http://{}/", served.address)).await;
    served.stop().await;
}

/// Halt, resume and flatten by the page: with the token, after a confirmation.
async fn obeys_the_token(page: &mut Page, served: &Served) {
    // Halt, refused with a wrong token, done with the right one.
    page.provokes(401, "/api/v1/commands/halt");
    let refused = page.command("halt", "", "0123456789abcdef0123456789abcdef").await;
    assert!(refused.contains("not the token"), "{refused}");
    assert!(served.list("locks").await.is_empty());
    let halted = page.command("halt", "", &served.token).await;
    assert!(halted.contains("no entries"), "{halted}");
    page.until("document.getElementById('trading').textContent.includes('exits only: locked')").await;
    let unsure = page.command("flatten", "yes", "").await;
    assert!(unsure.contains("Type flatten"), "{unsure}");
    // Enter again and again says it once, and not again after it was done.
    page.value(
        "window.enter = () => document.getElementById('ask-reason').dispatchEvent( \
            new KeyboardEvent('keydown', { key: 'Enter', bubbles: true })); \
         document.getElementById('resume').click(); enter(); enter(); true",
    )
    .await;
    page.until("document.getElementById('ask-answer').textContent.includes('entries')").await;
    page.value("enter(); true").await;
    assert_eq!(page.value("document.getElementById('ask-yes').disabled").await, json!(true));
    page.value("document.getElementById('ask-no').click(); true").await;
    let is_resume = |event: &&Value| {
        let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
        event["method"] == "Network.requestWillBeSent" && url.ends_with("/commands/resume")
    };
    assert_eq!(page.events.iter().filter(is_resume).count(), 1);
    page.until("document.getElementById('trading').textContent === 'trading: yes'").await;
    page.picture("desktop").await;
    let flat = page.command("flatten", "flatten", "").await;
    // Whether anything is held right now is the market's matter.
    assert!(flat.contains("entries are blocked"), "{flat}");
    page.until("[...document.querySelectorAll('#positions tr')].every((row) => row.cells[5].textContent === '0')")
        .await;
}
