//! The text of a script strategy, from its file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::strategy::script::{LONGEST, Script, ScriptError, file_of};

/// The script that a strategy's name asks for; `None` where it asks for none. A relative path begins
/// at the working directory.
///
/// # Errors
/// The file cannot be read or is no script; the file and the reason, with the line where there is one.
pub(super) fn read(name: &str) -> Result<Option<Script>, ScriptError> {
    let Some(file) = file_of(name) else { return Ok(None) };
    let wrong = |reason: String| ScriptError { file: file.to_owned(), place: None, reason };
    if file.is_empty() {
        return Err(wrong("name the script's file: script:my.rhai".to_owned()));
    }
    let source = text(Path::new(file)).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    Script::parse(file, &source).map(Some)
}

/// At most one byte more than a script may have: that one is enough to refuse it.
fn text(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX) + 1;
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > LONGEST {
        return Err(std::io::Error::other(format!("it is larger than {LONGEST} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| std::io::Error::other(format!("it is not UTF-8 text: {error}")))
}
