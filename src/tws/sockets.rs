//! Our own TCP sockets, as Linux lists them: to tell a silent gateway from an unreachable one
//! without a connection made only to find out, which would leave a half-dead socket in it.

use std::collections::BTreeMap;
use std::fs;

/// Sockets of this process whose far end is `port`, by their state (`01` is established, `02`
/// still connecting; Linux, `proc(5)`). `None` where there is no such list.
pub fn to_port(port: u16) -> Option<Vec<String>> {
    let ours = own_inodes()?;
    // By inode: while other sockets come and go, the list may show one twice.
    let mut states = BTreeMap::new();
    let mut listed = false;
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        let Ok(text) = fs::read_to_string(table) else { continue };
        listed = true;
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(remote), Some(state), Some(inode)) = (fields.get(2), fields.get(3), fields.get(9)) else {
                continue;
            };
            let far_port = remote.rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
            if far_port == Some(port) && ours.iter().any(|own| own == inode) {
                states.insert((*inode).to_owned(), (*state).to_owned());
            }
        }
    }
    listed.then(|| states.into_values().collect())
}

/// Whether an established socket of ours has its far end at `port`; `None` where unknown.
pub fn is_established(port: u16) -> Option<bool> {
    to_port(port).map(|states| states.iter().any(|state| state == "01"))
}

/// Inode numbers of this process's sockets.
fn own_inodes() -> Option<Vec<String>> {
    let entries = fs::read_dir("/proc/self/fd").ok()?;
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let inode = |link: std::path::PathBuf| {
        let text = link.to_str()?.to_owned();
        Some(text.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    };
    Some(links.filter_map(inode).collect())
}
