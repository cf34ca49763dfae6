//! Sessions: when orders may be sent, and what a lost session means for orders on their way.

use super::{Desk, Trigger};
use crate::domain::ContractId;
use crate::domain::book::{Fact, SessionFact};
use crate::domain::order::{OrderEvent, OrderState};

impl Desk {
    /// The session ended: whatever was not acknowledged is `Unknown`, sent or not.
    #[cold]
    pub(super) fn lost(&mut self, why: &str) {
        let was_up = self.ready;
        self.ready = false;
        self.new_session = true;
        self.pending_read = None;
        // A new session says anew how its link is.
        self.link_up = true;
        if was_up {
            let number = self.book.session();
            self.record(None, Fact::Session(SessionFact::Lost { number, why: why.to_owned() }));
            if !self.stopping {
                self.watch_sessions();
            }
        }
        let unanswered: Vec<u64> = self
            .book
            .live_orders()
            .filter(|order| matches!(order.state, OrderState::Sent | OrderState::Cancelling))
            .map(|order| order.ticket.order_ref.intent)
            .collect();
        for intent in unanswered {
            self.change(intent, OrderEvent::Lost, 0, format!("session lost: {why}"));
        }
    }

    /// The link between TWS and IBKR: while it is down nothing new is decided, fills still count;
    /// when it is back, the broker's state is read and compared first (rule 16).
    #[cold]
    pub(super) fn link(&mut self, up: bool) {
        // Restored without having been told of as lost is restored all the same: 1101 and 1102 go
        // through the fence (rule 16).
        if self.link_up == up && !up {
            return;
        }
        self.link_up = up;
        let text = if up { "the link between TWS and IBKR is back" } else { "the link between TWS and IBKR is down" };
        self.incident(None, if up { "link_up" } else { "link_down" }, text.to_owned());
        self.fence();
        self.decided.wants_reconcile = up;
    }

    /// No order leaves until the broker's state was read and compared again.
    #[cold]
    pub(super) fn fence(&mut self) {
        self.ready = false;
        self.pending_read = None;
    }

    /// Orders may be sent from here on.
    pub(super) fn become_ready(&mut self, client_id: i32, next_order_id: i32) {
        // Behind the fence anew in the same session is no new session.
        let number = self.book.session() + u64::from(self.new_session);
        self.new_session = false;
        let next_order_id = next_order_id.max(self.book.next_order_id());
        self.record(None, Fact::Session(SessionFact::Ready { number, client_id, next_order_id }));
        self.ready = true;
        self.failed_exits.clear();
        self.new_day();
        let contracts: Vec<ContractId> = self.marks.listed().collect();
        for contract in contracts {
            self.drive(contract, Trigger::Ready);
        }
    }
}
