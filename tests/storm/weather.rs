//! What each step does to the world.

use robo_trader::desk::operator::Order;
use robo_trader::desk::{Event, Recovered};
use robo_trader::domain::MarketTime;
use robo_trader::domain::broker::*;
use robo_trader::strategy::Target;

use super::broker::{CLIENT, Mood};
use super::step::{Crash, Step};
use super::world::{Held, Item, Part, Session, World};

pub fn happen(world: &mut World, step: Step) -> Held {
    match step {
        Step::Bar { symbol, cents, target, part } => {
            let contract = world.contracts[usize::from(symbol) % world.contracts.len()].id;
            let target = target.and_then(|halves| Target::new(f64::from(halves) / 2.0));
            world.bar(contract, i64::from(cents), target, part);
        }
        Step::Clock(seconds) => heartbeat(world, seconds),
        Step::Arrive(count) => {
            if world.line_up().is_some() {
                (0..count).all(|_| world.arrive());
            }
        }
        Step::Fill { pick, part } => fill(world, pick, part),
        Step::Refuse => world.mood = Mood::Refuse,
        Step::Silent => world.mood = Mood::Silent,
        Step::Preset => world.mood = Mood::Preset,
        Step::Deepen => world.broker.deepen(None),
        Step::Send(count) => drop((0..count).all(|_| world.send())),
        Step::Hear(count) => drop((0..count).all(|_| world.hear())),
        Step::Desk(most) => world.desk(usize::from(most))?,
        Step::Read(parts) => {
            start(world)?;
            (0..parts).for_each(|_| read(world));
        }
        Step::Overdue(pick) => overdue(world, pick)?,
        Step::Compare => {
            if let Some(session) = world.line_up() {
                session.trouble = true;
            }
        }
        Step::Night => {
            world.pass(14 * 3_600);
            world.broker.night();
            world.pump();
        }
        Step::Stop => {
            if let Some(process) = world.process.as_mut().filter(|process| !process.stopping) {
                process.stopping = true;
                process.inbox.push_back(Event::ShuttingDown);
            }
        }
        Step::Die(crash) => die(world, crash),
        Step::Echo(_)
        | Step::Overtaken(_)
        | Step::Skipped(_)
        | Step::Lag(_)
        | Step::Costs(_)
        | Step::Correct(_)
        | Step::ByHand { .. }
        | Step::Lose(_)
        | Step::Hang
        | Step::Restart
        | Step::Link(_)
        | Step::Steady
        | Step::Operate(_)
        | Step::MarketHalt(_)
        | Step::OldPositions(_)
        | Step::NoAccount => foul(world, step),
    }
    Ok(())
}

/// The steps that only a bad day has.
fn foul(world: &mut World, step: Step) {
    match step {
        Step::Echo(pick) => echo(world, usize::from(pick)),
        Step::Overtaken(pick) => overtaken(world, usize::from(pick)),
        Step::Skipped(pick) => {
            if let Some(index) = loose(world, usize::from(pick))
                && let Some(session) = world.line_up()
            {
                session.wire.remove(index);
            }
        }
        Step::Lag(count) => {
            if let Some(session) = world.line_up() {
                session.wire.drain(..usize::from(count).min(session.wire.len()));
                session.wire.push_front(Item::Lagged);
            }
        }
        Step::Costs(count) => {
            world.broker.say_costs(usize::from(count));
            world.pump();
        }
        Step::Correct(pick) => {
            world.broker.correct(usize::from(pick));
            world.pump();
        }
        Step::ByHand { symbol, change } => {
            let contract = world.contracts[usize::from(symbol) % world.contracts.len()].id;
            world.note(|| format!("somebody trades {change} of {contract} by hand"));
            world.broker.trade_by_hand(contract, i64::from(change));
            // The order stream does not always tell of other clients' orders.
            if change % 2 == 0 {
                world.broker.out.pop();
            }
            world.pump();
        }
        Step::Lose(arrive) => world.lose(usize::from(arrive)),
        Step::Hang => {
            if let Some(session) = world.session() {
                session.hung = true;
            }
        }
        Step::Restart => {
            world.lose(1);
            world.link(true);
            world.note(|| "the gateway restarts".into());
            world.broker.restart_gateway();
        }
        Step::Link(up) => world.link(up),
        Step::Steady => steady(world),
        Step::Operate(pick) => operate(world, pick),
        Step::MarketHalt(symbol) => {
            let contract = world.contracts[usize::from(symbol) % world.contracts.len()].id;
            if !world.broker.halted.remove(&contract) {
                world.broker.halted.insert(contract);
            }
            world.note(|| format!("trading of {contract} is halted, or goes on"));
        }
        Step::OldPositions(count) => world.old_positions = Some((count, world.broker.positions())),
        Step::NoAccount => world.incomplete = true,
        _ => {}
    }
}

/// The broker is read while trading goes on, and the desk compares.
fn steady(world: &mut World) {
    let Some(process) = &mut world.process else { return };
    let since = process.desk.book().facts();
    let idle = |session: &&mut Session| session.feeding && !session.hung && session.part == Part::Idle;
    let Some(session) = process.session.as_mut().filter(idle).filter(|_| process.desk.is_ready()) else { return };
    session.part = Part::Orders;
    while world.session().is_some_and(|session| session.part != Part::Barrier) {
        read_part(world);
    }
    let Some(process) = &mut world.process else { return };
    let Some(session) = &mut process.session else { return };
    session.part = Part::Idle;
    let read = Recovered { client_id: CLIENT, snapshot: session.snapshot.clone(), disturbed: false, since };
    process.inbox.push_back(Event::Compared(Box::new(read)));
}

fn operate(world: &mut World, pick: u8) {
    let symbol = world.contracts[usize::from(pick / 8) % world.contracts.len()].symbol;
    let symbol = pick.is_multiple_of(2).then_some(symbol);
    let reason = "storm".to_owned();
    let order = match pick / 2 % 4 {
        0 => Order::Halt { symbol, reason },
        1 => Order::Flatten { symbol, reason, everything: false },
        _ => Order::Resume { symbol, reason },
    };
    if let Some(process) = &mut world.process {
        process.inbox.push_back(Event::Operator(order));
    }
}

fn heartbeat(world: &mut World, seconds: u8) {
    world.pass(u64::from(seconds));
    let now = world.now();
    let money = world.broker.money(true);
    let Some(process) = &mut world.process else { return };
    if process.session.as_ref().is_some_and(|session| session.feeding && !session.hung) {
        process.inbox.push_back(Event::Time(now));
        if seconds.is_multiple_of(4) {
            process.inbox.push_back(Event::Account(money));
        }
    }
}

fn fill(world: &mut World, pick: u8, part: u8) {
    let able: Vec<usize> = (0..world.broker.orders.len())
        .filter(|index| world.broker.workable(*index) > 0)
        .filter(|index| {
            let contract = world.broker.orders[*index].ticket.contract;
            world.broker.touches(*index, world.broker.prices[&contract]).is_some()
        })
        .collect();
    let Some(index) = able.get(usize::from(pick) % able.len().max(1)).copied() else { return };
    let most = world.broker.workable(index);
    let quantity = if part == 0 { most } else { (most * i64::from(part) / 256).max(1) };
    let price = world.broker.price(world.broker.orders[index].ticket.contract);
    world.note(|| format!("  the broker fills {quantity} of an order"));
    world.broker.fill(index, quantity, price);
    world.pump();
}

/// The broker says again what it has said before.
fn echo(world: &mut World, pick: usize) {
    let orders = world.broker.orders.len();
    let executions = world.broker.executions.len();
    if pick.is_multiple_of(2) && orders > 0 {
        let index = pick / 2 % orders;
        if world.broker.orders[index].is_live() {
            world.broker.tell(index);
        }
    } else if executions > 0 {
        let execution = world.broker.executions[pick / 2 % executions].clone();
        let cost = world.broker.costs.get(execution.id.stem()).cloned();
        world.broker.out.push(execution.into());
        world.broker.out.extend(cost.map(OrderUpdate::Commission));
    }
    world.pump();
}

/// The place of a message on the wire that TWS does not promise: a status, or an order's terms.
fn loose(world: &mut World, pick: usize) -> Option<usize> {
    let session = world.line_up()?;
    let is_loose = |item: &Item| matches!(item, Item::Update(OrderUpdate::Status(_) | OrderUpdate::Open(_)));
    let places: Vec<usize> = (0..session.wire.len()).filter(|index| is_loose(&session.wire[*index])).collect();
    places.get(pick % places.len().max(1)).copied()
}

fn overtaken(world: &mut World, pick: usize) {
    let Some(from) = loose(world, pick) else { return };
    let Some(session) = world.line_up() else { return };
    let to = (from + 1 + pick % 4).min(session.wire.len() - 1);
    if let Some(item) = session.wire.remove(from) {
        session.wire.insert(to, item);
    }
}

fn overdue(world: &mut World, pick: u8) -> Held {
    if world.has_input() {
        return Ok(());
    }
    let Some(session) = world.session() else { return Ok(()) };
    // What still waits in the outbox could not have been answered.
    if !session.outbox.is_empty() {
        return Ok(());
    }
    let waiting = session.deadlines.len();
    let Some(intent) = session.deadlines.iter().nth(usize::from(pick) % waiting.max(1)).copied() else {
        return Ok(());
    };
    session.deadlines.remove(&intent);
    world.tell(Event::Overdue { intent })?;
    world.settle()
}

fn die(world: &mut World, crash: Crash) {
    if crash == Crash::Now {
        if world.process.is_some() {
            world.die();
        }
    } else if let Some(process) = &mut world.process {
        process.crash = Some(crash);
    }
}

/// The process starts, or one that was told to stop ends in order first.
pub fn start(world: &mut World) -> Held {
    match &world.process {
        Some(process) if process.stopping => {
            while world.send() {}
            world.lose(usize::MAX);
            while world.has_input() {
                world.desk(8)?;
                if world.process.is_none() {
                    break;
                }
            }
            if world.process.is_some() {
                world.die();
            }
            world.start();
        }
        Some(_) => {}
        None => world.start(),
    }
    Ok(())
}

/// The runner's next step with its session: connect, or read one more part of the broker's state.
pub fn read(world: &mut World) {
    let linked = world.frozen.is_none();
    let Some(process) = &mut world.process else { return };
    if process.detach {
        return;
    }
    let Some(session) = &mut process.session else {
        if linked && !process.stopping {
            connect(world);
        }
        return;
    };
    if session.hung {
        world.lose(0);
        return;
    }
    match session.part {
        Part::Idle => {
            if (!session.feeding && !process.stopping) || session.trouble {
                session.trouble = false;
                session.part = Part::Begin;
            }
        }
        Part::Begin => {
            session.since = process.desk.book().facts();
            session.reading = session.outbox.is_empty().then(|| process.desk.book().counts().executions);
            session.part = Part::Orders;
        }
        Part::Orders | Part::Completed | Part::Executions | Part::Positions | Part::Account => read_part(world),
        // What the session's parts have said before is decided before what was read.
        Part::Barrier if process.inbox.is_empty() => {
            let snapshot = session.snapshot.clone();
            session.command =
                Some(Box::new(Recovered { client_id: CLIENT, snapshot, disturbed: false, since: session.since }));
            session.part = Part::Told;
        }
        Part::Barrier | Part::Told => {}
    }
}

fn connect(world: &mut World) {
    world.note(|| "a session begins".into());
    world.broker.out.clear();
    let next_order_id = world.broker.next_id;
    let at = world.now();
    let Some(process) = &mut world.process else { return };
    process.inbox.extend(world.contracts.iter().cloned().map(Event::Listed));
    process.session = Some(Session {
        attached: true,
        hung: false,
        outbox: Default::default(),
        line: Default::default(),
        wire: Default::default(),
        stream: Default::default(),
        part: Part::Begin,
        snapshot: blank(at, next_order_id),
        command: None,
        reading: None,
        since: 0,
        reads: 0,
        feeding: false,
        trouble: false,
        deadlines: Default::default(),
        compared: false,
    });
}

fn blank(at: MarketTime, next_order_id: i32) -> BrokerSnapshot {
    BrokerSnapshot {
        at,
        next_order_id,
        open_orders: Vec::new(),
        completed_orders: Vec::new(),
        executions: Vec::new(),
        commissions: Vec::new(),
        positions: Default::default(),
        account: AccountState::default(),
    }
}

fn read_part(world: &mut World) {
    // One TCP stream each way: what was sent before the question arrives before it, and what was
    // said before the answer is heard before it.
    while world.arrive() {}
    let view = world.frozen.as_deref().unwrap_or(&world.broker);
    let orders = |wanted: fn(&super::broker::Placed) -> bool| -> Vec<BrokerOrder> {
        let indices = (0..view.orders.len()).filter(|index| wanted(&view.orders[*index]));
        indices.map(|index| view.describe(index)).collect()
    };
    let open = orders(|order| order.is_live());
    let completed = orders(|order| !order.is_live() && !order.old);
    let executions = view.executions.clone();
    let unsaid: Vec<&ExecutionId> = view.unsaid.iter().map(|cost| &cost.execution).collect();
    let commissions: Vec<Commission> =
        view.costs.values().filter(|cost| !unsaid.contains(&&cost.execution)).cloned().collect();
    let mut positions = view.positions();
    let account = view.money(!world.incomplete);
    let at = view.now;
    if let Some((left, old)) = &mut world.old_positions {
        if *left > 0 {
            positions.clone_from(old);
        }
        *left = left.saturating_sub(1);
    }
    let Some(session) = world.session() else { return };
    let snapshot = &mut session.snapshot;
    let next = match session.part {
        Part::Orders => {
            snapshot.at = at;
            snapshot.open_orders = open;
            Part::Completed
        }
        Part::Completed => {
            snapshot.completed_orders = completed;
            Part::Executions
        }
        Part::Executions => {
            snapshot.executions = executions;
            snapshot.commissions = commissions;
            Part::Positions
        }
        Part::Positions => {
            snapshot.positions = positions;
            Part::Account
        }
        Part::Account => {
            snapshot.account = account;
            Part::Barrier
        }
        other => other,
    };
    session.part = next;
    if next == Part::Barrier {
        world.incomplete = false;
        while world.hear() {}
    }
}
