//! What a daemon refuses to start with: each told clearly, with the documented exit code, and
//! nothing changed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use cli_support::{Place, json};

/// A market that hardly moves: nothing happens while a test looks.
const STILL: [&str; 6] = ["run", "--simulator", "--symbols", "AAPL", "--speed", "0.001"];

#[test]
fn live_needs_confirmation_account_and_port() {
    let place = Place::new();
    let live = [("EXECUTION_MODE", "live"), ("IBKR_ACCOUNT", "U1234567"), ("IBKR_PORT", "7496")];
    place.tell_with(&live, &["run"]).ends(3, &["--confirm-live", "real money"]);
    place.tell_with(&[live[0], live[2]], &["run", "--confirm-live"]).ends(3, &["IBKR_ACCOUNT"]);
    place.tell_with(&live[..2], &["run", "--confirm-live"]).ends(3, &["7497", "paper port"]);
    assert!(!place.state().exists());
}

#[test]
fn paper_on_a_live_port_is_refused() {
    for port in ["7496", "4001"] {
        let place = Place::new();
        place.tell(&["run", "--port", port]).ends(3, &["EXECUTION_MODE=paper", port, "live port", "observe"]);
        assert!(!place.state().exists());
    }
}

#[test]
fn live_on_the_simulator_is_refused_and_no_ledger_begins() {
    let place = Place::new();
    let live = [("EXECUTION_MODE", "live"), ("IBKR_ACCOUNT", "U1234567"), ("IBKR_PORT", "7496")];
    place.tell_with(&live, &["run", "--simulator", "--confirm-live"]).ends(3, &["simulator", "EXECUTION_MODE=paper"]);
    assert!(!place.state().exists());
}

#[test]
fn a_journal_that_is_no_database_is_refused_and_left_as_it_is() {
    let place = Place::new();
    std::fs::create_dir_all(place.journal().parent().unwrap()).unwrap();
    let garbage = "this is no database, it only lies where one is expected. ".repeat(20);
    std::fs::write(place.journal(), &garbage).unwrap();
    place.tell(&STILL).ends(4, &["journal.db", "not a database", "from a backup"]);
    assert_eq!(std::fs::read_to_string(place.journal()).unwrap(), garbage);
}

#[test]
fn a_damaged_journal_is_refused_and_left_as_it_is() {
    let place = Place::new();
    let mut once = STILL.to_vec();
    once.push("--once");
    place.tell(&once).ends(0, &[]);
    let whole = std::fs::read(place.journal()).unwrap();
    let mut torn = whole.clone();
    // The header stays; everything behind it is noise.
    torn.iter_mut().skip(100).for_each(|byte| *byte ^= 0x5a);
    std::fs::write(place.journal(), &torn).unwrap();
    place.tell(&once).ends(4, &["journal"]);
    assert_eq!(std::fs::read(place.journal()).unwrap(), torn);
    for (change, part) in [
        ("UPDATE facts SET kind = 'order.imagined' WHERE seq = 2", "order.imagined"),
        ("UPDATE facts SET body = '{' WHERE seq = 2", "record 2 cannot be read"),
        ("PRAGMA user_version = 99", "schema version 99"),
    ] {
        std::fs::write(place.journal(), &whole).unwrap();
        rusqlite::Connection::open(place.journal()).unwrap().execute_batch(change).unwrap();
        place.tell(&once).ends(4, &[part]);
    }
    std::fs::write(place.journal(), &whole).unwrap();
    place.tell(&once).ends(0, &["journal replayed"]);
}

#[test]
fn a_journal_that_cannot_be_opened_is_refused() {
    let place = Place::new();
    std::fs::create_dir_all(place.journal()).unwrap();
    place.tell(&STILL).ends(4, &["journal.db"]);
}

#[test]
fn a_state_directory_that_cannot_be_made_is_refused() {
    let place = Place::new();
    place.file("taken", "a file, no directory");
    place.tell(&["run", "--state-dir", "taken"]).ends(3, &["taken", "permissions"]);
    place.tell(&["run", "--simulator", "--state-dir", "taken"]).ends(3, &["taken", "permissions"]);
}

#[test]
fn an_unknown_symbol_begins_no_ledger() {
    let place = Place::new();
    place.tell(&["run", "--simulator", "--symbols", "AAPL,ZZTOP"]).ends(2, &["ZZTOP", "check the spelling"]);
    assert!(!place.journal().exists());
    assert!(!place.journal().parent().unwrap().exists());
}

#[test]
fn bar_files_that_cannot_be_used_are_told() {
    let place = Place::new();
    let run = |dir: &str| place.tell(&["run", "--simulator", "--symbols", "AAPL", "--data", dir]);
    run("nowhere").ends(2, &["nowhere", "check that it exists"]);
    std::fs::create_dir(place.path("cwd").join("bars")).unwrap();
    run("bars").ends(2, &["bars holds no bar files", "SYMBOL-1min"]);
    place.file("bars/AAPL-1min-x.csv", "time,open,high,low,close,volume\n2024-06-03T13:30:00Z,10,9,8,10,1\n");
    run("bars").ends(2, &["AAPL-1min-x.csv", "line 2"]);
    assert!(!place.journal().exists());
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on() {
    let place = Place::new();
    let mut first = place.start(&[], &STILL);
    first.says("ready:");
    let holder = first.id().to_string();
    let exchange = place.state().join("simulator").join("exchange").join("simulator.json");
    let id = json(&exchange)["exchange_id"].clone();
    // Even one that wants to begin anew leaves the first one's exchange alone.
    let mut fresh = STILL.to_vec();
    fresh.push("--fresh");
    for arguments in [STILL.as_slice(), fresh.as_slice()] {
        let told = place.tell(arguments).ends(3, &["another robo-trader", &holder, "--state-dir"]);
        assert!(!told.err.contains("the simulator begins") && !told.err.contains("goes on"), "{told:#?}");
    }
    // One that would trade through a gateway meets the first at the state directory itself.
    place.tell(&["run", "--port", "4002"]).ends(3, &["another robo-trader", &holder, "--state-dir"]);
    first.ends_well_on("INT");
    assert_eq!(json(&exchange)["exchange_id"], id);
    let mut once = STILL.to_vec();
    once.push("--once");
    place.tell(&once).ends(0, &["journal replayed"]);
}

#[test]
fn a_simulator_of_another_market_is_not_mixed_up_with_the_kept_one() {
    let place = Place::new();
    let mut once = STILL.to_vec();
    once.push("--once");
    place.tell(&once).ends(0, &[]);
    let mut other = once.clone();
    other.extend(["--seed", "99"]);
    place.tell(&other).ends(2, &["seed 1", "seed 99", "--fresh"]);
    let exchange = place.state().join("simulator").join("exchange").join("simulator.json");
    let kept = std::fs::read(&exchange).unwrap();
    std::fs::write(&exchange, &kept[..kept.len() / 2]).unwrap();
    place.tell(&once).ends(4, &["simulator.json", "repair or move it away"]);
    assert_eq!(std::fs::read(&exchange).unwrap(), kept[..kept.len() / 2]);
    std::fs::write(&exchange, &kept).unwrap();
    place.tell(&once).ends(0, &["journal replayed"]);
}
