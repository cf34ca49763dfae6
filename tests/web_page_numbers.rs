//! Every row and column of the page's tables, against the API of a daemon that runs, and against its journal. The
//! market stands at the end of a tape meanwhile, so that all three tell of the same moment.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod support;
mod web_support;

use std::sync::Arc;

use robo_trader::domain::book::{Book, OrderRecord};
use robo_trader::domain::{OrderKind, Price, Usd};
use robo_trader::runner::board::Board;
use robo_trader::simulator::SimulatorConfig;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};
use support::{book, played, write_waves};
use web_support::browser::{Page, browser, quiet};
use web_support::{Served, config};

/// Rows of a table that the page shows at most.
const ROWS: usize = 200;

/// What is not known, on the page.
const UNKNOWN: &str = "—";

/// A value as JavaScript writes it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => UNKNOWN.to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().unwrap().to_string(),
        other => panic!("{other} is no cell"),
    }
}

/// Money with so many digits and with commas.
fn usd(value: &Value, digits: u32) -> String {
    let Some(exact) = value.as_str() else { return text(value) };
    let exact: Decimal = exact.parse().unwrap();
    let rounded = exact.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
    let plain = format!("{:.*}", usize::try_from(digits).unwrap(), rounded.abs());
    let (whole, part) = plain.split_once('.').map_or((plain.as_str(), None), |(whole, part)| (whole, Some(part)));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if rounded.is_sign_negative() && !rounded.is_zero() { "-" } else { "" };
    part.map_or_else(|| format!("{sign}{grouped}"), |part| format!("{sign}{grouped}.{part}"))
}

/// An instant of the API, in the browser's UTC.
fn when(at: &Value) -> String {
    let at = at.as_str().unwrap();
    format!("{} {}", &at[5..10], &at[11..19])
}

fn newest(rows: Vec<Vec<String>>) -> Value {
    json!(rows.into_iter().rev().take(ROWS).collect::<Vec<_>>())
}

fn fill_row(fill: &Value) -> Vec<String> {
    let cells = ["symbol", "side", "role", "quantity_shares", "price_usd", "commission_usd", "intent"];
    [when(&fill["at"])].into_iter().chain(cells.map(|cell| text(&fill[cell]))).collect()
}

/// What an order is worth asking for, as the page has it in one cell.
fn priced(trigger: &Value, limit: &Value) -> String {
    let prices: Vec<&str> = [trigger, limit].into_iter().filter_map(Value::as_str).collect();
    if prices.is_empty() { "market".to_owned() } else { prices.join(" / ") }
}

fn order_row(order: &Value) -> Vec<String> {
    let life = order["life"].as_array().unwrap();
    let step = |step: &Value| match step["note"].as_str().unwrap() {
        "" => format!("{} {}", when(&step["at"]), text(&step["what"])),
        note => format!("{} {}: {note}", when(&step["at"]), text(&step["what"])),
    };
    let told = text(&life.last().unwrap()["what"]) + life.iter().map(step).collect::<String>().as_str();
    let order_text = ["side", "quantity_shares", "order_type", "tif"].map(|part| text(&order[part])).join(" ");
    let may_cancel = order["is_live"] == true && order["role"] != "stop";
    vec![
        when(&order["at"]),
        text(&order["intent"]),
        text(&order["symbol"]),
        text(&order["role"]),
        order_text,
        text(&order["filled_shares"]),
        priced(&order["trigger_usd"], &order["limit_usd"]),
        text(&order["state"]),
        told,
        if may_cancel { "Cancel".to_owned() } else { String::new() },
    ]
}

/// A symbol's row without its age, which goes on while one looks.
fn position_row(row: &Value) -> Vec<String> {
    let target = row["target"].as_f64().map_or_else(
        || UNKNOWN.to_owned(),
        |target| {
            let why = row["disarmed"].as_str().map_or_else(String::new, |why| format!(" ({why})"));
            format!("{}{target}{why}", if target > 0.0 { "+" } else { "" })
        },
    );
    let stop =
        if row["held_shares"] != 0 && row["stop_usd"].is_null() { "none".into() } else { text(&row["stop_usd"]) };
    vec![
        text(&row["symbol"]),
        text(&row["last_close_usd"]),
        String::new(),
        target,
        text(&row["held_shares"]),
        usd(&row["average_price_usd"], 4),
        stop,
        text(&row["working_orders"]),
        usd(&row["unrealized_usd"], 2),
        usd(&row["realized_usd"], 2),
        row["locked"].as_str().unwrap_or_default().to_owned(),
    ]
}

fn percent(value: &Value, digits: usize) -> String {
    value.as_str().map_or_else(
        || UNKNOWN.to_owned(),
        |fraction| format!("{:.digits$} %", fraction.parse::<f64>().unwrap() * 100.0),
    )
}

/// Names, words and exact values of the account.
fn money_rows(account: &Value) -> Value {
    let plain = [
        ("Equity, USD", "equity_usd"),
        ("Day's P&L", "day_pnl_usd"),
        ("Realized", "realized_usd"),
        ("Unrealized", "unrealized_usd"),
        ("Fees", "fees_usd"),
        ("Cash", "cash_usd"),
        ("Exposure", "exposure_usd"),
    ];
    let plain = plain.map(|(name, field)| json!([name, usd(&account[field], 2), account[field]]));
    let counts = format!("{} / {}", account["counts"]["orders"], account["counts"]["executions"]);
    let others = [
        json!(["Drawdown", percent(&account["drawdown"], 3), null]),
        json!(["Orders / fills", counts, null]),
        json!(["In doubt", text(&account["unknown_orders"]), null]),
    ];
    json!(plain.into_iter().chain(others).collect::<Vec<_>>())
}

/// A limit's name, its meter, and its use.
fn limit_row(limit: &Value) -> Value {
    let shown = |value: &Value| match limit["unit"].as_str().unwrap() {
        _ if value.is_null() => UNKNOWN.to_owned(),
        "usd" => usd(value, 0),
        "fraction" => percent(value, 2),
        "multiple" => format!("{:.2}", value.as_str().unwrap().parse::<f64>().unwrap()),
        _ => format!("{:.0}", value.as_str().unwrap().parse::<f64>().unwrap()),
    };
    let unit = match limit["unit"].as_str().unwrap() {
        "usd" => " USD",
        "multiple" => " × equity",
        _ => "",
    };
    let number = |field: &str| limit[field].as_str().map(|text| text.parse::<f64>().unwrap());
    let most = number("limit").filter(|most| *most != 0.0);
    let meter = number("used").zip(most).map(|(used, most)| (used / most).clamp(0.0, 1.0));
    let name = limit["name"].as_str().unwrap().replace('_', " ");
    json!([name, meter, format!("{} / {}{unit}", shown(&limit["used"]), shown(&limit["limit"]))])
}

/// The page's tables and what belongs to them are the API's.
async fn is_the_apis(page: &mut Page, served: &Served) {
    let account = served.get("/api/v1/account").await["account"].clone();
    let (fills, orders) = (served.list("fills").await, served.list("orders").await);
    let positions = served.list("positions").await;
    let of = |id: &str, keep: &str| {
        format!(
            "[...document.querySelectorAll('#{id} tr')].map((row) => \
             [...row.cells].filter((_, i) => {keep}).map((cell) => cell.textContent))"
        )
    };
    page.tells(&of("fills", "true"), &newest(fills.iter().map(fill_row).collect())).await;
    page.tells(&of("orders", "true"), &newest(orders.iter().map(order_row).collect())).await;
    page.tells(&of("positions", "i !== 3"), &json!(positions.iter().map(position_row).collect::<Vec<_>>())).await;
    for (id, rows) in [("orders", &orders), ("fills", &fills)] {
        page.tells(&format!("document.getElementById('{id}-count').textContent"), &json!(format!("({})", rows.len())))
            .await;
    }
    let money = "[...document.querySelectorAll('#money div')].map((row) => \
        [row.children[0].textContent, row.children[1].textContent, row.children[1].getAttribute('title')])";
    page.tells(money, &money_rows(&account)).await;
    let limits = "[...document.querySelectorAll('#limits tr')].map((row) => \
        [row.cells[0].textContent, row.querySelector('meter')?.value ?? null, row.cells[2].textContent])";
    let rows: Vec<Value> = account["limits"].as_array().unwrap().iter().map(limit_row).collect();
    page.tells(limits, &json!(rows)).await;
    // A bar's age goes on from where the market stands.
    let ages =
        page.value("[...document.querySelectorAll('#positions tr')].map((row) => row.cells[3].textContent)").await;
    for (row, age) in positions.iter().zip(ages.as_array().unwrap()) {
        let at = |value: &Value| chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
        let least = (at(&account["market_time"]) - at(&row["last_bar_end"])).num_seconds();
        let (number, unit) = age.as_str().unwrap().split_once(' ').unwrap();
        let seconds = number.parse::<f64>().unwrap() * if unit == "s" { 1.0 } else { 60.0 };
        assert!(seconds + 30.0 >= least as f64 && seconds < 7_200.0, "{row} {age}");
    }
}

/// The chart's bars and fills, and what can be taken away as CSV.
async fn is_drawn_and_exported(page: &mut Page, served: &Served) {
    let (fills, orders) = (served.list("fills").await, served.list("orders").await);
    page.value(
        "import('/state.js').then(({ S }) => { window.barsOf = (symbol) => S.bars.get(symbol) ?? []; \
         window.texts = []; URL.createObjectURL = (blob) => { blob.text().then((text) => texts.push(text)); return ''; }; \
         HTMLAnchorElement.prototype.click = () => {}; return true; })",
    )
    .await;
    for symbol in served.list("positions").await.iter().map(|row| row["symbol"].as_str().unwrap()) {
        let bars = served.get(&format!("/api/v1/bars?limit=5000&symbol={symbol}")).await["bars"].clone();
        page.tells(&format!("barsOf('{symbol}')"), &bars).await;
        let name =
            format!("[...document.querySelectorAll('#positions button')].find((b) => b.textContent === '{symbol}')");
        page.value(&format!("{name}.click(); document.querySelector('[data-chart=all]').click(); true")).await;
        page.until(&format!("document.getElementById('h-chart').textContent.includes('{symbol}')")).await;
        page.value("document.querySelector('[data-chart=all]').click(); true").await;
        let of_it = fills.iter().filter(|fill| fill["symbol"] == symbol).count();
        page.tells("document.getElementById('chart').dataset.fills", &json!(of_it.to_string())).await;
        let points = format!(
            "[...document.querySelectorAll('#positions tr')].find((row) => row.cells[0].textContent === '{symbol}') \
             .querySelector('polyline').getAttribute('points').split(' ').length"
        );
        page.tells(&points, &json!(bars.as_array().unwrap().len().min(60))).await;
    }
    for (id, rows) in [("fills", &fills), ("orders", &orders)] {
        page.value(&format!("texts.length = 0; document.getElementById('{id}-csv').click(); true")).await;
        page.until("texts.length === 1").await;
        let csv = page.value("texts[0]").await;
        let mut lines = csv.as_str().unwrap().split("\r\n");
        let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
        assert!(columns.len() >= 9, "{columns:?}");
        let cell = |value: &Value| if value.is_null() { "\"\"".to_owned() } else { format!("\"{}\"", text(value)) };
        let line = |row: &Value| columns.iter().map(|column| cell(&row[*column])).collect::<Vec<_>>().join(",");
        assert_eq!(lines.collect::<Vec<_>>(), rows.iter().rev().map(line).collect::<Vec<_>>(), "{id}");
    }
}

/// A word of an enumeration, as the API writes it.
fn word(value: impl std::fmt::Debug) -> String {
    let mut text = String::new();
    for c in format!("{value:?}").chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

/// All of an order's row that the book has: its life is told by facts, not by the book.
fn journaled_order(order: &OrderRecord) -> Vec<String> {
    let ticket = &order.ticket;
    let (trigger, limit) = match ticket.kind {
        OrderKind::Market => (None, None),
        OrderKind::Limit { limit } => (None, Some(limit)),
        OrderKind::Stop { trigger } => (Some(trigger), None),
        OrderKind::StopLimit { trigger, limit } => (Some(trigger), Some(limit)),
        OrderKind::Trail { trigger, .. } => (trigger, None),
    };
    let words = [ticket.side.as_str(), &ticket.quantity.0.to_string(), ticket.kind.as_str(), ticket.tif.as_str()];
    vec![
        when(&json!(order.at)),
        ticket.order_ref.intent.to_string(),
        order.symbol.as_ref().unwrap().to_string(),
        word(ticket.role),
        words.join(" "),
        order.filled.0.to_string(),
        priced(&json!(trigger), &json!(limit)),
        word(order.state),
    ]
}

fn sorted(rows: &Value) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = serde_json::from_value(rows.clone()).unwrap();
    rows.sort();
    rows
}

/// The page has the journal's numbers: every fill, order and position, and the money that they add up to.
async fn is_the_journals(page: &mut Page, served: &Served, book: &Book) {
    let role = |intent: u64| word(book.order(intent).unwrap().ticket.role);
    let fill = |fill: &robo_trader::domain::book::FillRecord| {
        let execution = &fill.execution;
        vec![
            when(&json!(execution.at)),
            execution.symbol.to_string(),
            execution.side.as_str().to_owned(),
            role(fill.intent),
            execution.quantity.0.to_string(),
            text(&json!(execution.price)),
            text(&json!(fill.commission)),
            fill.intent.to_string(),
        ]
    };
    let fills: Vec<Vec<String>> = book.fills().map(fill).collect();
    assert!((20..=ROWS).contains(&fills.len()), "{} fills: enough, and all of them are shown", fills.len());
    assert_eq!(sorted(&page.table("fills").await), sorted(&json!(fills)));
    let orders: Vec<Vec<String>> = book.orders().map(journaled_order).collect();
    let shown: Vec<Vec<String>> = sorted(&page.table("orders").await);
    let shown = shown.into_iter().map(|row| row[..8].to_vec()).collect::<Vec<_>>();
    assert!(orders.len() <= ROWS, "all orders are shown");
    assert_eq!(sorted(&json!(shown)), sorted(&json!(orders)));
    // What is held, at the last close that the page shows.
    let (mut worth, mut unrealized, mut held) = (Usd::ZERO, Usd::ZERO, 0);
    let prices = served.list("positions").await;
    let table = page.table("positions").await;
    for (id, position) in book.positions() {
        let symbol = json!(book.symbol(id).unwrap());
        let row = table.as_array().unwrap().iter().find(|row| row[0] == symbol).expect("every symbol has a row");
        let price = &prices.iter().find(|row| row["symbol"] == symbol).unwrap()["last_close_usd"];
        assert_eq!(row[1], *price);
        let price = Price::of(price.as_str().unwrap().parse().unwrap());
        assert_eq!(row[5], json!(position.quantity().0.to_string()));
        assert_eq!(row[6], usd(&json!(position.average_price()), 4));
        assert_eq!(row[8], book.live_in(id).count().to_string());
        assert_eq!(row[9], usd(&json!(position.unrealized(price)), 2));
        assert_eq!(row[10], usd(&json!(position.realized), 2));
        worth += position.market_value(price);
        unrealized += position.unrealized(price);
        held += i32::from(!position.quantity().is_zero());
    }
    assert!(held > 0, "something is held, so that what is unrealized can be wrong");
    let equity = book.cash().unwrap() + worth;
    let day = book.day().unwrap();
    let exact = "[...document.querySelectorAll('#money div')].slice(0, 6).map((row) => row.children[1].title)";
    let told = page.value(exact).await;
    let told: Vec<Decimal> =
        told.as_array().unwrap().iter().map(|text| text.as_str().unwrap().parse().unwrap()).collect();
    let wanted = [equity, equity - day.equity - day.adjusted, book.realized(), unrealized, book.fees()];
    assert_eq!(
        told,
        [&wanted[..], &[book.cash().unwrap()]].concat().iter().map(|usd| usd.decimal()).collect::<Vec<_>>()
    );
    let counts = format!("{} / {}", book.counts().orders, book.counts().executions);
    page.tells("document.querySelectorAll('#money dd')[8].textContent", &json!(counts)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cell_of_the_page_is_the_apis_and_the_journals() {
    let Some(browser) = browser() else { return };
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (symbol, base, period) in [("AAA", 50.0, 40.0), ("BBB", 20.0, 33.0), ("CCC", 290.0, 55.0)] {
        write_waves(data.path(), symbol, &[3], base, period);
    }
    let pairs = [
        ("SYMBOLS", "AAA,BBB,CCC"),
        ("STRATEGY_PARAMS", "fast=3,slow=8"),
        ("DATA_BAR_SIZE", "1 min"),
        ("DATA_DURATION", "1 D"),
        ("CALENDAR", "XNYS"),
        ("RISK_STOP_LOSS_PCT", "0.004"),
        ("RISK_TAKE_PROFIT_PCT", "0.02"),
    ];
    let board = Board::new();
    let served = Served::of(Arc::clone(&board), config(dir.path())).await;
    // It is open before the first session, and hears all of the day.
    let mut page = Page::open(&browser, &format!("http://{}/", served.address), 1400, 1000).await;
    page.until("document.getElementById('trading')?.textContent === 'trading: starting'").await;
    let (simulator, daemon) =
        played(data.path(), dir.path(), true, &pairs, SimulatorConfig::default(), Some(board)).await;
    // A lock is words in a row.
    assert_eq!(served.command("halt", &json!({ "symbol": "BBB", "reason": "earnings" })).await.status, 200);
    page.until("document.getElementById('positions').textContent.includes('earnings')").await;
    is_the_apis(&mut page, &served).await;
    is_drawn_and_exported(&mut page, &served).await;
    is_the_journals(&mut page, &served, &book(dir.path())).await;
    page.picture("numbers").await;
    // One that comes now is told the same by a snapshot and the API's lists.
    page.call("Page.navigate", json!({ "url": format!("http://{}/", served.address) })).await;
    page.until("document.querySelectorAll('#fills tr').length > 5").await;
    is_the_apis(&mut page, &served).await;
    is_the_journals(&mut page, &served, &book(dir.path())).await;
    quiet(&mut page, &format!("http://{}/", served.address)).await;
    daemon.stop().await.1.unwrap();
    simulator.stop().await.unwrap();
    served.stop().await;
}
