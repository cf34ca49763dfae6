//! Directories of this program's state, and files that tell of an account: nobody else may look into them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a directory and what is missing above it, for its user alone (mode 0700). One that is there
/// stays as it is.
///
/// # Errors
/// The system refuses.
pub fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Begins a file that is not there yet, for its user alone (mode 0600).
///
/// # Errors
/// It is there, or the system refuses.
pub fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Writes a file, for its user alone where it is not there yet; one that is there keeps whoever may read it.
///
/// # Errors
/// The system refuses.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_made_is_private_and_what_is_there_stays() {
        let place = tempfile::tempdir().unwrap();
        let (above, dir) = (place.path().join("a"), place.path().join("a/b"));
        super::make(&dir).unwrap();
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&above), mode(&dir)), (0o700, 0o700));
        std::fs::set_permissions(&above, std::fs::Permissions::from_mode(0o755)).unwrap();
        super::make(&dir).unwrap();
        assert_eq!(mode(&above), 0o755);
        let file = dir.join("report");
        super::write(&file, b"one").unwrap();
        assert_eq!(mode(&file), 0o600);
        assert!(super::create_new(&file).is_err(), "it is there");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        super::write(&file, b"2").unwrap();
        assert_eq!((mode(&file), std::fs::read(&file).unwrap().as_slice()), (0o644, &b"2"[..]));
        super::create_new(&dir.join("other")).unwrap();
        assert_eq!(mode(&dir.join("other")), 0o600);
    }
}
