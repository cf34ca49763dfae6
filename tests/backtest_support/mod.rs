//! The binary as a user calls it for backtests, in a folder of generated bars.
#![allow(dead_code, clippy::unwrap_used, reason = "every test binary uses its part; one that cannot go on fails")]

use std::path::Path;

use assert_cmd::Command;

/// The binary, in a folder and an empty environment.
pub fn robo(dir: &Path, words: &str) -> Command {
    let mut command = Command::cargo_bin("robo-trader").unwrap();
    command.env_clear().current_dir(dir).args(words.split_whitespace());
    command
}

/// What a command prints that ends well.
#[track_caller]
pub fn says(dir: &Path, words: &str) -> String {
    String::from_utf8(robo(dir, words).assert().success().get_output().stdout.clone()).unwrap()
}

/// What a command complains of that ends with a code.
#[track_caller]
pub fn complains(dir: &Path, words: &str, code: i32) -> String {
    String::from_utf8(robo(dir, words).assert().code(code).get_output().stderr.clone()).unwrap()
}

/// A folder with three generated days (1,170 minutes) of each of these symbols, in `data`.
pub fn folder(symbols: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    says(dir.path(), &format!("bars generate --symbols {symbols} --bars 1170 --seed 7 --start 2024-01-02 --out data"));
    dir
}
