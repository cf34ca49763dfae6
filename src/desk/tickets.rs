//! Tickets: how the desk writes its orders (rules 8, 9 and 14).

use std::sync::Arc;

use rust_decimal::Decimal;

use super::{Action, Desk, OrderStyle, StopPolicy};
use crate::domain::book::{Fact, OrderFact};
use crate::domain::order::{Role, TrailBy};
use crate::domain::ticket::Ticket;
use crate::domain::{ContractId, OrderKind, OrderRef, Price, Rounding, Shares, Side, TimeInForce};
use crate::risk::ApprovedOrder;

impl Desk {
    /// A ticket with the next intent number and order id, each `ahead` places further on (a
    /// bracket writes several before any is recorded).
    pub(super) fn ticket(
        &self,
        contract: ContractId,
        role: Role,
        side: Side,
        quantity: Shares,
        kind: OrderKind,
        ahead: u32,
    ) -> Option<Ticket> {
        let ledger = self.book.identity()?.ledger.clone();
        let order_ref = OrderRef { ledger, intent: self.book.next_intent() + u64::from(ahead) };
        Some(Ticket {
            order_id: self.book.next_order_id() + i32::try_from(ahead).ok()?,
            order_ref,
            account: self.plan.account.clone(),
            contract,
            role,
            side,
            quantity,
            kind,
            tif: if role.is_protective() { TimeInForce::Gtc } else { TimeInForce::Day },
            outside_rth: false,
            oca_group: None,
            parent_id: None,
            transmit: true,
        })
    }

    /// Market or marketable limit, by the plan. The limit is rounded so that it is never worse
    /// than what risk sees.
    pub(super) fn trading_kind(&self, contract: ContractId, side: Side, reference: Price) -> Option<OrderKind> {
        let rule = &self.marks.contract(contract)?.price_rule;
        Some(match self.plan_of(contract)?.style {
            OrderStyle::Market => OrderKind::Market,
            OrderStyle::MarketableLimit(offset) => {
                let (factor, rounding) = match side {
                    Side::Buy => (Decimal::ONE + offset, Rounding::Down),
                    Side::Sell => (Decimal::ONE - offset, Rounding::Up),
                };
                OrderKind::Limit { limit: rule.round(reference * factor, rounding) }
            }
        })
    }

    /// The protective stop for a position entered on `entry_side` at about `reference`; `None`
    /// where none is wanted or its distance is not known.
    pub(super) fn stop_kind(&self, contract: ContractId, entry_side: Side, reference: Price) -> Option<OrderKind> {
        let distance = match self.plan_of(contract)?.stop {
            StopPolicy::None => return None,
            StopPolicy::Trailing(fraction) => {
                let by = TrailBy::Percent((fraction * Decimal::ONE_HUNDRED).normalize());
                return Some(OrderKind::Trail { by, trigger: None });
            }
            StopPolicy::Fixed(fraction) => reference * fraction,
            StopPolicy::Atr(multiple) => self.marks.range(contract)? * multiple,
        };
        let trigger = self.off_reference(contract, entry_side, reference, distance)?;
        Some(OrderKind::Stop { trigger })
    }

    /// A price `distance` on the losing side of `reference`, on the grid, at least one step away
    /// and positive.
    fn off_reference(
        &self,
        contract: ContractId,
        entry_side: Side,
        reference: Price,
        distance: Price,
    ) -> Option<Price> {
        let rule = &self.marks.contract(contract)?.price_rule;
        let step = rule.increment(reference);
        let trigger = match entry_side {
            // Rounded towards the reference: the loss is no larger than asked.
            Side::Buy => rule.round((reference - distance).min(reference - step), Rounding::Up).min(reference - step),
            Side::Sell => rule.round((reference + distance).max(reference + step), Rounding::Down),
        };
        Some(if trigger > Price::ZERO { trigger } else { step })
    }

    /// The take-profit order for a position entered on `entry_side` at about `reference`.
    pub(super) fn profit_kind(&self, contract: ContractId, entry_side: Side, reference: Price) -> Option<OrderKind> {
        let fraction = self.plan_of(contract)?.take_profit?;
        let rule = &self.marks.contract(contract)?.price_rule;
        let limit = match entry_side {
            Side::Buy => rule.round(reference * (Decimal::ONE + fraction), Rounding::Up),
            Side::Sell => rule.round(reference * (Decimal::ONE - fraction), Rounding::Down),
        };
        (limit > Price::ZERO).then_some(OrderKind::Limit { limit })
    }

    /// Journals an approved order and queues it to be sent.
    pub(super) fn send(&mut self, order: ApprovedOrder, reference: Price) {
        let ticket = Arc::clone(order.ticket());
        let contract = ticket.contract;
        let session = self.book.session();
        self.record(Some(contract), Fact::Order(OrderFact::Intended { ticket, session, reference }));
        self.decided.actions.push(Action::Submit(order));
    }
}
