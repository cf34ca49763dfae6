//! The end of a storm: the weather clears, and broker and book must agree on everything.

use robo_trader::desk::StopPolicy;
use robo_trader::domain::book::{Book, LockCause, LockScope, Record};
use robo_trader::domain::order::{OrderState, Role};
use robo_trader::domain::{Shares, Usd};

use super::broker::Mood;
use super::checks;
use super::step::Step;
use super::weather;
use super::world::{Held, Part, World};

/// Rounds until everything has come to rest; what takes longer never will.
const ROUNDS: u32 = 400;

/// Bars without an opinion after the storm: what waits for a fresh bar gets its moment.
const BARS: usize = 4;

pub fn calm(world: &mut World) -> Held {
    world.note(|| "the storm is over".into());
    world.mood = Mood::Accept;
    world.old_positions = None;
    world.incomplete = false;
    world.broker.halted.clear();
    if let Some(process) = &mut world.process {
        process.crash = None;
    }
    world.link(true);
    world.broker.deepen(None);
    if world.session().is_some_and(|session| session.hung) {
        world.lose(0);
    }
    weather::start(world)?;
    for _ in 0..BARS {
        rest(world)?;
        for contract in world.contracts.clone() {
            world.bar(contract.id, 0, None, 0);
        }
    }
    rest(world)?;
    // Last comparisons, when cash has had its time: whatever still differs is seen now.
    world.pass(300);
    for _ in 0..2 {
        weather::happen(world, Step::Compare)?;
        rest(world)?;
    }
    agree(world)
}

/// Until nothing moves.
fn rest(world: &mut World) -> Held {
    for _ in 0..ROUNDS {
        let mut moved = false;
        while world.send() {
            moved = true;
        }
        while world.line_up().is_some() && world.arrive() {
            moved = true;
        }
        for index in 0..world.broker.orders.len() {
            let contract = world.broker.orders[index].ticket.contract;
            let price = world.broker.prices[&contract];
            if world.broker.workable(index) > 0
                && let Some(at) = world.broker.touches(index, price)
            {
                world.broker.fill(index, i64::MAX, at);
                moved = true;
            }
        }
        world.broker.say_costs(usize::MAX);
        world.pump();
        while world.hear() {
            moved = true;
        }
        while world.has_input() {
            world.desk(8)?;
            moved = true;
        }
        let busy = world.session().is_none_or(|session| {
            session.part != Part::Idle || !session.feeding || session.trouble || !session.attached
        });
        if busy {
            weather::read(world);
            moved = true;
        }
        checks::after_step(world)?;
        if !moved {
            let waiting = world.session().map_or(0, |session| session.deadlines.len());
            if waiting == 0 {
                weather::happen(world, Step::Clock(1))?;
                while world.has_input() {
                    world.desk(8)?;
                }
                if world.session().is_some_and(|session| session.outbox.is_empty()) {
                    return Ok(());
                }
            }
            weather::happen(world, Step::Overdue(0))?;
        }
    }
    Err(format!("{ROUNDS} rounds after the storm it still does not come to rest"))
}

fn agree(world: &mut World) -> Held {
    let Some(process) = &world.process else { return Err("no process at the end".into()) };
    let (desk, book, broker) = (&process.desk, process.desk.book(), &world.broker);
    if !desk.is_ready() {
        return Err("the desk is not Ready at the end".into());
    }
    if let Some(order) = book.orders().find(|order| order.state == OrderState::Unknown) {
        return Err(format!("{} is in doubt at the end", order.ticket.order_ref));
    }
    for contract in &world.contracts {
        let (mine, theirs) = (book.held(contract.id), broker.held(contract.id));
        if mine.0 != theirs {
            return Err(format!("{}: the book holds {mine}, the broker {theirs}", contract.symbol));
        }
        let foreign = broker.foreign.get(&contract.id).copied().unwrap_or(0);
        if book.foreign(contract.id).unwrap_or_default().0 != foreign {
            let text = format!(
                "{}: the book knows of {:?} foreign shares, there are {foreign}",
                contract.symbol,
                book.foreign(contract.id)
            );
            return Err(text);
        }
        if let Some(lock) = book.unexplained(contract.id) {
            return Err(format!("{} stays locked though nothing differs: {}", contract.symbol, lock.why));
        }
    }
    let ours = broker.executions.iter().filter(|execution| execution.client_id == super::broker::CLIENT).count();
    if book.counts().executions != ours as u64 {
        return Err(format!("the book knows {} executions of {ours}", book.counts().executions));
    }
    let stated = broker.cash + broker.foreign_cash;
    if book.cash_at_broker().unwrap_or(Usd::ZERO) != stated {
        return Err(format!("cash is {:?} by the book, {stated} at the broker", book.cash_at_broker()));
    }
    let mut mine: Vec<(String, i64)> =
        book.live_orders().map(|order| (order.ticket.order_ref.to_string(), order.remaining().0)).collect();
    let live = broker.orders.iter().filter(|order| order.is_live());
    let mut theirs: Vec<(String, i64)> =
        live.clone().map(|order| (order.ticket.order_ref.to_string(), order.left())).collect();
    mine.sort();
    theirs.sort();
    if mine != theirs {
        return Err(format!("orders of the book {mine:?}, at the broker {theirs:?}"));
    }
    if let Some(order) = live.clone().find(|order| !order.transmitted) {
        return Err(format!("{} waits to be transmitted for ever", order.ticket.order_ref));
    }
    protected(world)?;
    replayed(world)
}

/// A position with a stop policy has a stop at the broker, equal to it, or a lock that says why not.
fn protected(world: &World) -> Held {
    let Some(book) = world.book() else { return Ok(()) };
    for contract in &world.contracts {
        let held = book.disposable(contract.id);
        let wants = world.plan.symbols[&contract.symbol].stop != StopPolicy::None;
        if held.is_zero() || !wants {
            continue;
        }
        let locked = book.lock(&LockScope::Contract(contract.id), LockCause::StopBreached).is_some();
        let entering = book.live_in(contract.id).any(|order| !order.ticket.role.is_protective());
        let stops: Shares =
            book.live_in(contract.id).filter(|o| o.ticket.role == Role::Stop).map(|order| order.remaining()).sum();
        let most = book.live_in(contract.id).filter(|o| o.ticket.role.is_protective()).map(|o| o.remaining().0).max();
        if most.is_some_and(|most| most > held.abs().0) && !entering {
            return Err(format!("{}: a leg of {most:?} protects {held} shares", contract.symbol));
        }
        if stops != held.abs() && !locked && !entering {
            return Err(format!("{}: {held} shares have a stop of {stops} and no lock says why", contract.symbol));
        }
    }
    Ok(())
}

/// The whole journal, written as JSON and read back, gives the same book.
fn replayed(world: &World) -> Held {
    let mut book = Book::default();
    for record in &world.disk {
        let text = serde_json::to_string(record).map_err(|error| error.to_string())?;
        let back: Record = serde_json::from_str(&text).map_err(|error| format!("{text}: {error}"))?;
        book.apply(&back);
    }
    if Some(&book) == world.book() { Ok(()) } else { Err("the journal read back gives another book".into()) }
}
