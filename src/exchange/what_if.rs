//! What an order would do to its account, without placing it.

#![deny(clippy::float_arithmetic)]

use super::{AccountView, Exchange, NewOrder, Refusal, Usd};

/// An account before an order and after it, were it to fill whole now.
#[derive(Debug, Clone, PartialEq)]
pub struct WhatIf {
    /// The account as it is.
    pub before: AccountView,
    /// As it would be.
    pub after: AccountView,
    /// What the order would cost, USD.
    pub commission: Usd,
}

impl Exchange {
    /// What an order would do, at the price that it states or else the latest. Nothing changes.
    ///
    /// # Errors
    /// Why it would be refused.
    pub fn what_if(&self, order: &NewOrder) -> Result<WhatIf, Refusal> {
        self.review(order)?;
        let unknown = || Refusal::Invalid(format!("account {} is not known", order.account));
        let account = self.accounts.get(&order.account).ok_or_else(unknown)?;
        let price = order.kind.stated_prices().next().or(self.mark(order.contract));
        let price = price.ok_or_else(|| Refusal::Invalid("there is no price to judge it by yet".to_owned()))?;
        let commission = self.config.commission.total(order.quantity, price * order.quantity);
        let mut after = account.clone();
        after.trade(order.contract, order.side, order.quantity, price, commission);
        let view = |account: &super::account::Account| {
            // The present price for what is held, the order's own where the market has none yet.
            let mark = |contract| self.mark(contract).or((contract == order.contract).then_some(price));
            account.view(self.config.margin, mark)
        };
        Ok(WhatIf { before: view(account), after: view(&after), commission })
    }
}
