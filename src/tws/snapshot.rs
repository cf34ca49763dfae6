//! One read of everything that recovery compares with the book. Gathers, decides nothing.

use std::collections::BTreeMap;

use compact_str::CompactString;
use futures::{Stream, StreamExt};
use ibapi::accounts::types::{AccountGroup, AccountId as ApiAccount};
use ibapi::accounts::{AccountSummary, AccountSummaryResult, AccountSummaryTags as Tags, PositionUpdate};
use ibapi::orders::{ExecutionFilter, Executions, Orders};
use ibapi::subscriptions::SubscriptionItem;
use ibapi::{Client, Error, SUBSCRIPTION_LAG_CODE};
use rust_decimal::Decimal;
use tracing::debug;

use super::error::RequestError;
use super::holdings::HoldingStream;
use super::limiter::Priority;
use super::orders::{LatestTime, commission, completed_order, execution, label, open_order};
use super::requests::Desk;
use crate::domain::broker::{
    AccountId, AccountState, BrokerOrder, BrokerPosition, BrokerSnapshot, BrokerStatus, Commission, Execution,
    ExecutionId,
};
use crate::domain::{ContractId, MarketTime, Price, Usd};

const TAGS: &[&str] = &[
    Tags::NET_LIQUIDATION,
    Tags::TOTAL_CASH_VALUE,
    Tags::AVAILABLE_FUNDS,
    Tags::BUYING_POWER,
    Tags::GROSS_POSITION_VALUE,
    Tags::DAY_TRADES_REMAINING,
];

/// Asks one session's gateway for the account's whole state.
pub(super) struct Reader<'a> {
    pub(super) client: &'a Client,
    pub(super) desk: Desk<'a>,
    pub(super) account: &'a AccountId,
    pub(super) latest: &'a LatestTime,
}

impl Reader<'_> {
    /// Everything. Reads orders before executions, and executions before positions: what fills
    /// between two reads then shows as a fill too many, never as an order that vanished.
    pub(super) async fn snapshot(
        &self,
        at: MarketTime,
        next_order_id: i32,
        last_n_days: u32,
    ) -> Result<BrokerSnapshot, RequestError> {
        let open_orders = self.open_orders().await?;
        let completed_orders = self.completed_orders().await?;
        let (executions, commissions) = self.executions(last_n_days).await?;
        let positions = self.positions().await?;
        let account = self.account_state().await?;
        Ok(BrokerSnapshot {
            at,
            next_order_id,
            open_orders,
            completed_orders,
            executions,
            commissions,
            positions,
            account,
        })
    }

    /// Rows of other accounts are not ours to judge; a row that names none can only be ours.
    fn is_ours(&self, account: &str) -> bool {
        account.is_empty() || *account == *self.account.0
    }

    async fn open_orders(&self) -> Result<Vec<BrokerOrder>, RequestError> {
        // Live news of the same orders may run in between: the newest row of each counts.
        let mut orders: BTreeMap<(i32, i32, i64), BrokerOrder> = BTreeMap::new();
        let take = |row| match row {
            Orders::OrderData(data) => {
                let order = open_order(&data);
                let foreign = order.order_id <= 0;
                let key = (order.client_id, order.order_id, if foreign { order.perm_id } else { 0 });
                orders.insert(key, order);
            }
            Orders::OrderStatus(status) => {
                if let Some(order) = orders.get_mut(&(status.client_id, status.order_id, 0)) {
                    order.status = BrokerStatus::from_word(status.status.as_str());
                }
            }
        };
        self.desk
            .ask("open orders", Priority::Heartbeat, async {
                rows(&mut self.client.all_open_orders().await?, |_| false, take).await
            })
            .await?;
        let ended =
            |status| matches!(status, BrokerStatus::Filled | BrokerStatus::Cancelled | BrokerStatus::ApiCancelled);
        Ok(orders.into_values().filter(|order| self.is_ours(&order.account.0) && !ended(order.status)).collect())
    }

    async fn completed_orders(&self) -> Result<Vec<BrokerOrder>, RequestError> {
        let mut orders = Vec::new();
        let take = |row| match row {
            Orders::OrderData(data) => {
                orders.extend(Some(completed_order(&data)).filter(|order| self.is_ours(&order.account.0)));
            }
            Orders::OrderStatus(_) => {}
        };
        self.desk
            .ask("completed orders", Priority::Heartbeat, async {
                rows(&mut self.client.completed_orders(false).await?, |_| false, take).await
            })
            .await?;
        Ok(orders)
    }

    async fn executions(&self, last_n_days: u32) -> Result<(Vec<Execution>, Vec<Commission>), RequestError> {
        let filter = ExecutionFilter {
            account_code: self.account.to_string(),
            last_n_days: i32::try_from(last_n_days).unwrap_or(i32::MAX),
            ..ExecutionFilter::default()
        };
        let mut executions: BTreeMap<ExecutionId, Execution> = BTreeMap::new();
        let mut commissions: BTreeMap<ExecutionId, Commission> = BTreeMap::new();
        let take = |row| match row {
            Executions::ExecutionData(data) => {
                if let Some(execution) = execution(&data, self.latest).filter(|e| self.is_ours(&e.account.0)) {
                    executions.insert(execution.id.clone(), execution);
                }
            }
            Executions::CommissionReport(report) => {
                if let Some(commission) = commission(&report) {
                    commissions.insert(commission.execution.clone(), commission);
                }
            }
        };
        self.desk
            .ask("executions", Priority::Heartbeat, async {
                rows(&mut self.client.executions(filter).await?, |_| false, take).await
            })
            .await?;
        let mut executions: Vec<Execution> = executions.into_values().collect();
        executions.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        Ok((executions, commissions.into_values().collect()))
    }

    async fn positions(&self) -> Result<BTreeMap<ContractId, BrokerPosition>, RequestError> {
        let mut all = Vec::new();
        self.desk
            .ask("positions", Priority::Heartbeat, async {
                let mut positions = self.client.positions().await?;
                let is_end = |row: &_| matches!(row, PositionUpdate::PositionEnd);
                let end = rows(&mut positions, is_end, |row| all.push(row)).await;
                // It stays open at the gateway until told otherwise.
                positions.cancel().await;
                end
            })
            .await?;
        let mut positions = BTreeMap::new();
        for row in all {
            let PositionUpdate::Position(row) = row else { continue };
            if !self.is_ours(&row.account) {
                continue;
            }
            let Some(quantity) = Price::from_f64(row.position).map(|number| number.decimal()) else {
                return Err(RequestError::Unreadable {
                    what: "positions".to_owned(),
                    reason: format!("{} of {} is no quantity", row.position, row.contract.symbol),
                });
            };
            let contract = ContractId(row.contract.contract_id);
            if quantity == Decimal::ZERO {
                // Closed today; the newest row counts.
                positions.remove(&contract);
                continue;
            }
            let average_cost = Price::from_f64(row.average_cost).filter(|cost| *cost > Price::ZERO);
            let symbol = label(row.contract.symbol.as_str());
            let account = self.account.clone();
            positions.insert(contract, BrokerPosition { account, contract, symbol, quantity, average_cost });
        }
        Ok(positions)
    }

    /// The account's holdings, kept up to date.
    pub(super) async fn holdings(&self) -> Result<HoldingStream, RequestError> {
        let account = ApiAccount(self.account.to_string());
        let request = self.client.positions_multi(Some(&account), None);
        let rows = self.desk.ask("holdings", Priority::Data, request).await?;
        Ok(HoldingStream::new(rows, self.account.clone()))
    }

    /// The account's money.
    pub(super) async fn account_state(&self) -> Result<AccountState, RequestError> {
        let mut all = Vec::new();
        self.desk
            .ask("account summary", Priority::Heartbeat, async {
                let mut summary = self.client.account_summary(&AccountGroup("All".to_owned()), TAGS).await?;
                let is_end = |row: &_| matches!(row, AccountSummaryResult::End);
                let end = rows(&mut summary, is_end, |row| all.push(row)).await;
                // IBKR allows two at a time (322).
                summary.cancel().await;
                end
            })
            .await?;
        let ours = all.into_iter().filter_map(|row| match row {
            AccountSummaryResult::Summary(row) if self.is_ours(&row.account) => Some(row),
            AccountSummaryResult::Summary(_) | AccountSummaryResult::End => None,
        });
        Ok(account_state(ours))
    }
}

/// Takes all rows up to the end of the answer: the end of the stream, or a row that `is_end` knows. Lost rows are an
/// error: half a snapshot is none. The API's rows are large (an order has 4 kB) and a day has many: none waits for the
/// others.
async fn rows<S, T>(stream: &mut S, is_end: impl Fn(&T) -> bool, mut take: impl FnMut(T)) -> Result<(), Error>
where
    S: Stream<Item = Result<SubscriptionItem<T>, Error>> + Unpin,
{
    while let Some(item) = stream.next().await {
        match item? {
            SubscriptionItem::Data(row) if is_end(&row) => return Ok(()),
            SubscriptionItem::Data(row) => take(row),
            SubscriptionItem::Notice(notice) if notice.code == SUBSCRIPTION_LAG_CODE => {
                return Err(Error::Notice(notice));
            }
            SubscriptionItem::Notice(notice) => debug!(code = notice.code, text = %notice.message, "notice"),
        }
    }
    Ok(())
}

fn account_state(rows: impl Iterator<Item = AccountSummary>) -> AccountState {
    let mut state = AccountState::default();
    for row in rows {
        let usd = || row.value.parse::<Usd>().ok();
        match row.tag.as_str() {
            Tags::NET_LIQUIDATION => {
                state.net_liquidation = usd();
                state.currency =
                    Some(row.currency.as_str().into()).filter(|currency: &CompactString| !currency.is_empty());
            }
            Tags::TOTAL_CASH_VALUE => state.total_cash = usd(),
            Tags::AVAILABLE_FUNDS => state.available_funds = usd(),
            Tags::BUYING_POWER => state.buying_power = usd(),
            Tags::GROSS_POSITION_VALUE => state.gross_position_value = usd(),
            Tags::DAY_TRADES_REMAINING => state.day_trades_remaining = row.value.trim().parse().ok(),
            _ => {}
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_stated_is_unknown_not_zero() {
        let row = |tag: &str, value: &str| AccountSummary {
            account: "DU1".into(),
            tag: tag.into(),
            value: value.into(),
            currency: "USD".into(),
        };
        let state = account_state(
            [row("NetLiquidation", "100000.25"), row("AvailableFunds", "n/a"), row("DayTradesRemaining", "-1")]
                .into_iter(),
        );
        assert_eq!(state.net_liquidation, "100000.25".parse().ok());
        assert_eq!((state.available_funds, state.buying_power), (None, None));
        assert_eq!((state.day_trades_remaining, state.currency.as_deref()), (Some(-1), Some("USD")));
    }
}
