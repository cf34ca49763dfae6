//! One daemon per state directory, and one per gateway account: OS file locks.
//!
//! The operating system drops a lock with its process, however that ends: no stale lock can keep a
//! daemon from starting. The process id in the file is for the message alone.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a lock is not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon holds it.
    #[error(
        "another robo-trader (process {holder}) already uses {what}; stop it first, or choose another --state-dir and account"
    )]
    Held {
        /// What is locked.
        what: String,
        /// Its process id, as it wrote it.
        holder: String,
    },
    /// The file cannot be used.
    #[error("cannot lock {path}: {source}; check the directory's permissions")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A lock; dropping it gives it back.
#[derive(Debug)]
pub struct ProcessLock {
    _file: File,
}

impl ProcessLock {
    /// Takes the lock `path` on `what` (a word for the message).
    ///
    /// # Errors
    /// Somebody holds it, or the file cannot be made.
    pub fn take(path: &Path, what: &str) -> Result<Self, LockError> {
        let io = |source| LockError::Io { path: path.to_path_buf(), source };
        if let Some(directory) = path.parent() {
            crate::private_dir::make(directory).map_err(io)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message: what cannot be read is shown as unknown.
                let read = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
                let holder = if read { holder.trim().to_owned() } else { "unknown".to_owned() };
                return Err(LockError::Held { what: what.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

/// How long a host's address may be looked for.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(2);

/// The one name of a host, however it is spelled: every address of this machine is `loopback`,
/// another host is its address, and one that has none now its own text in lower case.
pub async fn host_name(host: &str) -> String {
    let plain = host.trim().trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    if plain == "localhost" || plain.ends_with(".localhost") {
        return LOOPBACK.to_owned();
    }
    let found = match plain.parse::<IpAddr>() {
        Ok(address) => Some(address),
        Err(_) => {
            let looked_up = tokio::time::timeout(LOOK_UP_WITHIN, tokio::net::lookup_host((plain.as_str(), 0))).await;
            // The order of the answers changes from one look-up to the next.
            looked_up.ok().and_then(Result::ok).and_then(|found| found.map(|address| address.ip()).min())
        }
    };
    match found.map(|address| address.to_canonical()) {
        Some(address) if address.is_loopback() || address.is_unspecified() || is_own(address) => LOOPBACK.to_owned(),
        Some(address) => address.to_string(),
        None => plain,
    }
}

const LOOPBACK: &str = "loopback";

/// Whether an address is one of this machine: only on those can a socket be bound.
fn is_own(address: IpAddr) -> bool {
    std::net::UdpSocket::bind((address, 0)).is_ok()
}

/// The lock file of a gateway account: in the user's runtime directory, so that daemons with
/// different state directories meet there. `host` as [`host_name`] gives it.
pub fn account_lock_path(host: &str, port: u16, account: &str) -> PathBuf {
    let safe: String = host.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    crate::control::runtime_directory().join(format!("{safe}-{port}-{account}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_is_told_who_holds_it_and_gets_it_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep").join("lock");
        let first = ProcessLock::take(&path, "the state directory").unwrap();
        let refused = ProcessLock::take(&path, "the state directory").unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()) && refused.contains("state directory"), "{refused}");
        drop(first);
        ProcessLock::take(&path, "the state directory").unwrap();
    }

    #[tokio::test]
    async fn a_host_has_one_name_however_it_is_spelled() {
        for host in ["localhost", "LocalHost", "localhost.", "127.0.0.1", "127.0.1.1", "::1", "[::1]", "0.0.0.0"] {
            assert_eq!(host_name(host).await, "loopback", "{host}");
        }
        assert_eq!(host_name("192.0.2.7").await, "192.0.2.7");
        assert_eq!(host_name("::ffff:192.0.2.7").await, "192.0.2.7");
        assert_eq!(host_name("No-Such-Host.invalid").await, "no-such-host.invalid");
    }
}
