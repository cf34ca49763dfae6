//! What every look at a message needs: its number, its contract, its symbol.

use prost::Message;
use tracing::info;

use super::book::Fired;
use crate::domain::Symbol;
use crate::simulator::wire::Numbered;
use crate::simulator::wire::contracts::Contract;
use crate::simulator::wire::ids::request;

/// Any message whose second field is a contract.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct About {
    #[prost(message, optional, tag = "2")]
    pub contract: Option<Contract>,
}

/// The number that a message begins with: of a request or an order.
pub fn number_of(payload: &[u8]) -> Option<i32> {
    Numbered::decode(payload).ok().and_then(|message| message.req_id)
}

/// Any message whose first field is a contract.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct OfContract {
    #[prost(message, optional, tag = "1")]
    pub contract: Option<Contract>,
}

/// Questions: what answers them is not news.
pub fn is_question(id: i32) -> bool {
    matches!(id, request::OPEN_ORDERS | request::ALL_OPEN_ORDERS | request::COMPLETED_ORDERS | request::EXECUTIONS)
}

/// The symbol that a contract names.
pub fn contract_symbol(contract: &Contract) -> Option<Symbol> {
    contract.symbol.as_deref().and_then(|symbol| symbol.parse().ok())
}

/// Says that a rule did something to a message.
pub fn log(fired: &Fired, client: Option<i32>) {
    info!(rule = fired.number, what = %fired.rule.fault.name(), client, id = fired.id, "fault: {}", fired.rule);
}
