//! A word to the service manager: systemd's notification protocol, a datagram of `NAME=value` to the socket that
//! `NOTIFY_SOCKET` names. Under another manager nothing is said.

use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

/// The longest text that is told, bytes.
const LONGEST: usize = 480;

/// The way to the service manager, if there is one. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ServiceManager {
    socket: Option<Arc<UnixDatagram>>,
    /// How long it waits for a sign of life.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// By the environment that systemd sets. A socket that cannot be reached is told in the log, and no more.
    pub fn from_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let ours = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| ours && *usec > 0).map(Duration::from_micros);
        match connect(&name) {
            Ok(socket) => Self { socket: Some(Arc::new(socket)), watchdog },
            Err(error) => {
                warn!(%error, "NOTIFY_SOCKET={} cannot be reached: the service manager is told nothing", PathBuf::from(name).display());
                Self::default()
            }
        }
    }

    /// Tells a peer, which waits so long for a sign of life.
    pub fn to(socket: UnixDatagram, watchdog: Option<Duration>) -> Self {
        Self { socket: Some(Arc::new(socket)), watchdog }
    }

    /// Whether anybody listens.
    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// How long it waits for a sign of life before it ends the process.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Start-up is complete.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// A sign of life.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// One line for people.
    pub fn status(&self, text: &str) {
        let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut end = LONGEST.min(line.len());
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        self.tell(&format!("STATUS={line}"));
    }

    fn tell(&self, words: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(words.as_bytes()) {
            warn!(%error, words, "the service manager could not be told");
        }
    }
}

/// A path, or (after `@`) a name in Linux's own space of names.
fn connect(name: &OsString) -> io::Result<UnixDatagram> {
    use std::os::unix::ffi::OsStrExt;
    let socket = UnixDatagram::unbound()?;
    // The desk must never wait for a service manager that does not read.
    socket.set_nonblocking(true)?;
    match name.as_bytes().strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(abstract_name) => {
            use std::os::linux::net::SocketAddrExt;
            socket.connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(abstract_name)?)?;
        }
        _ => socket.connect(PathBuf::from(name))?,
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 1_024];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn words_are_those_of_the_protocol_and_a_status_is_one_short_line() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let manager = ServiceManager::to(ours, None);
        manager.ready();
        manager.alive();
        manager.stopping();
        manager.status("a\nb");
        manager.status(&"é".repeat(1_000));
        assert_eq!([(); 4].map(|()| heard(&theirs)), ["READY=1", "WATCHDOG=1", "STOPPING=1", "STATUS=a b"]);
        assert_eq!(heard(&theirs), format!("STATUS={}", "é".repeat(240)));
        // Nobody there: nothing happens.
        ServiceManager::default().ready();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_after_an_at_sign_is_no_path() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("robo-trader-test-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let theirs = UnixDatagram::bind_addr(&address).unwrap();
        connect(&OsString::from(format!("@{name}"))).unwrap().send(b"READY=1").unwrap();
        assert_eq!(heard(&theirs), "READY=1");
        assert!(connect(&OsString::from("/nowhere/notify")).is_err());
    }
}
