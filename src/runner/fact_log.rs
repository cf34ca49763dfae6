//! Facts as log lines: an operator who reads only the log sees every order's life.

use tracing::{debug, error, info, warn};

use crate::domain::book::{Fact, FillFact, LedgerFact, LockFact, OrderFact, Record, SessionFact, TargetFact};
use crate::domain::order::OrderEvent;

/// Logs one fact, at the level of who must act.
pub fn log(record: &Record) {
    let symbol = record.symbol.as_ref().map_or("-", |symbol| symbol.as_str());
    let at = record.at;
    match &record.fact {
        Fact::Ledger(fact) => ledger(fact, symbol),
        Fact::Session(SessionFact::Ready { number, client_id, next_order_id }) => {
            info!(session = number, client_id, next_order_id, market_time = %at, "ready: the broker's state is reconciled, orders may be sent");
        }
        // The connection says it at the level it deserves; once is enough.
        Fact::Session(SessionFact::Lost { number, why }) => debug!(session = number, "session ended: {why}"),
        Fact::Day(crate::domain::book::DayFact::Opened { day, equity }) => {
            info!(%day, equity_usd = %equity, "exchange day begins");
        }
        Fact::Target(TargetFact::Accepted { value, size, stale }) => {
            info!(symbol, target = value, size = %size, stale, bar_end = %at, "target changed");
        }
        Fact::Target(TargetFact::Disarmed { why }) => {
            info!(symbol, why = ?why, "disarmed: no entry until the target changes");
        }
        Fact::Target(TargetFact::Deferred) => info!(symbol, "entry deferred to the next open"),
        Fact::Order(fact) => order(fact, symbol),
        Fact::Fill(fact) => fill(fact, symbol),
        Fact::Day(crate::domain::book::DayFact::PeakRaised { equity }) => {
            debug!(equity_usd = %equity, "highest equity")
        }
        Fact::Lock(LockFact::Set { scope, cause, why, until, until_at }) => {
            let until = until.map(|day| day.to_string()).or(until_at.map(|at| at.to_string()));
            let ends = cause.remedy();
            if until_at.is_some() {
                // It ends by itself, soon.
                warn!(symbol, ?scope, ?cause, until, ends, "entries paused: {why}");
            } else {
                error!(symbol, ?scope, ?cause, until, ends, "entries locked: {why}");
            }
        }
        Fact::Lock(LockFact::Cleared { scope, why, .. }) => info!(symbol, ?scope, "entries unlocked: {why}"),
        Fact::Refused(refused) => warn!(symbol, change = %refused.change, "refused: {}", refused.refusal),
        Fact::Incident(incident) => {
            let (name, text) = (&incident.name, &incident.text);
            match (incident.detect_ms, incident.recover_ms) {
                (None, None) => warn!(symbol, %name, "incident: {text}"),
                // The layers of health have said it already, at the level it deserves.
                (detect_ms, recover_ms) => debug!(symbol, %name, detect_ms, recover_ms, "incident: {text}"),
            }
        }
    }
}

fn ledger(fact: &LedgerFact, symbol: &str) {
    match fact {
        LedgerFact::Opened { ledger, venue, account } => {
            info!(%ledger, venue = venue.as_str(), %account, "new ledger");
        }
        LedgerFact::LimitsChanged { limits } => debug!(%limits, "limits in force"),
        LedgerFact::Funded { cash } => info!(cash_usd = %cash, "ledger begins with the account's cash"),
        LedgerFact::CashAdjusted { amount, reason } => info!(amount_usd = %amount, "cash adjusted: {reason}"),
        LedgerFact::PositionAccepted { change, price, reason, .. } => {
            warn!(symbol, %change, %price, "position accepted into the book: {reason}");
        }
        LedgerFact::CorporateAction { new, old, reason } => warn!(symbol, "split {new}:{old} accepted: {reason}"),
        LedgerFact::ForeignHolding { quantity } => {
            warn!(symbol, %quantity, "the account holds shares that are not the book's: shown, never touched");
        }
    }
}

fn order(fact: &OrderFact, symbol: &str) {
    match fact {
        OrderFact::Intended { ticket, session, reference } => {
            info!(
                symbol, order_ref = %ticket.order_ref, order_id = ticket.order_id, session, role = ?ticket.role,
                reference = %reference, "order: {} {} {}", ticket.side, ticket.quantity, terms(ticket)
            );
        }
        OrderFact::Changed { intent, event, note, .. } => match event {
            OrderEvent::Rejected => warn!(symbol, intent, "order rejected: {note}"),
            OrderEvent::Lost => warn!(symbol, intent, "order in doubt: {note}"),
            OrderEvent::NotFound => warn!(symbol, intent, "order never reached the broker: {note}"),
            OrderEvent::Acknowledged => debug!(symbol, intent, "order working"),
            OrderEvent::Completed => info!(symbol, intent, "order filled"),
            OrderEvent::CancelRequested => info!(symbol, intent, "cancelling order: {note}"),
            OrderEvent::CancelRefused => info!(symbol, intent, "cancel refused: {note}"),
            OrderEvent::Cancelled if note.is_empty() => info!(symbol, intent, "order cancelled"),
            OrderEvent::Cancelled => info!(symbol, intent, "order cancelled: {note}"),
        },
        OrderFact::Amended { intent, ticket } => {
            info!(symbol, intent, "order is now: {} {} {}", ticket.side, ticket.quantity, terms(ticket));
        }
        OrderFact::Adopted { ticket, perm_id } => {
            warn!(symbol, order_ref = %ticket.order_ref, perm_id, "order adopted from the broker");
        }
        OrderFact::Observed { ticket } => {
            info!(symbol, "observed, not sent: {} {} {}", ticket.side, ticket.quantity, terms(ticket));
        }
    }
}

fn fill(fact: &FillFact, symbol: &str) {
    match fact {
        FillFact::Executed { intent, execution } => {
            info!(
                symbol, intent, execution = %execution.id, market_time = %execution.at,
                "fill: {} {} at {}", execution.side, execution.quantity, execution.price
            );
        }
        FillFact::Costed { commission } => {
            debug!(symbol, execution = %commission.execution, amount_usd = %commission.amount, "commission");
        }
        FillFact::Foreign { execution } => {
            warn!(
                symbol, execution = %execution.id, client_id = execution.client_id,
                "foreign fill, not ours: {} {} at {}", execution.side, execution.quantity, execution.price
            );
        }
    }
}

/// An order's terms in a few words.
fn terms(ticket: &crate::domain::Ticket) -> String {
    use crate::domain::OrderKind as K;
    use crate::domain::order::TrailBy;
    let price = match ticket.kind {
        K::Market => "MKT".to_owned(),
        K::Limit { limit } => format!("LMT {limit}"),
        K::Stop { trigger } => format!("STP {trigger}"),
        K::StopLimit { trigger, limit } => format!("STP {trigger} LMT {limit}"),
        K::Trail { by: TrailBy::Percent(percent), .. } => format!("TRAIL {percent}%"),
        K::Trail { by: TrailBy::Amount(amount), .. } => format!("TRAIL {amount}"),
    };
    format!("{price} {}", ticket.tif.as_str())
}
