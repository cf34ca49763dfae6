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
fn where_the_system_has_a_deeper_sync_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir.path().join("journal.db"));
    for pragma in ["fullfsync", "checkpoint_fullfsync"] {
        let on: i64 = journal.connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).unwrap();
        assert_eq!(on, 1, "{pragma}");
    }
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
fn a_file_that_somebody_has_emptied_is_no_new_journal_and_one_that_is_moved_away_takes_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let mut writer = journal(&path);
    append(&mut writer, "a").unwrap();
    let away = dir.path().join("elsewhere.db");
    std::fs::rename(&path, &away).unwrap();
    let error = append(&mut writer, "b").unwrap_err();
    assert!(matches!(error, JournalError::Moved { .. }), "{error}");
    let error = writer.append_at_once(&[incident("b")], MarketTime::from_secs(9)).unwrap_err();
    assert!(matches!(error, JournalError::Moved { .. }), "{error}");
    std::fs::rename(&away, &path).unwrap();
    append(&mut writer, "c").unwrap();
    drop(writer);
    let kept = read(&mut journal(&path), 1).unwrap().into_iter().map(|row| row.record);
    assert!(kept.eq(["a", "a", "c", "c"].map(incident)));
    std::fs::write(&path, "").unwrap();
    for opened in [SqliteJournal::open(&path, "DU1"), SqliteJournal::open_read_only(&path)] {
        let error = opened.unwrap_err();
        assert!(matches!(error, JournalError::Empty { .. }) && error.to_string().contains("backup"), "{error}");
    }
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0, "nothing was changed");
}

#[test]
fn a_creation_that_was_cut_short_leaves_no_half_of_a_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    std::fs::write(path.with_extension("db.new"), "half").unwrap();
    append(&mut journal(&path), "a").unwrap();
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["journal.db"]);
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
        assert!(writer.append(&[incident("a")].into(), Durability::Process).await.is_err());
    }
    writer.close();
}

#[tokio::test]
async fn what_needs_no_disk_is_written_at_once_and_a_lock_is_left_to_the_thread() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let mut at_once = journal(&path);
    assert!(at_once.append_at_once(&[incident("a")], MarketTime::from_secs(9)).unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(!at_once.append_at_once(&[incident("b")], MarketTime::from_secs(9)).unwrap(), "it waits for nobody");
    let writer = Writer::start(Box::new(at_once)).unwrap();
    let batch = [incident("b"), incident("c")].into();
    let mut waits = Box::pin(writer.append(&batch, Durability::Process));
    assert!(futures::poll!(waits.as_mut()).is_pending());
    other.execute_batch("ROLLBACK").unwrap();
    waits.await.unwrap();
    for text in ["d", "e"] {
        let durability = if text == "d" { Durability::Process } else { Durability::PowerCut };
        writer.append(&[incident(text)].into(), durability).await.unwrap();
    }
    writer.close();
    let rows = read(&mut journal(&path), 1).unwrap();
    assert_eq!(rows.into_iter().map(|row| row.record).collect::<Vec<_>>(), ["a", "b", "c", "d", "e"].map(incident));
}

#[tokio::test]
async fn the_log_is_written_back_when_it_has_grown_and_no_append_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let mut writer = journal(&path);
    let size = || std::fs::metadata(&path).unwrap().len();
    let empty = size();
    while !writer.is_untidy() {
        assert!(writer.append_at_once(&[incident("a")], MarketTime::from_secs(9)).unwrap());
    }
    assert_eq!(size(), empty, "all of it is in the log");
    writer.tidy();
    assert!(size() > empty && !writer.is_untidy());
    let tidied = size();
    while !writer.is_untidy() {
        writer.append(&[incident("b")], Durability::Process, MarketTime::from_secs(9)).unwrap();
    }
    assert_eq!(size(), tidied, "no append waits for it");
    let writer = Writer::start(Box::new(writer)).unwrap();
    // The second waits behind what the first has left to be done.
    for text in ["c", "d"] {
        writer.append(&[incident(text)].into(), Durability::PowerCut).await.unwrap();
    }
    assert!(size() > tidied);
    writer.close();
}

fn journal(path: &std::path::Path) -> SqliteJournal {
    SqliteJournal::open(path, "DU1").unwrap()
}

fn append(journal: &mut SqliteJournal, text: &str) -> Result<(), JournalError> {
    journal.append(&[incident(text), incident(text)], Durability::PowerCut, MarketTime::from_secs(9))
}

/// What an operator reads names the file and what to do; nothing of the failed batch is kept, and
/// once the trouble is over the journal goes on where it was.
fn told_and_whole(path: &std::path::Path, error: &JournalError, parts: &[&str]) {
    let text = error.to_string();
    for part in parts.iter().chain(&["journal.db"]) {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    let mut again = journal(path);
    let before = read(&mut again, 1).unwrap();
    assert!(before.iter().all(|row| row.record == incident("kept")), "{before:?}");
    append(&mut again, "kept").unwrap();
    assert_eq!(read(&mut again, 1).unwrap().len(), before.len() + 2);
}

#[test]
fn a_full_disk_is_told_and_keeps_nothing_of_the_batch() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let mut full = journal(&path);
    append(&mut full, "kept").unwrap();
    full.limit_pages(1).unwrap();
    let error = append(&mut full, &"too large ".repeat(10_000)).unwrap_err();
    assert!(matches!(error, JournalError::Store { trouble: Trouble::Disk, .. }), "{error:?}");
    drop(full);
    told_and_whole(&path, &error, &["full", "make room"]);
}

#[test]
fn a_journal_that_may_not_be_written_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let mut writer = journal(&path);
    append(&mut writer, "kept").unwrap();
    writer.forbid_writing().unwrap();
    let error = append(&mut writer, "lost").unwrap_err();
    assert!(matches!(error, JournalError::Store { trouble: Trouble::ReadOnly, .. }), "{error:?}");
    drop(writer);
    told_and_whole(&path, &error, &["readonly", "permissions"]);
}

#[test]
fn a_short_lock_is_waited_for_and_a_long_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let mut writer = journal(&path);
    append(&mut writer, "kept").unwrap();
    writer.tries = 1;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = append(&mut writer, "lost").unwrap_err();
    assert!(matches!(error, JournalError::Store { trouble: Trouble::Locked, .. }), "{error:?}");
    // The lock goes while the writer waits.
    writer.tries = 60;
    let release = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        other.execute_batch("ROLLBACK").unwrap();
    });
    append(&mut writer, "kept").unwrap();
    release.join().unwrap();
    // A reader in the middle of its reading keeps nobody waiting.
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM facts").unwrap();
    writer.tries = 1;
    append(&mut writer, "kept").unwrap();
    drop((reader, writer));
    told_and_whole(&path, &error, &["locked", "fuser"]);
}

#[test]
fn a_record_that_is_missing_or_filed_wrongly_refuses_to_start() {
    let dir = tempfile::tempdir().unwrap();
    for (index, (change, part)) in [
        ("DELETE FROM facts WHERE seq = 2", "no record 2"),
        ("DELETE FROM facts WHERE seq = 1", "no record 1"),
        ("UPDATE facts SET seq = -1 WHERE seq = 1", "no record 1"),
        ("UPDATE facts SET kind = 'refused' WHERE seq = 2", "record 2"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = dir.path().join(format!("{index}.db"));
        let mut journal = journal(&path);
        append(&mut journal, "a").unwrap();
        append(&mut journal, "b").unwrap();
        Connection::open(&path).unwrap().execute_batch(change).unwrap();
        let error = read(&mut journal, 1).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_damaged_or_cut_file_is_told_at_the_start_and_never_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let mut writer = journal(&path);
    for _ in 0..200 {
        append(&mut writer, "kept").unwrap();
    }
    drop(writer);
    let whole = std::fs::read(&path).unwrap();
    let middle = whole.len() / 2 / 4_096 * 4_096;
    let mut scratched = whole.clone();
    scratched[middle..middle + 4_096].fill(0xA5);
    for (what, bytes) in [
        ("a corrupt page", scratched),
        ("cut at a page", whole[..middle].to_vec()),
        ("cut within a page", whole[..middle + 100].to_vec()),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let error = SqliteJournal::open(&path, "DU1").unwrap_err().to_string();
        assert!(error.contains("journal.db") && error.contains("backup"), "{what}: {error}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{what}: the file was changed");
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(read(&mut journal(&path), 1).unwrap().len(), 400);
}
