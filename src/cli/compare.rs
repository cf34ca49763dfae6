//! `reconcile` while no daemon runs: broker and journal compared once, by a session that only asks. Nothing is journaled:
//! what differs is for the daemon to judge, by two reads that agree.

use std::collections::BTreeSet;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::broker::BrokerError;
use super::state_dir::DaemonArgs;
use super::{records, status_text};
use crate::config::Settings;
use crate::desk::recovery::differences;
use crate::domain::book::Book;
use crate::domain::broker::BrokerOrder;
use crate::domain::order::{OrderRef, OrderState};
use crate::runner::exit;
use crate::runner::tool::{Holdings, Tool};
use crate::runner::view::DifferenceView;

/// What is said of it.
const SAID: &str = "no daemon runs: read once, by a session of its own; nothing is journaled";

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
enum CompareError {
    #[error("{0}")]
    Settings(String),
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Journal(#[from] records::SourceError),
}

impl CompareError {
    fn code(&self) -> u8 {
        match self {
            Self::Settings(_) => exit::USAGE,
            Self::Broker(error) => error.code(),
            Self::Journal(error) => error.code(),
        }
    }
}

/// Compares, and tells.
pub(super) fn alone(daemon: &DaemonArgs, json: bool) -> ExitCode {
    match compared(daemon) {
        Ok(desk) => {
            let differs = desk["differences"].as_array().is_some_and(|rows| !rows.is_empty());
            let said = if json {
                super::say(&format!("{:#}", json!({ "said": SAID, "daemon": false, "desk": desk })))
            } else {
                super::say(&text(&desk).trim_end())
            };
            if differs && said == ExitCode::SUCCESS { ExitCode::from(exit::HUMAN) } else { said }
        }
        Err(error) => super::refuse(json, &error, error.code()),
    }
}

fn compared(daemon: &DaemonArgs) -> Result<Value, CompareError> {
    let settings = Settings::resolve(&daemon.layers().map_err(CompareError::Settings)?);
    let settings = settings.map_err(|error| CompareError::Settings(error.to_string()))?;
    let dir = daemon.state_dir().map_err(CompareError::Settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let held = runtime.map_err(BrokerError::Start)?.block_on(async {
        let tool = Tool::connect(&settings).await?;
        let held = tool.holdings().await;
        tool.close().await;
        held
    });
    let held = held.map_err(BrokerError::Tool)?;
    let book = records::book_of(&dir, held.venue.as_str(), &held.account.0)?;
    Ok(desk(&book.unwrap_or_default(), &held))
}

/// The part of a daemon's status that `reconcile` tells, and which orders only one of the two knows.
fn desk(book: &Book, held: &Holdings) -> Value {
    let snapshot = &held.snapshot;
    let all = differences(book, &snapshot.positions);
    let all: Vec<DifferenceView> = all.into_iter().map(|difference| DifferenceView::of(book, difference)).collect();
    let (ours, others): (Vec<&BrokerOrder>, Vec<&BrokerOrder>) =
        snapshot.open_orders.iter().partition(|order| intent(book, order).is_some());
    let works: BTreeSet<u64> = ours.iter().filter_map(|order| intent(book, order)).collect();
    let lives: BTreeSet<u64> = book.live_orders().map(|order| order.ticket.order_ref.intent).collect();
    let foreign: Vec<Value> = others
        .into_iter()
        .map(|order| {
            json!({"client_id": order.client_id, "order": format!("{} {} {}", order.side, order.quantity, order.symbol)})
        })
        .collect();
    let holdings: Vec<Value> = book
        .foreign_holdings()
        .filter(|(_, quantity)| !quantity.is_zero())
        .map(|(id, quantity)| json!({"symbol": records::name(book, id), "quantity_shares": quantity}))
        .collect();
    json!({
        "account": held.account, "venue": held.venue.as_str(), "ledger": book.identity().is_some(),
        "differences": all, "foreign_orders": foreign, "foreign_holdings": holdings,
        "orders_only_at_broker": works.difference(&lives).collect::<Vec<_>>(),
        "orders_only_in_journal": lives.difference(&works).collect::<Vec<_>>(),
        "unknown_orders": book.live_orders().filter(|order| order.state == OrderState::Unknown).count(),
        "broker_cash_usd": snapshot.account.total_cash, "expected_cash_usd": book.cash_at_broker(),
    })
}

/// Which order of the book it is.
fn intent(book: &Book, order: &BrokerOrder) -> Option<u64> {
    let (ledger, intent) = OrderRef::parts(&order.order_ref)?;
    book.identity().is_some_and(|me| *me.ledger == *ledger).then_some(intent)
}

fn text(desk: &Value) -> String {
    let mut out = status_text::differences(SAID, &json!({ "desk": desk }));
    let words = |key: &str| desk[key].as_str().unwrap_or_default().to_owned();
    status_text::line(&mut out, "account", &format!("{} ({})", words("account"), words("venue")));
    if desk["ledger"] == false {
        status_text::line(&mut out, "journal", "none of this account: whatever it holds is others'");
    }
    for (key, what) in [
        ("orders_only_at_broker", "works at the broker, and the journal has it ended"),
        ("orders_only_in_journal", "lives in the journal, and does not work at the broker"),
    ] {
        for intent in desk[key].as_array().into_iter().flatten() {
            status_text::line(&mut out, "order", &format!("{intent} {what}"));
        }
    }
    out
}
