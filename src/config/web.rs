//! The settings of dashboard, API and feed.

use std::net::{IpAddr, Ipv4Addr};

use super::reader::Reader;

/// Where dashboard, API and feed are served, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSettings {
    /// Whether at all.
    pub enabled: bool,
    /// At which address.
    pub bind: IpAddr,
    /// At which port; 0: one that is free.
    pub port: u16,
    /// At which second port.
    pub second_port: Option<u16>,
    /// Names by which a browser may reach them, in lower case.
    pub hosts: Vec<String>,
}

pub(super) fn read(read: &mut Reader<'_>) -> WebSettings {
    let port = |number: u64| u16::try_from(number).unwrap_or(0);
    let bind = match read.text("DASH_BIND").parse() {
        Ok(address) => address,
        Err(_) => {
            read.reject("DASH_BIND", "use an address of this machine, as 127.0.0.1, ::1 or 0.0.0.0");
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        }
    };
    let hosts = read.text("DASH_HOSTS").to_ascii_lowercase();
    let hosts: Vec<String> =
        hosts.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let is_name = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    if !hosts.iter().all(is_name) {
        read.reject("DASH_HOSTS", "use host names without port, comma separated, as trader.example.org");
    }
    WebSettings {
        enabled: read.yes("DASH_ENABLED"),
        bind,
        port: port(read.whole("DASH_PORT", 0, 65_535)),
        second_port: read.optional_whole("WS_PORT", 1, 65_535).map(port),
        hosts,
    }
}
