//! What no client of the API does: halts, loans of shares, movements of cash, splits, and
//! orders placed by hand.

use super::state::Phase;
use super::{
    AccountId, Borrow, ContractId, Event, Exchange, MarketTime, NewOrder, Order, OrderKey, Price, Refusal, Scene,
    Status, Usd,
};

/// The client that orders placed by hand belong to.
pub(super) const BY_HAND: i32 = 0;

impl Exchange {
    /// Halts a contract: nothing trades, new orders and changes are refused, cancels pass. Says
    /// whether it was trading.
    pub fn halt(&mut self, contract: ContractId) -> bool {
        let Some(market) = self.markets.get_mut(&contract) else { return false };
        !std::mem::replace(&mut market.halted, true)
    }

    /// Ends a halt. What rests meets the next price that the market shows. Says whether it was
    /// halted.
    pub fn resume(&mut self, contract: ContractId) -> bool {
        let Some(market) = self.markets.get_mut(&contract) else { return false };
        let was = std::mem::replace(&mut market.halted, false);
        if was && let Phase::InBar { regular, .. } = market.phase {
            market.phase = Phase::InBar { regular, moved: true };
            let resting = market.live.clone();
            for key in resting {
                if let Some(slot) = self.orders.get_mut(&key) {
                    // What the bar showed during the halt was not traded on.
                    slot.mid_bar = true;
                }
            }
        }
        was
    }

    /// Whether a contract is halted.
    pub fn is_halted(&self, contract: ContractId) -> bool {
        self.markets.get(&contract).is_some_and(|market| market.halted)
    }

    /// Says how easily a contract's shares can be borrowed from now on.
    pub fn set_borrow(&mut self, contract: ContractId, borrow: Borrow) {
        if let Some(market) = self.markets.get_mut(&contract) {
            market.borrow = borrow;
        }
    }

    /// How easily a contract's shares can be borrowed.
    pub fn borrow_of(&self, contract: ContractId) -> Borrow {
        if !self.can_short() {
            return Borrow::None;
        }
        self.markets.get(&contract).map_or(Borrow::None, |market| market.borrow)
    }

    /// Moves cash without a trade (USD; below zero takes it): a dividend, a deposit, a fee.
    ///
    /// # Errors
    /// There is no such account.
    pub fn adjust_cash(&mut self, account: &AccountId, amount: Usd, reason: &str) -> Result<Vec<Event>, Refusal> {
        let Some(book) = self.accounts.get_mut(account) else {
            return Err(Refusal::Invalid(format!("account {account} is not known")));
        };
        book.adjust(amount);
        Ok(vec![Event::Adjusted { account: account.clone(), amount, reason: reason.to_owned() }])
    }

    /// Splits a contract: `from` shares become `to`. Positions keep their cost, parts of shares
    /// are paid out, the last price follows, and working orders are cancelled, as IBKR cancels
    /// them. Nothing for a ratio with a zero, or a contract that is not listed.
    pub fn split(&mut self, contract: ContractId, now: MarketTime, to: u32, from: u32) -> Vec<Event> {
        let mut scene = Scene::at(now);
        if to == 0 || from == 0 || !self.markets.contains_key(&contract) {
            return Vec::new();
        }
        let working = self.markets.get(&contract).map(|market| market.live.clone()).unwrap_or_default();
        for key in working {
            if self.order(key).is_some_and(|order| order.status.is_live()) {
                self.cancel_by_rule(key, "a corporate action on the contract", &mut scene);
            }
        }
        let mark = self.mark(contract);
        for account in self.accounts.values_mut() {
            account.split(contract, to, from, mark);
        }
        if let Some(market) = self.markets.get_mut(&contract) {
            let ratio = f64::from(from) / f64::from(to);
            // To the ten-thousandth: finer prices exist nowhere.
            market.last = market.last.map(|last| (last * ratio * 10_000.0).round() / 10_000.0);
        }
        scene.events
    }

    /// Places an order by hand, as a person does in TWS: it belongs to client 0 and has no id
    /// there until it is bound (it is known by a number below zero until then). The key of
    /// `order` is not looked at.
    ///
    /// # Errors
    /// As for [`Exchange::place`].
    pub fn manual(&mut self, now: MarketTime, order: NewOrder) -> Result<(OrderKey, Vec<Event>), Refusal> {
        // From -2 down: -1 means "no order" in TWS's messages.
        let number = self.last_perm_id + 2 - super::FIRST_PERM_ID;
        let key = OrderKey { client_id: BY_HAND, order_id: -i32::try_from(number).unwrap_or(i32::MAX) };
        let events = self.place(now, NewOrder { key, transmit: true, ..order })?;
        Ok((key, events))
    }

    /// Gives the working orders placed by hand an id for client 0; returns those that had none.
    pub fn bind_manual(&mut self) -> Vec<Order> {
        let keys: Vec<OrderKey> = self.live_keys().filter(|key| is_manual(*key)).collect();
        let mut bound = Vec::new();
        for key in keys {
            if let Some(slot) = self.orders.get_mut(&key).filter(|slot| !slot.order.bound) {
                slot.order.bound = true;
                bound.push(slot.order.clone());
            }
        }
        bound
    }

    /// A day ends: what accounts count by the day begins anew.
    pub fn end_of_day(&mut self) {
        let marks: std::collections::BTreeMap<ContractId, Price> =
            self.markets.iter().map(|(id, _)| id).filter_map(|id| Some((*id, self.mark(*id)?))).collect();
        for account in self.accounts.values_mut() {
            account.end_day(|contract| marks.get(&contract).copied());
        }
    }
}

/// Whether a key is of an order placed by hand.
pub(super) fn is_manual(key: OrderKey) -> bool {
    key.client_id == BY_HAND && key.order_id < 0
}

/// What a cancel of an order that has ended is answered with.
pub(super) fn cannot_cancel(order: &Order) -> super::CancelRefusal {
    match order.status {
        Status::Rejected => super::CancelRefusal::Inactive { perm_id: order.perm_id },
        Status::Untransmitted | Status::PreSubmitted | Status::Submitted | Status::Filled | Status::Cancelled => {
            super::CancelRefusal::Ended(order.status)
        }
    }
}
