//! The account's holdings, kept up to date (rule 16: the subscription stays open).
//!
//! It is asked for by account (`reqPositionsMulti`), so that it has a number of its own: the plain
//! request's answers cannot be told from those of a snapshot, and its cancel would end both.

use futures::StreamExt;
use ibapi::accounts::PositionUpdateMulti;
use ibapi::subscriptions::{Subscription, SubscriptionItem};
use tracing::debug;

use super::error::StreamEnd;
use super::orders::label;
use crate::domain::broker::{AccountId, BrokerPosition};
use crate::domain::{ContractId, Price};

/// See the module.
pub struct HoldingStream {
    rows: Subscription<PositionUpdateMulti>,
    account: AccountId,
}

impl HoldingStream {
    pub(super) fn new(rows: Subscription<PositionUpdateMulti>, account: AccountId) -> Self {
        Self { rows, account }
    }

    /// The next holding that the gateway states. Cancel-safe.
    ///
    /// # Errors
    /// Why the stream ended.
    pub async fn next(&mut self) -> Result<BrokerPosition, StreamEnd> {
        loop {
            match self.rows.next().await {
                Some(Ok(SubscriptionItem::Data(PositionUpdateMulti::Position(row)))) => {
                    let ours = row.account.is_empty() || *row.account == *self.account.0;
                    // A number that is none says nothing; the next comparison reads it again.
                    let Some(quantity) = Price::from_f64(row.position).filter(|_| ours) else { continue };
                    return Ok(BrokerPosition {
                        account: self.account.clone(),
                        contract: ContractId(row.contract.contract_id),
                        symbol: label(row.contract.symbol.as_str()),
                        quantity: quantity.decimal(),
                        average_cost: Price::from_f64(row.average_cost)
                            .filter(|cost| cost.decimal().is_sign_positive()),
                    });
                }
                Some(Ok(SubscriptionItem::Data(PositionUpdateMulti::PositionEnd))) => {}
                Some(Ok(SubscriptionItem::Notice(notice))) => {
                    debug!(code = notice.code, text = %notice.message, "notice about holdings");
                }
                Some(Err(error)) => return Err(StreamEnd::from_api(&error)),
                None => return Err(StreamEnd::from_api(&ibapi::Error::Shutdown)),
            }
        }
    }
}
