//! What is said about each fault where people ask for it.

use super::fault::Fault;

/// A fault's name, how it is written, and what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The name in scenarios.
    pub name: &'static str,
    /// An example of its fields, as an inline table.
    pub example: &'static str,
    /// What it does, in a few words.
    pub help: &'static str,
}

const fn kind(name: &'static str, example: &'static str, help: &'static str) -> Kind {
    Kind { name, example, help }
}

/// All faults.
pub const KINDS: &[Kind] = &[
    kind("refuse", "{}", "nobody listens at the port"),
    kind("accept_close", "{}", "connections are accepted and closed"),
    kind("blackhole", "{}", "connections are accepted and never answered"),
    kind("old_version", "{ version = 178 }", "the acknowledgement names an old server version"),
    kind("omit", "{ next_id = true, accounts = true }", "sessions begin without order id or accounts"),
    kind("hold_client_id", "{}", "client ids stay taken (326)"),
    kind("zombies", "{}", "connections that were left keep their place"),
    kind("close", "{ mid_frame = false }", "connections end with FIN"),
    kind("reset", "{ mid_frame = false }", "connections end with RST"),
    kind("mute", "{ after_handshake = false, serves = false }", "connections stay open and say nothing"),
    kind("freeze", "{}", "everything is held back until it is over"),
    kind("port_reset", "{ port = 4003 }", "1300, then the end"),
    kind("restart", "{ lose_orders = \"300ms\", lower_ids = true }", "the gateway restarts"),
    kind("login_wall", "{ how = \"refuse\" }", "nobody has logged in"),
    kind("drop", "{}", "a message is lost"),
    kind("delay", "{ by = \"2s\" }", "a message comes later"),
    kind("duplicate", "{ copies = 1 }", "a message comes again"),
    kind("reorder", "{}", "a message changes places with the next"),
    kind("corrupt", "{ how = \"undecodable\" }", "a message is damaged"),
    kind("split_writes", "{ bytes = 1 }", "writes are cut into pieces"),
    kind("coalesce", "{ within = \"50ms\" }", "writes wait for more"),
    kind(
        "slow_reader",
        "{ bytes_per_second = 10000, outbox = 100000, then = \"drop-half\" }",
        "a client reads slowly, little may wait",
    ),
    kind("malformed", "{ what = \"short\" }", "bytes that are no message"),
    kind("lose_answers", "{ all = false }", "an order is taken and not acknowledged"),
    kind("answer", "{ code = 162, meaning = \"pacing\" }", "a request is answered with an error"),
    kind("reject", "{ code = 201, first = \"status\" }", "an order is rejected"),
    kind("change_tif", "{ tif = \"DAY\" }", "an order's time in force is changed (10349)"),
    kind("locate", "{}", "sell orders are held (404)"),
    kind("cancel_orders", "{ reason = \"\" }", "the broker cancels working orders (202)"),
    kind("error", "{ code = 2110, id = \"none\" }", "any error message"),
    kind(
        "link_loss",
        "{ code = 1100, data = \"kept\", every = \"5s\", farms = false }",
        "TWS loses IBKR: 1100, then 1101 or 1102",
    ),
    kind(
        "farm",
        "{ kind = \"market\", name = \"usfarm\", state = \"broken\" }",
        "a data farm is not there (2103, 2105, 2157)",
    ),
    kind("silence", "{ until_reopened = false }", "live data stay away without a word"),
    kind("competing_session", "{}", "a log-in elsewhere takes the data (10197)"),
    kind("read_only", "{ anonymous = false }", "orders are refused: read-only (321)"),
    kind("halt", "{}", "trading halts (154)"),
    kind("fill", "{ quantity = 10 }", "working orders fill now"),
    kind("partial_fills", "{ shares = 10 }", "orders fill in pieces"),
    kind("correct", "{ price = \"100.5\" }", "the latest execution is corrected"),
    kind("trade", "{ side = \"BUY\", quantity = 10, client_id = 0 }", "somebody else trades in the account"),
    kind("liquidate", "{ quantity = 10 }", "the broker closes a position"),
    kind("cash", "{ amount = \"12.5\" }", "a dividend, interest or a fee"),
    kind("stock_split", "{ new = 2, old = 1 }", "positions change by a ratio"),
    kind("misstate", "{ by = 10 }", "positions are stated wrongly"),
    kind("hide_account", "{}", "account figures are missing"),
    kind("skew", "{ minutes = 120, of = \"everything\" }", "clocks are wrong"),
    kind("repeat_executions", "{}", "executions are sent again"),
];

impl Fault {
    /// Its name in scenarios.
    pub fn name(&self) -> String {
        let written = toml::Value::try_from(self).ok();
        let name = written.as_ref().and_then(toml::Value::as_table).and_then(|table| table.keys().next());
        // Every variant is written as a table of one key: its name.
        name.cloned().unwrap_or_default()
    }

    /// Whether it holds for a while.
    pub fn lasts(&self) -> bool {
        use Fault as F;
        matches!(
            self,
            F::Refuse {}
                | F::AcceptClose {}
                | F::Blackhole {}
                | F::OldVersion { .. }
                | F::Omit { .. }
                | F::HoldClientId {}
                | F::Zombies {}
                | F::Mute { .. }
                | F::Freeze {}
                | F::Restart { .. }
                | F::LoginWall { .. }
                | F::SplitWrites { .. }
                | F::Coalesce { .. }
                | F::SlowReader { .. }
                | F::Locate {}
                | F::LinkLoss { .. }
                | F::Farm { .. }
                | F::Silence { .. }
                | F::CompetingSession {}
                | F::ReadOnly { .. }
                | F::Halt {}
                | F::PartialFills { .. }
                | F::Misstate { .. }
                | F::HideAccount {}
                | F::Skew { .. }
        )
    }

    /// Whether it is done to single messages, as they pass.
    pub fn is_of_messages(&self) -> bool {
        use Fault as F;
        matches!(
            self,
            F::Drop {}
                | F::Delay { .. }
                | F::Duplicate { .. }
                | F::Reorder {}
                | F::Corrupt { .. }
                | F::LoseAnswers { .. }
                | F::Answer { .. }
                | F::Reject { .. }
                | F::ChangeTif { .. }
        )
    }

    /// Whether it only makes sense for a request of a client.
    pub fn is_of_requests(&self) -> bool {
        matches!(self, Self::LoseAnswers { .. } | Self::Answer { .. } | Self::Reject { .. } | Self::ChangeTif { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_listed_and_its_example_is_one() {
        let unknown = toml::from_str::<Fault>("no_such_fault = {}").unwrap_err().to_string();
        let listed = unknown.split("expected one of").nth(1).unwrap();
        let variants: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
        assert_eq!(variants, KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>());
        for kind in KINDS {
            let text = format!("{} = {}", kind.name, kind.example);
            let fault: Fault = toml::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(fault.name(), kind.name);
            let written = toml::to_string(&fault).unwrap();
            assert_eq!(toml::from_str::<Fault>(&written).unwrap(), fault, "{written}");
        }
    }
}
