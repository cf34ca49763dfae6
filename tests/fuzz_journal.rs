//! Journals whose rows say anything: each is read as what it is or refused by its number, and never
//! guessed at; and the words that orders and operators are named by.
//!
//! `PROPTEST_CASES=100000 cargo test --release --test fuzz_journal` runs them long.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fuzz;

use std::path::Path;

use fuzz::{cases, scratched};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use robo_trader::domain::OrderRef;
use robo_trader::domain::book::{Book, Fact};
use robo_trader::journal::Journal;
use robo_trader::journal::sqlite::SqliteJournal;
use rusqlite::{Connection, params};

/// Bodies as they are written: of orders, fills, costs, ledgers and locks.
const BODIES: [(&str, &str); 9] = [
    ("ledger.opened", r#"{"subject":"ledger","what":"opened","ledger":"k3x9","venue":"ibkr","account":"DU1"}"#),
    ("ledger.funded", r#"{"subject":"ledger","what":"funded","cash":"100000"}"#),
    ("session.ready", r#"{"subject":"session","what":"ready","number":1,"client_id":7,"next_order_id":1}"#),
    ("day.opened", r#"{"subject":"day","what":"opened","day":"2026-06-05","equity":"100000"}"#),
    ("target.accepted", r#"{"subject":"target","what":"accepted","value":1.0,"size":100,"stale":false}"#),
    (
        "order.intended",
        r#"{"subject":"order","what":"intended","ticket":{"order_id":1,"order_ref":"rt-k3x9-1","account":"DU1","contract":101,"role":"Entry","side":"BUY","quantity":100,"kind":"Market","tif":"DAY","outside_rth":false,"oca_group":null,"parent_id":null,"transmit":true},"session":1,"reference":"50.10"}"#,
    ),
    (
        "fill.executed",
        r#"{"subject":"fill","what":"executed","intent":1,"execution":{"id":"0001.00000003.01.01","at":"2026-06-05T16:00:20Z","account":"DU1","contract":101,"symbol":"AAA","side":"BUY","quantity":100,"price":"50.10","client_id":7,"order_id":1,"perm_id":1001,"order_ref":"rt-k3x9-1","is_liquidation":false}}"#,
    ),
    (
        "fill.costed",
        r#"{"subject":"fill","what":"costed","commission":{"execution":"0001.00000003.01.01","amount":"1","currency":"USD"}}"#,
    ),
    ("incident", r#"{"subject":"incident","name":"test","text":"nothing"}"#),
];

#[derive(Debug, Clone)]
struct Row {
    at: String,
    symbol: Option<String>,
    contract: Option<i64>,
    kind: String,
    version: i64,
    body: String,
}

fn row() -> impl Strategy<Value = Row> {
    let at = prop_oneof![
        6 => Just("2026-06-05T16:00:20Z".to_owned()),
        1 => Just("+262143-01-01T00:00:00Z".to_owned()),
        1 => ".{0,30}",
    ];
    let symbol = prop_oneof![4 => Just(Some("AAA".to_owned())), 1 => Just(None), 1 => ".{0,30}".prop_map(Some)];
    let contract = prop_oneof![4 => Just(Some(101)), 1 => Just(None), 1 => any::<i64>().prop_map(Some)];
    let known = (0..BODIES.len(), body()).prop_map(|(index, change)| {
        let (kind, body) = BODIES[index];
        (kind.to_owned(), change.of(body))
    });
    let said = prop_oneof![
        8 => known,
        1 => (prop::sample::select(Fact::KINDS.to_vec()), ".{0,60}").prop_map(|(kind, body)| (kind.to_owned(), body)),
        1 => (".{0,20}", ".{0,60}"),
    ];
    let version = prop_oneof![9 => Just(1_i64), 1 => any::<i64>()];
    (at, symbol, contract, said, version).prop_map(|(at, symbol, contract, (kind, body), version)| Row {
        at,
        symbol,
        contract,
        kind,
        version,
        body,
    })
}

/// How a body is changed: not at all, in one of its numbers, or anywhere.
#[derive(Debug, Clone)]
enum Change {
    None,
    Number(usize, String),
    Scratch(fuzz::Scratch),
}

fn body() -> impl Strategy<Value = Change> {
    let number = prop_oneof![
        "-?[0-9]{1,30}",
        "-?[0-9]{1,29}\\.[0-9]{0,29}",
        Just(i64::MAX.to_string()),
        Just(i64::MIN.to_string()),
        Just(u64::MAX.to_string()),
        Just("79228162514264337593543950335".to_owned()),
        Just("-79228162514264337593543950335".to_owned()),
        Just("0.0000000000000000000000000001".to_owned()),
        Just("-1".to_owned()),
        Just("0".to_owned()),
    ];
    prop_oneof![
        3 => Just(Change::None),
        4 => (0_usize..20, number).prop_map(|(nth, number)| Change::Number(nth, number)),
        3 => scratched().prop_map(Change::Scratch),
    ]
}

impl Change {
    fn of(&self, body: &str) -> String {
        match self {
            Self::None => body.to_owned(),
            Self::Scratch(scratch) => String::from_utf8_lossy(&scratch.of(body.as_bytes())).into_owned(),
            Self::Number(nth, number) => {
                // The nth run of digits becomes another number.
                let digit = |c: char| c.is_ascii_digit() || c == '.';
                let mut runs = Vec::new();
                let mut from = None;
                for (at, c) in body.char_indices() {
                    match (digit(c), from) {
                        (true, None) => from = Some(at),
                        (false, Some(start)) => {
                            runs.push(start..at);
                            from = None;
                        }
                        (true, Some(_)) | (false, None) => {}
                    }
                }
                let Some(run) = runs.get(nth % runs.len().max(1)) else { return body.to_owned() };
                format!("{}{number}{}", &body[..run.start], &body[run.end..])
            }
        }
    }
}

fn write(path: &Path, rows: &[Row]) {
    let connection = Connection::open(path).unwrap();
    // Nothing of it has to survive a power cut.
    connection.execute_batch("PRAGMA synchronous = OFF; BEGIN; DELETE FROM facts").unwrap();
    for (seq, row) in (1_i64..).zip(rows) {
        connection
            .execute(
                "INSERT INTO facts VALUES (?1, ?2, ?2, 'DU1', 'sma-cross', ?3, ?4, ?5, ?6, ?7)",
                params![seq, row.at, row.symbol, row.contract, row.kind, row.version, row.body],
            )
            .unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
}

#[test]
fn no_row_panics_or_is_guessed_at() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    drop(SqliteJournal::open(&path, "DU1").unwrap());
    TestRunner::new(cases(2_000))
        .run(&prop::collection::vec(row(), 1..14), |rows| {
            write(&path, &rows);
            let (mut book, mut read) = (Book::default(), 0);
            let replayed = SqliteJournal::open_read_only(&path).unwrap().replay(1, &mut |row| {
                read += 1;
                book.apply(&row.record);
            });
            match replayed {
                Ok(()) => prop_assert_eq!(read, rows.len()),
                // The first that cannot be read is named, and nothing behind it was taken.
                Err(error) => {
                    let text = error.to_string();
                    prop_assert!(text.contains(&format!("record {}", read + 1)), "{} after {read} rows", text);
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_bodies_of_this_test_are_those_of_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    drop(SqliteJournal::open(&path, "DU1").unwrap());
    let rows: Vec<Row> = BODIES
        .iter()
        .map(|(kind, body)| Row {
            at: "2026-06-05T16:00:20Z".into(),
            symbol: Some("AAA".into()),
            contract: Some(101),
            kind: (*kind).into(),
            version: 1,
            body: (*body).into(),
        })
        .collect();
    write(&path, &rows);
    let mut read = 0;
    SqliteJournal::open_read_only(&path).unwrap().replay(1, &mut |_| read += 1).unwrap();
    assert_eq!(read, BODIES.len());
}

#[test]
fn no_order_reference_panics_and_ours_read_back() {
    let text = prop_oneof![".{0,60}", "rt-[a-z0-9]{0,20}-[0-9]{0,25}", "rt-.{0,30}"];
    TestRunner::new(cases(5_000))
        .run(&text, |text| {
            if let Ok(reference) = text.parse::<OrderRef>() {
                prop_assert!(reference.to_string().len() <= 40);
                prop_assert_eq!(reference.to_string().parse(), Ok(reference));
            }
            Ok(())
        })
        .unwrap();
}
