//! Exits: orders that reduce, one at a time, never beyond the position (rules 12 and 13).

use std::sync::Arc;

use rust_decimal::prelude::ToPrimitive;

use super::plan::Mode;
use super::{Desk, OrderStyle, Trigger};
use crate::domain::book::{Fact, OrderFact};
use crate::domain::order::{OrderState, Role};
use crate::domain::{ContractId, OrderKind, Price, Shares, Side, Ticket, Usd};
use crate::risk::{Proposal, review};

impl Desk {
    /// Takes the next step of reducing the position: the protective legs are cancelled, their end
    /// awaited, and only then, for what executions say is held, the exit is sent. Whether the
    /// symbol is on its way out and nothing else may be done with it.
    pub(super) fn exit(&mut self, contract: ContractId, desired: Shares, trigger: Trigger) -> bool {
        let held = self.book.disposable(contract);
        let reduce = reduction(held, desired);
        let exit = self.book.live_in(contract).find(|order| order.ticket.role == Role::Exit);
        if let Some((intent, state)) = exit.map(|exit| (exit.ticket.order_ref.intent, exit.state)) {
            match (reduce, state) {
                (None, OrderState::Sent | OrderState::Working) => {
                    self.cancel(intent, "its position is wanted again");
                }
                (Some(_), OrderState::Working) if self.shrink_exit(intent, held) => {}
                (Some(_), OrderState::Working) if trigger == Trigger::FreshBar => self.follow_market(intent),
                (None | Some(_), _) => {}
            }
            return true;
        }
        let Some(reduce) = reduce else { return false };
        // Hours gate sending (rule 7); unknown hours do not trap an exit (rule 13).
        if self.market_is_open(contract) == Some(false) {
            return false;
        }
        // A failed exit puts the stop back and tries again with the next fresh bar.
        let again = trigger == Trigger::FreshBar || (trigger == Trigger::Time && self.must_flatten(contract));
        if self.failed_exits.contains(&contract) && !again {
            return false;
        }
        self.failed_exits.remove(&contract);
        // Without a price to send at, the stop stays where it is.
        let Some(reference) = self.exit_reference(contract) else {
            if trigger == Trigger::FreshBar || trigger == Trigger::Ready {
                let text = "an exit waits, its stop stays: no price is known yet".to_owned();
                self.incident(Some(contract), "exit_without_price", text);
            }
            return false;
        };
        if self.plan.mode == Mode::Observe {
            return false;
        }
        let legs: Vec<(u64, OrderState)> =
            self.book.live_in(contract).map(|order| (order.ticket.order_ref.intent, order.state)).collect();
        if !legs.is_empty() {
            for (intent, state) in legs {
                if state != OrderState::Cancelling {
                    self.cancel(intent, "its position is being closed");
                }
            }
            return true;
        }
        self.send_exit(contract, held, reduce, reference);
        true
    }

    /// The price that an exit is measured by: the last one, or for one at the market also what the
    /// position cost.
    fn exit_reference(&self, contract: ContractId) -> Option<Price> {
        let market = self.plan_of(contract)?.style == OrderStyle::Market;
        let cost = || self.book.position(contract).and_then(|position| position.average_price());
        self.last_price(contract).or_else(|| cost().filter(|_| market))
    }

    /// Others may have sold meanwhile: an exit never stands for more than is there (rule 12).
    fn shrink_exit(&mut self, intent: u64, held: Shares) -> bool {
        let Some(exit) = self.book.order(intent).filter(|exit| exit.remaining() > held.abs()) else { return false };
        let quantity = exit.filled + held.abs();
        self.amend(intent, quantity, None);
        true
    }

    fn send_exit(&mut self, contract: ContractId, held: Shares, reduce: Shares, reference: Price) {
        let Some(side) = Side::of_change(-held) else { return };
        // An oversized exit goes in slices, one after the other (rule 13): never refused for its worth.
        let most = self.plan.limits.max_order_notional;
        let reduce = if reference * reduce <= most { reduce } else { slice(reduce, most, reference) };
        let kind = self.trading_kind(contract, side, reference);
        let ticket = kind.and_then(|kind| self.ticket(contract, Role::Exit, side, reduce, kind, 0));
        let Some(ticket) = ticket else { return };
        let proposal = Proposal { ticket, reference, price: None };
        match review(proposal, &self.plan.limits, || self.exposure(contract)) {
            Ok(order) => self.send(order, reference),
            Err(refusal) => {
                let fact = crate::domain::book::RefusedFact { change: side.signed(reduce), refusal };
                self.record(Some(contract), Fact::Refused(fact));
            }
        }
    }

    /// A limit exit that the market has left behind follows it: its stop is gone, it has to trade.
    #[cold]
    fn follow_market(&mut self, intent: u64) {
        let Some(order) = self.book.order(intent) else { return };
        let (contract, side, quantity) = (order.ticket.contract, order.ticket.side, order.ticket.quantity);
        let (OrderKind::Limit { limit }, Some(last)) = (order.ticket.kind, self.last_price(contract)) else { return };
        let left_behind = match side {
            Side::Buy => limit < last,
            Side::Sell => limit > last,
        };
        if let Some(kind) = self.trading_kind(contract, side, last).filter(|_| left_behind) {
            self.amend(intent, quantity, Some(kind));
        }
    }

    /// The terms that an order of ours should have at the broker are sent (again); `kind` where
    /// its prices change.
    #[cold]
    pub(super) fn amend(&mut self, intent: u64, quantity: Shares, kind: Option<OrderKind>) {
        let Some(order) = self.book.order(intent) else { return };
        let mut ticket = Ticket::clone(&order.ticket);
        let (contract, reference) = (ticket.contract, order.reference);
        ticket.quantity = quantity;
        ticket.kind = kind.unwrap_or(ticket.kind);
        ticket.transmit = true;
        let reference = self.last_price(contract).unwrap_or(reference);
        // Only exits and protective orders are amended: the review asks them for sane numbers alone.
        let proposal = Proposal { ticket, reference, price: None };
        if let Ok(order) = review(proposal, &self.plan.limits, || self.exposure(contract)) {
            let ticket = Arc::clone(order.ticket());
            self.amended.insert(intent);
            self.record(Some(contract), Fact::Order(OrderFact::Amended { intent, ticket }));
            self.decided.actions.push(super::Action::Amend(order));
        }
    }
}

/// Shares to close of `held` on the way to `desired`, positive; `None` for none. A change of side
/// closes everything first (rule 5).
fn reduction(held: Shares, desired: Shares) -> Option<Shares> {
    let keep = if held.0 >= 0 { desired.0.clamp(0, held.0) } else { desired.0.clamp(held.0, 0) };
    let close = (held.0 - keep).abs();
    (close > 0).then_some(Shares(close))
}

/// As many of the shares as are worth no more than that, but one at least.
#[cold]
fn slice(shares: Shares, most: Usd, reference: Price) -> Shares {
    let most =
        most.decimal().checked_div(reference.decimal()).and_then(|shares| shares.trunc().to_i64()).unwrap_or(i64::MAX);
    Shares(shares.0.min(most.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_never_goes_beyond_the_position() {
        let cases = [
            (100, 0, 100),
            (100, 40, 60),
            (100, 100, 0),
            (100, 200, 0),
            (100, -50, 100),
            (-30, 0, 30),
            (-30, -10, 20),
            (0, 50, 0),
        ];
        for (held, desired, close) in cases {
            let expected = (close > 0).then_some(Shares(close));
            assert_eq!(reduction(Shares(held), Shares(desired)), expected, "{held} to {desired}");
        }
    }
}
