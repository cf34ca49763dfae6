//! What the journal says, as lists: with the daemon that writes it, and without.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use cli_support::{Daemon, Place};
use serde_json::Value;

fn busy(place: &Place) -> Daemon {
    let words = "run --simulator --symbols AAPL,NVDA --speed 60 --param fast=2 --param slow=5 \
                 --set RISK_MAX_LOSSES=1000000 --set RISK_STOP_LOSS_PCT=0.1";
    place.start(&[], &words.split_whitespace().collect::<Vec<_>>())
}

/// A list as JSON.
#[track_caller]
fn list(place: &Place, arguments: &[&str]) -> Value {
    let told = place.tell(&[arguments, &["--json"]].concat()).ends(0, &[]);
    serde_json::from_str(&told.out).unwrap()
}

#[track_caller]
fn rows<'a>(list: &'a Value, name: &str) -> &'a [Value] {
    list[name].as_array().unwrap()
}

/// A place whose daemon has traded, and has ended.
fn traded() -> Place {
    let place = Place::new();
    let mut daemon = busy(&place);
    for _ in 0..6 {
        daemon.says("fill: ");
    }
    daemon.ends_well_on("TERM");
    place
}

#[test]
fn lists_add_up_to_each_other_and_say_that_no_daemon_runs() {
    let place = traded();
    let fills = list(&place, &["fills", "--limit", "0"]);
    let (all, total) = (rows(&fills, "fills"), fills["total"].as_u64().unwrap());
    assert!(total >= 6 && all.len() as u64 == total);
    assert_eq!(fills["source"]["daemon"], false);
    assert_eq!(fills["source"]["account"], "DU1234567");
    // What is held is what was bought less what was sold.
    let positions = list(&place, &["positions"]);
    for symbol in ["AAPL", "NVDA"] {
        let signed =
            |fill: &&Value| fill["quantity_shares"].as_i64().unwrap() * if fill["side"] == "BUY" { 1 } else { -1 };
        let bought: i64 = all.iter().filter(|fill| fill["symbol"] == symbol).map(|fill| signed(&fill)).sum();
        let held = rows(&positions, "positions").iter().find(|row| row["symbol"] == symbol);
        assert_eq!(held.map_or(0, |row| row["quantity_shares"].as_i64().unwrap()), bought, "{symbol}");
        // Without a daemon nobody knows a price of now.
        assert!(held.is_none_or(|row| row["last_close_usd"].is_null() && row["unrealized_usd"].is_null()));
    }
    // Profit of the days is that of the months and of all.
    let sums: Vec<Value> =
        ["day", "week", "month", "all"].map(|by| list(&place, &["pnl", by])["in_all"].clone()).into();
    assert!(sums.windows(2).all(|pair| pair[0]["realized_net_usd"] == pair[1]["realized_net_usd"]), "{sums:?}");
    assert_eq!(sums[0]["fills"], total);
    let orders = list(&place, &["orders", "--limit", "0"]);
    assert_eq!(sums[0]["orders"], orders["total"]);
    let filled: i64 = rows(&orders, "orders").iter().map(|order| order["filled_shares"].as_i64().unwrap()).sum();
    assert_eq!(filled, all.iter().map(|fill| fill["quantity_shares"].as_i64().unwrap()).sum::<i64>());
    assert!(rows(&list(&place, &["signals"]), "signals").iter().any(|row| row["what"] == "target"));
    // As text: a table, a last line that tells of which ledger, a word that nobody trades it now.
    let told = place.tell(&["fills", "--limit", "2"]).ends(0, &["no daemon trades this ledger now"]);
    assert_eq!(told.out.lines().count(), 4, "{}", told.out);
    assert!(told.out.contains("fills: 2 of ") && told.out.contains("ledger of DU1234567 (simulator)"), "{}", told.out);
    assert!(!told.out.contains('\u{1b}'), "no colours where nobody looks");
}

#[test]
fn lists_are_cut_by_symbol_and_time_and_wrong_words_are_refused() {
    let place = traded();
    let aapl = list(&place, &["fills", "--symbol", "AAPL", "--limit", "0"]);
    let nvda = list(&place, &["fills", "--symbol", "NVDA", "--limit", "0"]);
    let all = list(&place, &["fills", "--limit", "0"]);
    assert_eq!(aapl["total"].as_u64().unwrap() + nvda["total"].as_u64().unwrap(), all["total"].as_u64().unwrap());
    let third = rows(&all, "fills")[3]["at"].as_str().unwrap();
    let after = list(&place, &["fills", "--since", third, "--limit", "0"]);
    let before = list(&place, &["fills", "--until", third, "--limit", "0"]);
    assert!(rows(&after, "fills").iter().all(|fill| fill["at"].as_str().unwrap() >= third));
    assert_eq!(after["total"].as_u64().unwrap() + before["total"].as_u64().unwrap(), all["total"].as_u64().unwrap());
    place.tell(&["fills", "--since", "yesterday"]).ends(2, &["use 2026-11-24"]);
    place.tell(&["fills", "--venue", "ibkr"]).ends(1, &["no ledger under"]);
    place.tell(&["orders", "--account", "DU9"]).ends(1, &["no ledger under"]);
    // A journal of a second account: which one is meant has to be said.
    let other = place.state().join("ibkr").join("DU7");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::copy(place.journal(), other.join("journal.db")).unwrap();
    place.tell(&["fills"]).ends(2, &["several ledgers: ibkr DU7, simulator DU1234567", "--venue"]);
    place.tell(&["fills", "--venue", "simulator"]).ends(0, &[]);
    std::fs::write(other.join("journal.db"), "no database").unwrap();
    place.tell(&["fills", "--venue", "ibkr"]).ends(4, &["cannot open the journal"]);
}

#[test]
fn a_running_daemon_gives_prices_of_now_and_cancels_an_order_by_its_number() {
    let place = Place::new();
    place.tell(&["positions"]).ends(1, &["no ledger under"]);
    let mut daemon = busy(&place);
    daemon.says("fill: ");
    // The commands themselves take the time.
    let held = (0..2_000).find_map(|_| {
        let positions = list(&place, &["positions"]);
        let row = rows(&positions, "positions").first().filter(|row| !row["last_close_usd"].is_null()).cloned();
        assert_eq!(positions["source"]["daemon"], true);
        row
    });
    let held = held.expect("something is held, with a price");
    assert!(held["protection"].as_str().unwrap().starts_with("STP "), "{held}");
    place.tell(&["cancel", "999999"]).ends(2, &["order 999999 is not in the ledger"]);
    place.tell(&["cancel", "AAPL"]).ends(2, &["rt-LEDGER-NUMBER"]);
    place.tell(&["cancel", "1"]).ends(3, &["order 1 "]);
    daemon.ends_well_on("TERM");
}
