//! Faults of what lies behind the gateway: its link to IBKR, data farms, trading itself.

use super::book::Active;
use super::canned;
use super::fault::{ErrorId, FarmKind, FarmState, Fault, LinkData};
use crate::domain::{ContractId, Symbol};
use crate::simulator::engine::Engine;
use crate::simulator::sessions::ConnectionId;

/// The tick that says whether a contract is halted.
const HALTED: i32 = 49;
/// The message that carries such ticks.
pub(super) const TICK_GENERIC: i32 = 45;

/// `TickGeneric`, 245 to the client.
#[derive(Clone, PartialEq, ::prost::Message)]
struct TickGeneric {
    #[prost(int32, optional, tag = "1")]
    req_id: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    tick_type: Option<i32>,
    #[prost(double, optional, tag = "3")]
    value: Option<f64>,
}

/// The farms that this gateway reports, as 1102 lists them.
const FARMS: [&str; 3] = ["usfarm", "ushmds", "secdefnj"];

fn farm_name(kind: FarmKind, name: &str) -> String {
    let usual = match kind {
        FarmKind::Market => FARMS[0],
        FarmKind::Historical => FARMS[1],
        FarmKind::Definitions => FARMS[2],
    };
    if name.is_empty() { usual.to_owned() } else { name.to_owned() }
}

/// What is said of a farm.
fn farm_words(kind: FarmKind, name: &str, state: Option<FarmState>) -> (i32, String) {
    let code = match (kind, state) {
        (FarmKind::Market, None) => 2_104,
        (FarmKind::Historical, None) => 2_106,
        (FarmKind::Definitions, None) => 2_158,
        (FarmKind::Market, Some(FarmState::Broken)) => 2_103,
        (FarmKind::Historical, Some(FarmState::Broken)) => 2_105,
        (FarmKind::Definitions, Some(FarmState::Broken)) => 2_157,
        (FarmKind::Historical, Some(FarmState::Inactive)) => 2_107,
        (FarmKind::Market | FarmKind::Definitions, Some(FarmState::Inactive)) => 2_108,
        (_, Some(FarmState::Connecting)) => 2_119,
    };
    let words = canned::text(code, None, -1).unwrap_or_default();
    // The name stands behind the last sign of the canned words.
    let stem = words.rfind([':', '.']).map_or(words.as_str(), |at| &words[..=at]);
    (code, format!("{stem}{}", farm_name(kind, name)))
}

impl Engine {
    /// What a lasting fault says and does as it begins.
    pub(super) fn begin_state(&mut self, active: &Active) {
        let client = active.client;
        match &active.fault {
            Fault::LinkLoss { code, data, farms, .. } => {
                self.tell_all(client, *code, None);
                if *farms {
                    for kind in [FarmKind::Market, FarmKind::Historical] {
                        let (code, text) = farm_words(kind, "", Some(FarmState::Broken));
                        self.tell_all(client, code, Some(text));
                    }
                }
                if *data == LinkData::Lost {
                    self.drop_streams(client, None);
                }
            }
            Fault::Farm { kind, name, state } => {
                let (code, text) = farm_words(*kind, name, Some(*state));
                self.tell_all(client, code, Some(text));
            }
            Fault::Silence { until_reopened: true } => self.drop_streams(client, active.symbol.as_ref()),
            Fault::CompetingSession {} => {
                let text = canned::text(10_197, None, -1).unwrap_or_default();
                for connection in self.targets(client, None) {
                    for id in self.concerned(connection, ErrorId::Streams, None) {
                        self.error(connection, id, 10_197, text.clone());
                    }
                }
            }
            Fault::Halt {} => self.tell_halts(active.symbol.as_ref(), 1.0),
            _ => {}
        }
    }

    /// What a lasting fault says and does as it ends.
    pub(super) fn end_state(&mut self, active: &Active) {
        let client = active.client;
        match &active.fault {
            Fault::LinkLoss { data, farms, missing_farm, .. } => {
                if *farms {
                    for kind in [FarmKind::Market, FarmKind::Historical] {
                        let (code, text) = farm_words(kind, "", None);
                        self.tell_all(client, code, Some(text));
                    }
                }
                match data {
                    LinkData::Lost => self.tell_all(client, 1_101, None),
                    LinkData::Kept => {
                        let back: Vec<&str> = FARMS.into_iter().filter(|farm| farm != missing_farm).collect();
                        let words = canned::text(1_102, None, -1).unwrap_or_default();
                        let stem = words.split("All data farms").next().unwrap_or_default();
                        let text = format!("{stem}All data farms are connected: {}.", back.join("; "));
                        self.tell_all(client, 1_102, Some(text));
                    }
                }
                if !missing_farm.is_empty() {
                    // Nothing says so, but what it served does not come back by itself.
                    self.drop_streams(client, None);
                }
            }
            Fault::Farm { kind, name, state } if *state != FarmState::Inactive => {
                let (code, text) = farm_words(*kind, name, None);
                self.tell_all(client, code, Some(text));
            }
            Fault::Halt {} => self.tell_halts(active.symbol.as_ref(), 0.0),
            Fault::Locate {} => {
                self.exchange.hold_sells(false);
                let events = self.exchange.release_held(self.now);
                self.deliver(events);
            }
            _ => {}
        }
    }

    /// The exchange's ways follow from what holds now.
    pub(super) fn refit_exchange(&mut self) {
        let slices = self.faults.active.iter().filter_map(|active| match active.fault {
            Fault::PartialFills { shares } => Some(shares),
            _ => None,
        });
        let slice = slices.min().or(self.config.slice);
        self.exchange.set_slice(slice);
        let held = self.faults.active.iter().any(|active| matches!(active.fault, Fault::Locate {}));
        self.exchange.hold_sells(held);
    }

    /// Whether a contract's trading is halted.
    pub(in crate::simulator) fn is_halted(&self, contract: ContractId) -> bool {
        if self.faults.active.is_empty() {
            return false;
        }
        let symbol = self.listed.get(&contract);
        self.faults.holds(None, symbol, |fault| matches!(fault, Fault::Halt {}))
    }

    /// Tells those who follow ticks that trading is halted, or is not.
    fn tell_halts(&mut self, symbol: Option<&Symbol>, value: f64) {
        let mut due: Vec<(ConnectionId, i32)> = Vec::new();
        for (to, client) in self.clients.iter() {
            for (req_id, stream) in &client.ticks {
                if symbol.is_none() || self.listed.get(&stream.contract) == symbol {
                    due.push((to, *req_id));
                }
            }
        }
        for (to, req_id) in due {
            let tick = TickGeneric { req_id: Some(req_id), tick_type: Some(HALTED), value: Some(value) };
            self.send(to, TICK_GENERIC, &tick);
        }
    }

    /// Live subscriptions are gone, and nobody is told.
    fn drop_streams(&mut self, client: Option<i32>, symbol: Option<&Symbol>) {
        let listed = &self.listed;
        let meant = |contract: &ContractId| symbol.is_none() || listed.get(contract) == symbol;
        for (_, known) in self.clients.iter_mut().filter(|(_, known)| client.is_none_or(|id| known.id == Some(id))) {
            known.bars.retain(|_, stream| !meant(&stream.contract));
            known.real_time.retain(|_, stream| !meant(&stream.contract));
            known.ticks.retain(|_, stream| !meant(&stream.contract));
        }
    }

    /// Whether live data of this contract stay away from a client.
    pub(super) fn is_silent(&self, client: Option<i32>, contract: Option<ContractId>) -> bool {
        let symbol = contract.and_then(|contract| self.listed.get(&contract));
        self.faults.holds(client, symbol, |fault| {
            matches!(
                fault,
                Fault::Silence { until_reopened: false }
                    | Fault::LinkLoss { .. }
                    | Fault::CompetingSession {}
                    | Fault::Farm { kind: FarmKind::Market, state: FarmState::Broken | FarmState::Connecting, .. }
            )
        })
    }

    /// Whether a farm that serves this is away.
    pub(super) fn is_away(&self, client: Option<i32>, wanted: FarmKind) -> bool {
        self.faults.holds(client, None, |fault| match fault {
            Fault::Farm { kind, state, .. } => *kind == wanted && *state != FarmState::Inactive,
            Fault::LinkLoss { .. } => wanted == FarmKind::Historical,
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_farm_is_named_and_its_code_says_what_it_serves() {
        let say = |kind, name, state| farm_words(kind, name, state);
        assert_eq!(
            say(FarmKind::Market, "eufarm", Some(FarmState::Broken)),
            (2_103, "Market data farm connection is broken:eufarm".to_owned())
        );
        assert_eq!(say(FarmKind::Historical, "", None), (2_106, "HMDS data farm connection is OK:ushmds".to_owned()));
        assert_eq!(say(FarmKind::Historical, "", Some(FarmState::Inactive)).0, 2_107);
        assert!(say(FarmKind::Definitions, "x", Some(FarmState::Broken)).1.ends_with(":x"));
    }
}
