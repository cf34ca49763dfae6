//! Directories of this program's state: nobody else may look into them.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes a directory and what is missing above it, for its user alone (mode 0700). One that is there
/// stays as it is.
///
/// # Errors
/// The system refuses.
pub fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
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
    }
}
