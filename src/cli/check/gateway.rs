//! The gateway, by what this machine lists: its process, its listening port. Never by connecting: a connection that is
//! made only to find out leaves a half-dead socket in it.

use std::collections::BTreeSet;
use std::fs;

use super::{Finding, State};
use crate::config::Settings;
use crate::desk::Mode;
use crate::runner::tool::Look;

/// The ports that TWS and IB Gateway have by default.
const PORTS: [(u16, &str, bool); 4] = [
    (7497, "TWS, paper", true),
    (7496, "TWS, live", false),
    (4002, "IB Gateway, paper", true),
    (4001, "IB Gateway, live", false),
];
/// Words of the command lines of TWS, IB Gateway and IBC.
const PROCESSES: [&str; 5] = ["ibgateway", "ibcalpha", "jclient.LoginFrame", "/Jts/", "tws.vmoptions"];
/// `TCP_LISTEN` in the kernel's list.
const LISTENS: &str = "0A";

pub(super) fn all(settings: &Settings) -> Vec<Finding> {
    let (host, port) = (settings.connection.host.as_str(), settings.connection.port);
    let mut found = vec![convention(settings.mode, port)];
    if !["127.0.0.1", "localhost", "::1", "[::1]"].contains(&host) {
        let there = format!("{host} is another machine: its processes and ports cannot be seen from here");
        found.push(Finding::of("gateway", State::Unknown, there, "check --connect asks it"));
        return found;
    }
    found.push(process(command_lines().as_deref()));
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).ok());
    let listening = tables.iter().any(Option::is_some).then(|| listening(tables.iter().flatten()));
    found.push(port_listens(listening.as_ref(), port));
    found
}

fn convention(mode: Mode, port: u16) -> Finding {
    let known = PORTS.iter().find(|(number, ..)| *number == port);
    let words = known.map_or_else(|| format!("{port} is no default port"), |(_, what, _)| format!("{port} is {what}"));
    match (mode, known) {
        (_, None) => Finding::of("port", State::Warn, words, "right only where the gateway's Socket port is this one"),
        (Mode::Live, Some((.., true))) => Finding::of(
            "port",
            State::Fail,
            format!("{words}, but the mode is live"),
            "use 7496 or 4001, or mode paper",
        ),
        (Mode::Paper, Some((.., false))) => Finding::of(
            "port",
            State::Fail,
            format!("{words}, but the mode is paper"),
            "use 7497 or 4002, or mode observe",
        ),
        _ => Finding::ok("port", words),
    }
}

/// The command line of every process that may be looked at; `None` where there is no list.
fn command_lines() -> Option<Vec<String>> {
    let entries = fs::read_dir("/proc").ok()?;
    let lines = entries.flatten().filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    Some(lines.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " ")).collect())
}

fn process(lines: Option<&[String]>) -> Finding {
    let is_gateway = |line: &&String| PROCESSES.iter().any(|word| line.contains(word));
    match lines.map(|lines| lines.iter().find(is_gateway)) {
        None => {
            Finding::of("process", State::Unknown, "this system has no list of processes", "look for TWS or IB Gateway")
        }
        Some(Some(_)) => Finding::ok("process", "TWS or IB Gateway runs"),
        Some(None) => Finding::of(
            "process",
            State::Warn,
            "no process looks like TWS or IB Gateway",
            "start it; in a container of its own it cannot be seen from here",
        ),
    }
}

/// The ports that somebody listens on, by the kernel's lists.
fn listening<'a>(tables: impl Iterator<Item = &'a String>) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    for line in tables.flat_map(|table| table.lines().skip(1)) {
        let mut fields = line.split_whitespace().skip(1);
        let (Some(local), _, Some(state)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let port = local.rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        ports.extend(port.filter(|_| state == LISTENS));
    }
    ports
}

fn port_listens(listening: Option<&BTreeSet<u16>>, port: u16) -> Finding {
    let Some(listening) = listening else {
        return Finding::of("listens", State::Unknown, "this system has no list of sockets", "check --connect asks");
    };
    if listening.contains(&port) {
        return Finding::ok("listens", format!("somebody listens on {port}"));
    }
    let others = PORTS.iter().filter(|(number, ..)| listening.contains(number));
    let others: Vec<String> = others.map(|(number, what, _)| format!("{number} ({what})")).collect();
    if others.is_empty() {
        let remedy = "start TWS or IB Gateway, log in, and enable its API";
        return Finding::of("listens", State::Fail, format!("nobody listens on {port}"), remedy);
    }
    let found = format!("nobody listens on {port}, but on {}", others.join(", "));
    Finding::of("listens", State::Fail, found, "set IBKR_PORT to the one that is meant")
}

/// What a real session has told, and whose it was.
pub(super) fn looked(look: &Look, by: &str) -> Vec<Finding> {
    let kind = if look.paper { "paper" } else { "live" };
    let session = format!(
        "server version {}, account {} ({kind}, {}), {} positions, {} open orders; asked by {by}",
        look.server_version, look.account, look.venue, look.positions, look.open_orders
    );
    let apart = format!("the gateway's time is {} ms ahead of this machine's", look.ahead_ms);
    let time = match look.ahead_ms.unsigned_abs() {
        _ if look.venue == "simulator" => Finding::ok("time", format!("{apart} (a simulator has its market's)")),
        0..=2_000 => Finding::ok("time", apart),
        2_001..=300_000 => Finding::of("time", State::Warn, apart, "set the clock (NTP)"),
        _ => Finding::of("time", State::Fail, apart, "set the clock (NTP): no session is used like this"),
    };
    vec![Finding::ok("session", session), time]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as Linux writes them: an address in hexadecimal, the state in the fourth column.
    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n\
        0: 0100007F:1D49 00000000:0000 0A 00000000:00000000\n\
        1: 0100007F:0FA2 0100007F:1D49 01 00000000:00000000\n\
        2: nonsense\n";

    #[test]
    fn the_list_of_sockets_tells_who_listens() {
        let listening = listening([TABLE.to_owned()].iter());
        assert_eq!(listening, BTreeSet::from([7497]));
        assert_eq!(port_listens(Some(&listening), 7497).state, State::Ok);
        let other = port_listens(Some(&listening), 4002);
        assert!(other.state == State::Fail && other.found.contains("7497 (TWS, paper)"), "{other:?}");
        assert_eq!(port_listens(None, 7497).state, State::Unknown);
        assert!(port_listens(Some(&BTreeSet::new()), 7497).remedy.contains("start TWS"));
    }

    #[test]
    fn mode_and_port_go_together_or_not() {
        let state = |mode, port| convention(mode, port).state;
        assert_eq!(state(Mode::Paper, 4002), State::Ok);
        assert_eq!(state(Mode::Paper, 4001), State::Fail);
        assert_eq!(state(Mode::Live, 7497), State::Fail);
        assert_eq!(state(Mode::Observe, 7496), State::Ok);
        assert_eq!(state(Mode::Paper, 5_000), State::Warn);
    }

    #[test]
    fn a_gateway_is_known_by_its_command_line() {
        let lines = |line: &str| vec!["/sbin/init".to_owned(), line.to_owned()];
        assert_eq!(process(Some(&lines("java -cp /opt/ibgateway/1037/jars"))).state, State::Ok);
        assert_eq!(process(Some(&lines("bash"))).state, State::Warn);
        assert_eq!(process(None).state, State::Unknown);
    }

    #[test]
    fn time_that_is_far_apart_fails_but_at_a_simulator() {
        let look = |venue: &str, ahead_ms| Look {
            server_version: 222,
            venue: venue.to_owned(),
            account: "DU1".into(),
            paper: true,
            gateway_time: crate::domain::MarketTime::MIN,
            ahead_ms,
            positions: 0,
            open_orders: 0,
        };
        let state = |venue, ahead| looked(&look(venue, ahead), "a test")[1].state;
        assert_eq!(
            [state("ibkr", 5), state("ibkr", -5_000), state("ibkr", 400_000)],
            [State::Ok, State::Warn, State::Fail]
        );
        assert_eq!(state("simulator", 400_000), State::Ok);
    }
}
