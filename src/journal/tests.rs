//! What is appended is read back; what is not ours or not known is refused, and said why.

use rusqlite::Connection;

use super::sqlite::SqliteJournal;
use super::*;
use crate::domain::book::{Fact, IncidentFact, LockCause, LockFact, LockScope};

fn incident(text: &str) -> Record {
    let fact = Fact::Incident(IncidentFact::new("test", text));
    Record {
        at: MarketTime::from_secs(5),
        strategy: Some("s".into()),
        symbol: "AAPL".parse().ok(),
        contract: None,
        fact,
    }
}

fn read(journal: &mut SqliteJournal, from: u64) -> Result<Vec<Row>, JournalError> {
    let mut rows = Vec::new();
    journal.replay(from, &mut |row| rows.push(row))?;
    Ok(rows)
}

#[test]
fn what_is_appended_is_read_back_from_any_record_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/journal.db");
    let batch = [incident("a"), incident("b"), incident("c")];
    SqliteJournal::open(&path, "DU1")
        .unwrap()
        .append(&batch, Durability::PowerCut, MarketTime::MIN.max(MarketTime::from_secs(9)))
        .unwrap();
    let mut journal = SqliteJournal::open(&path, "DU1").unwrap();
    let rows = read(&mut journal, 1).unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(rows.iter().zip(&batch).all(|(row, record)| row.record == *record));
    assert_eq!(read(&mut journal, 3).unwrap().len(), 1);
    assert_eq!(read(&mut SqliteJournal::open_read_only(&path).unwrap(), 1).unwrap().len(), 3);
}

#[test]
fn an_unknown_kind_or_version_or_an_unreadable_body_refuses_to_start() {
    let dir = tempfile::tempdir().unwrap();
    for (index, (change, part)) in [
        ("UPDATE facts SET kind = 'order.teleported'", "order.teleported"),
        ("UPDATE facts SET version = 9", "version 9"),
        ("UPDATE facts SET body = '{}'", "record 1"),
        ("UPDATE facts SET at = 'yesterday'", "yesterday"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = dir.path().join(format!("{index}.db"));
        let mut journal = SqliteJournal::open(&path, "DU1").unwrap();
        journal.append(&[incident("a")], Durability::Process, MarketTime::from_secs(9)).unwrap();
        Connection::open(&path).unwrap().execute_batch(change).unwrap();
        let error = read(&mut journal, 1).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn other_files_and_later_versions_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text.db");
    std::fs::write(&text, "this is not a database, it is a letter to my aunt, and a long one").unwrap();
    assert!(matches!(SqliteJournal::open(&text, "DU1"), Err(JournalError::Open { .. })));
    let other = dir.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(SqliteJournal::open(&other, "DU1"), Err(JournalError::Schema { .. })));
    let later = dir.path().join("later.db");
    drop(SqliteJournal::open(&later, "DU1").unwrap());
    Connection::open(&later).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(matches!(SqliteJournal::open(&later, "DU1"), Err(JournalError::Schema { found: 99, .. })));
}

#[test]
fn people_can_query_incidents_and_the_other_views() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let mut journal = SqliteJournal::open(&path, "DU1").unwrap();
    let lock = Fact::Lock(LockFact::Set {
        scope: LockScope::Account,
        cause: LockCause::DailyLoss,
        why: "loss".into(),
        until: None,
        until_at: None,
    });
    let records = [incident("a"), Record { fact: lock, ..incident("") }];
    journal.append(&records, Durability::Process, MarketTime::from_secs(9)).unwrap();
    let connection = Connection::open(&path).unwrap();
    let texts: Vec<String> = connection
        .prepare("SELECT text FROM incidents ORDER BY seq")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(texts, ["a", "loss"]);
    for view in ["orders", "fills", "positions", "refusals"] {
        let count: i64 = connection.query_row(&format!("SELECT count(*) FROM {view}"), [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{view}");
    }
}

#[tokio::test]
async fn a_writer_that_failed_says_so_and_stays_stopped() {
    struct Full;
    impl Journal for Full {
        fn append(&mut self, _: &[Record], _: Durability, _: MarketTime) -> Result<(), JournalError> {
            Err(JournalError::Stopped)
        }
        fn replay(&mut self, _: u64, _: &mut dyn FnMut(Row)) -> Result<(), JournalError> {
            Ok(())
        }
    }
    let writer = Writer::start(Box::new(Full)).unwrap();
    for _ in 0..2 {
        assert!(writer.append(vec![incident("a")], Durability::Process).await.is_err());
    }
    writer.close();
}
