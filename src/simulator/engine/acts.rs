//! What happens to the market and the account without any client's doing: halts, orders placed by
//! hand, movements of cash, splits, and what a client is entitled to.

use tokio::sync::oneshot;
use tracing::info;

use super::Engine;
use crate::domain::{Shares, Side, Symbol, Usd};
use crate::exchange::{Kind, NewOrder, OrderKey, Tif};

/// Something that nobody asked for over the wire.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// A contract is halted, or trades again.
    Halt {
        /// Which.
        symbol: Symbol,
        /// Whether it is halted from now on.
        on: bool,
    },
    /// A person places an order in TWS.
    ByHand {
        /// Of what.
        symbol: Symbol,
        /// Buy or sell.
        side: Side,
        /// Shares.
        quantity: Shares,
        /// Type and prices.
        kind: Kind,
        /// How long it works.
        tif: Tif,
    },
    /// Cash comes, or goes (below zero), without a trade.
    Cash {
        /// USD.
        amount: Usd,
        /// What for.
        reason: String,
    },
    /// A contract is split.
    Split {
        /// Which.
        symbol: Symbol,
        /// So many new shares...
        to: u32,
        /// ... for so many old ones.
        from: u32,
    },
    /// A client is entitled to live market data from its next request on, or no longer.
    Entitle {
        /// Which.
        client_id: i32,
        /// Whether it is.
        live: bool,
    },
}

/// An act, and where to say how it went.
#[derive(Debug)]
pub struct Asked {
    /// What is to happen.
    pub act: Act,
    /// Answered once it has happened: with what kept it from happening, if anything did.
    pub answer: oneshot::Sender<Result<(), String>>,
}

impl Engine {
    /// Does it, and answers.
    pub(super) fn act(&mut self, asked: Asked) {
        info!(act = ?asked.act, "an act of nobody's");
        let done = self.perform_act(asked.act);
        if asked.answer.send(done).is_err() {
            info!("whoever asked for it does not wait for the answer");
        }
    }

    fn perform_act(&mut self, act: Act) -> Result<(), String> {
        self.dirty = true;
        match act {
            Act::Halt { symbol, on } => {
                let contract = self.contract_named(&symbol)?;
                self.set_halted(contract, on);
            }
            Act::ByHand { symbol, side, quantity, kind, tif } => {
                let contract = self.contract_named(&symbol)?;
                self.activate(contract);
                let order = NewOrder {
                    // The exchange gives it its own.
                    key: OrderKey { client_id: 0, order_id: 0 },
                    account: self.own_account(),
                    contract,
                    side,
                    quantity,
                    kind,
                    tif,
                    good_after: None,
                    outside_rth: false,
                    oca_group: "".into(),
                    parent_id: None,
                    transmit: true,
                    order_ref: "".into(),
                    algo: None,
                };
                let (_, events) = self.exchange.manual(self.now, order).map_err(|refusal| refusal.to_string())?;
                self.deliver(events);
            }
            Act::Cash { amount, reason } => {
                let account = self.own_account();
                let moved = self.exchange.adjust_cash(&account, amount, &reason);
                self.deliver(moved.map_err(|refusal| refusal.to_string())?);
            }
            Act::Split { symbol, to, from } => {
                let contract = self.contract_named(&symbol)?;
                let events = self.exchange.split(contract, self.now, to, from);
                self.deliver(events);
                self.balances_moved = true;
                self.publish_positions(&[contract]);
            }
            Act::Entitle { client_id, live } => {
                let connection = self.clients.started(client_id);
                let client = connection.and_then(|connection| self.clients.get(connection));
                let client = client.ok_or_else(|| format!("client {client_id} is not here"))?;
                client.wishes.live = live;
            }
        }
        Ok(())
    }

    fn contract_named(&mut self, symbol: &Symbol) -> Result<crate::domain::ContractId, String> {
        let listing = self.find(symbol).ok_or_else(|| format!("there is no {symbol} in this market"))?;
        Ok(listing.contract.id)
    }
}
