//! What must hold: after every event of the desk, and after every step of the world.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use robo_trader::desk::{Action, Decided, Event};
use robo_trader::domain::book::{Fact, OrderFact, Record};
use robo_trader::domain::broker::OrderUpdate;
use robo_trader::domain::order::{OrderState, Role};
use robo_trader::domain::ticket::Ticket;
use robo_trader::domain::{ContractId, OrderKind, Price, Shares, Side, Usd};

use super::world::{Entered, Held, World};

/// After every event: the book is the sum of its facts, the ledger balances, and what leaves is
/// allowed to.
pub fn after_event(world: &mut World, decided: &Decided) -> Held {
    let Some(process) = &world.process else { return Ok(()) };
    let (desk, book) = (&process.desk, process.desk.book());
    if !decided.records.is_empty() {
        if &process.replica != book {
            return Err("the facts do not add up to the book".into());
        }
        world_of_money(world)?;
        outstanding(world)?;
    }
    let compared = process.session.as_ref().is_some_and(|session| session.compared);
    for action in &decided.actions {
        match action {
            Action::Submit(_) | Action::Amend(_) if !desk.is_ready() || !compared => {
                return Err(format!("behind the fence, and yet: {}", describe(action)));
            }
            Action::Submit(order) => {
                let known = decided.records.iter().any(|record| {
                    matches!(&record.fact, Fact::Order(OrderFact::Intended { ticket, .. }) if ticket == order.ticket())
                });
                if !known {
                    return Err(format!("without its fact: {}", describe(action)));
                }
            }
            Action::Amend(_) | Action::Cancel { .. } | Action::CancelEverything => {}
        }
    }
    entries(world, decided)
}

fn world_of_money(world: &World) -> Held {
    let Some(book) = world.book() else { return Ok(()) };
    let mut sums: BTreeMap<ContractId, i64> = BTreeMap::new();
    for fill in book.fills() {
        let execution = &fill.execution;
        *sums.entry(execution.contract).or_default() += execution.side.signed(execution.quantity).0;
    }
    for (contract, position) in book.positions() {
        let sum = sums.get(&contract).copied().unwrap_or(0);
        if position.quantity().0 != sum {
            return Err(format!("{contract}: fills sum to {sum}, the position is {}", position.quantity()));
        }
    }
    if let (Some(cash), Some(start)) = (book.cash(), book.started_with()) {
        let cost: Usd = book.positions().map(|(_, position)| position.cost()).sum();
        let (have, should) = (cash + cost, start + book.adjustments() + book.realized() - book.fees());
        if have != should {
            return Err(format!("the ledger does not balance: {have} is not {should}"));
        }
    }
    Ok(())
}

/// At most one entry, one exit, two protective orders and four cancels outstanding per symbol.
fn outstanding(world: &World) -> Held {
    let Some(book) = world.book() else { return Ok(()) };
    for contract in &world.contracts {
        let live: Vec<(Role, OrderState)> =
            book.live_in(contract.id).map(|order| (order.ticket.role, order.state)).collect();
        let count = |wanted: &dyn Fn(&(Role, OrderState)) -> bool| live.iter().filter(|order| wanted(order)).count();
        let entries = count(&|(role, _)| *role == Role::Entry);
        let exits = count(&|(role, _)| *role == Role::Exit);
        let protective = count(&|(role, _)| role.is_protective());
        let cancels = count(&|(_, state)| *state == OrderState::Cancelling);
        if entries > 1 || exits > 1 || protective > 2 || cancels > 4 {
            return Err(format!("{}: too many orders at a time: {live:?}", contract.symbol));
        }
    }
    Ok(())
}

/// Entries keep the limits, by the storm's own arithmetic.
fn entries(world: &mut World, decided: &Decided) -> Held {
    let first = world.disk.len() + world.batch.0.len();
    let mut submitted = Vec::new();
    for (index, record) in (first..).zip(&decided.records) {
        if let Fact::Order(OrderFact::Intended { ticket, reference, .. }) = &record.fact
            && ticket.role == Role::Entry
        {
            let worth = *reference * ticket.quantity;
            world.entered.push(Entered { at: record.at, worth, index });
            submitted.push((ticket.clone(), *reference));
        }
    }
    for (ticket, reference) in submitted {
        within_limits(world, &ticket, reference).map_err(|why| format!("{}: {why}", ticket.order_ref))?;
    }
    Ok(())
}

fn within_limits(world: &World, ticket: &Ticket, reference: Price) -> Held {
    let Some(process) = &world.process else { return Ok(()) };
    let (desk, book, limits) = (&process.desk, process.desk.book(), &world.plan.limits);
    let worst = match ticket.kind {
        OrderKind::Limit { limit } => limit.max(reference),
        OrderKind::Market | OrderKind::Stop { .. } | OrderKind::StopLimit { .. } | OrderKind::Trail { .. } => reference,
    };
    let entering = || book.live_orders().filter(|order| order.ticket.role == Role::Entry);
    let at_most = |what: &str, value: Usd, limit: Usd| {
        if value > limit { Err(format!("{what} is {value}, the limit is {limit}")) } else { Ok(()) }
    };
    at_most("the order", worst * ticket.quantity, limits.max_order_notional)?;
    let coming: Shares = entering()
        .filter(|order| order.ticket.contract == ticket.contract)
        .map(|order| order.ticket.side.signed(order.remaining()))
        .sum();
    let held = book.held(ticket.contract);
    if !limits.allow_short && (held + coming).0 < 0 {
        return Err(format!("{} shares would be short", held + coming));
    }
    if !held.is_zero() && Side::of_change(held) != Some(ticket.side) {
        return Err(format!("it enters against {held} shares"));
    }
    at_most("the position", worst * (held + coming).abs(), limits.max_position_notional)?;
    let mut gross: Usd = entering().map(|order| order.reference * order.remaining()).sum();
    let mut open: BTreeSet<ContractId> = entering().map(|order| order.ticket.contract).collect();
    for (contract, position) in book.positions().filter(|(_, position)| !position.quantity().is_zero()) {
        let price = desk.marks().price(contract).ok_or("it enters while a price is not known")?;
        gross += position.market_value(price).abs();
        open.insert(contract);
    }
    let equity = desk.equity().ok_or("it enters while equity is not known")?;
    at_most("all positions together", gross, Usd::of(equity.decimal() * limits.max_leverage))?;
    if open.len() > limits.max_open_positions as usize {
        return Err(format!("{} positions are open", open.len()));
    }
    let date = |at| world.plan.calendar.date_of(at);
    let today = date(desk.now());
    let day: Usd = world.entered.iter().filter(|entry| date(entry.at) == today).map(|entry| entry.worth).sum();
    at_most("the day's entries", day, limits.max_daily_notional)?;
    let minute = world.entered.iter().filter(|entry| desk.now().since(entry.at) < Duration::from_secs(60)).count();
    if minute > limits.max_orders_per_minute as usize {
        return Err(format!("{minute} entries within a minute"));
    }
    if let Some(lock) = book.lock_on(ticket.contract) {
        return Err(format!("it enters behind a lock: {}", lock.why));
    }
    Ok(())
}

/// After every step: what the broker saw was lawful, and nothing that works or is on its way could
/// take a position beyond zero.
pub fn after_step(world: &World) -> Held {
    if let Some(wrong) = world.broker.wrong.first() {
        return Err(wrong.clone());
    }
    for contract in &world.contracts {
        reducing(world, contract.id).map_err(|why| format!("{}: {why}", contract.symbol))?;
    }
    Ok(())
}

fn reducing(world: &World, contract: ContractId) -> Held {
    let broker = &world.broker;
    let held = broker.held(contract);
    // By OCA group, of which only one can trade: the largest that could.
    let mut groups: BTreeMap<(Side, compact_str::CompactString), i64> = BTreeMap::new();
    let mut count = |ticket: &Ticket, quantity: i64| {
        if quantity > 0 {
            let group = ticket.oca_group.clone().unwrap_or_else(|| ticket.order_ref.to_string().into());
            let most = groups.entry((ticket.side, group)).or_default();
            *most = quantity.max(*most);
        }
    };
    let here = |index: &usize| {
        let order = &broker.orders[*index];
        order.ticket.contract == contract && order.ticket.role != Role::Entry && order.is_live()
    };
    for index in (0..broker.orders.len()).filter(here) {
        count(&broker.orders[index].ticket, broker.workable(index));
    }
    let session = world.process.as_ref().and_then(|process| process.session.as_ref());
    let on_its_way: Vec<&Action> =
        session.map(|session| session.outbox.iter().chain(&session.line).collect()).unwrap_or_default();
    for action in &on_its_way {
        match action {
            Action::Submit(order) if order.ticket().contract == contract && order.ticket().role != Role::Entry => {
                let ticket = order.ticket();
                // A child follows its parent's fills, and nothing joins a group that has filled.
                if ticket.parent_id.is_none() && !broker.is_spent(ticket) {
                    count(ticket, ticket.quantity.0);
                }
            }
            Action::Amend(order) if order.ticket().contract == contract && order.ticket().role != Role::Entry => {
                let ticket = order.ticket();
                let known = broker.orders.iter().position(|known| known.ticket.order_ref == ticket.order_ref);
                if let Some(index) = known.filter(|index| broker.orders[*index].is_live()) {
                    count(ticket, (ticket.quantity.0 - broker.orders[index].filled).min(broker.entitled(index)));
                }
            }
            Action::Submit(_) | Action::Amend(_) | Action::Cancel { .. } | Action::CancelEverything => {}
        }
    }
    let against = if held >= 0 { Side::Sell } else { Side::Buy };
    let total: i64 = groups.iter().filter(|((side, _), _)| *side == against).map(|(_, most)| most).sum();
    let wrong: i64 = groups.iter().filter(|((side, _), _)| *side != against).map(|(_, most)| most).sum();
    if total > held.abs() || wrong > 0 {
        return Err(format!(
            "orders that could reduce {} (and {wrong} the other way) on {held} shares: {groups:?}",
            total
        ));
    }
    Ok(())
}

pub fn describe(action: &Action) -> String {
    let terms = |ticket: &Ticket| {
        let kind = match ticket.kind {
            OrderKind::Market => "MKT".to_owned(),
            OrderKind::Limit { limit } => format!("LMT {}", limit.decimal().normalize()),
            OrderKind::Stop { trigger } => format!("STP {}", trigger.decimal().normalize()),
            OrderKind::StopLimit { .. } | OrderKind::Trail { .. } => ticket.kind.as_str().to_owned(),
        };
        let parent = ticket.parent_id.map_or_else(String::new, |id| format!(" child of id {id}"));
        format!(
            "{:?} {}: {} {} of {} {kind}, id {}{parent}",
            ticket.role, ticket.order_ref, ticket.side, ticket.quantity, ticket.contract, ticket.order_id
        )
    };
    match action {
        Action::Submit(order) => format!("submit {}", terms(order.ticket())),
        Action::Amend(order) => format!("amend {}", terms(order.ticket())),
        Action::Cancel { intent, order_id } => format!("cancel {intent} (id {order_id})"),
        Action::CancelEverything => "cancel everything".to_owned(),
    }
}

pub fn fact(record: &Record) -> String {
    let contract = record.contract.map_or_else(String::new, |id| format!("{id} "));
    match &record.fact {
        Fact::Order(OrderFact::Intended { ticket, .. }) => format!("{contract}intended {}", ticket.order_ref),
        Fact::Order(OrderFact::Changed { intent, event, note, .. }) => format!("{contract}{intent} {event:?} {note}"),
        Fact::Order(OrderFact::Amended { intent, ticket }) => {
            format!("{contract}{intent} amended to {} {:?}", ticket.quantity, ticket.kind)
        }
        other => format!("{contract}{other:?}"),
    }
}

pub fn event(event: &Event) -> String {
    match event {
        Event::Recovered(recovered) => {
            let snapshot = &recovered.snapshot;
            let orders = |orders: &[robo_trader::domain::broker::BrokerOrder]| {
                let words = orders.iter().map(|order| format!("{} {:?}", order.order_ref, order.status));
                words.collect::<Vec<_>>().join(", ")
            };
            format!(
                "read: open [{}], ended [{}], {} executions, positions {:?}, disturbed {}",
                orders(&snapshot.open_orders),
                orders(&snapshot.completed_orders),
                snapshot.executions.len(),
                snapshot.positions.values().map(|p| (p.contract.0, p.quantity)).collect::<Vec<_>>(),
                recovered.disturbed
            )
        }
        Event::Order(OrderUpdate::Open(order)) => {
            format!("open {} {:?} for {} (filled {:?})", order.order_ref, order.status, order.quantity, order.filled)
        }
        Event::Order(OrderUpdate::Status(status)) => {
            format!("status of id {}: {:?}, {} filled", status.order_id, status.status, status.filled)
        }
        Event::Order(OrderUpdate::Execution(e)) => {
            format!("execution {} of {}: {} {} at {}", e.id, e.order_ref, e.side, e.quantity, e.price)
        }
        Event::Order(OrderUpdate::Commission(cost)) => format!("cost of {}", cost.execution),
        Event::Order(OrderUpdate::News { order_id, code, news, .. }) => format!("{code} for id {order_id}: {news:?}"),
        Event::Listed(contract) => format!("listed {}", contract.symbol),
        Event::Account(_) => "account".into(),
        Event::Bar { contract, bar, target, newest, .. } => {
            format!("bar of {contract} to {} at {}, {target:?}, newest {newest}", bar.end, bar.close)
        }
        Event::Warmed { contract, bar, opinion, .. } => {
            format!("warmed {contract} to {} at {}, {opinion:?}", bar.end, bar.close)
        }
        other => format!("{other:?}"),
    }
}
