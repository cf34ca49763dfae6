//! What every request shares: the message limit, our own deadline, typed errors.

use std::future::Future;
use std::time::Duration;

use ibapi::Error;
use tokio::time::timeout;
use tracing::warn;

use super::codes;
use super::error::RequestError;
use super::limiter::{Limiter, Priority};

/// Deadlines and limits of a session's requests.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub(super) limiter: &'a Limiter,
    pub(super) within: Duration,
}

impl Desk<'_> {
    /// Waits for its turn, then for the answer, each within the deadline.
    pub(super) async fn ask<T>(
        &self,
        what: &str,
        priority: Priority,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, RequestError> {
        self.turn(what, priority).await?;
        let answer = within(what, self.within, request).await;
        if let Err(RequestError::Refused { code: codes::TOO_FAST, .. }) = &answer {
            warn!(what, "IBKR says that messages come too fast; holding them back");
            self.limiter.hold();
        }
        answer
    }

    /// Waits for its turn under the message limit.
    pub(super) async fn turn(&self, what: &str, priority: Priority) -> Result<(), RequestError> {
        timeout(self.within, self.limiter.acquire(priority))
            .await
            .map_err(|_| RequestError::Throttled { what: what.to_owned(), within: self.within })
    }
}

/// The answer within a deadline. Dropping the request lets the crate cancel it at the gateway.
pub(super) async fn within<T>(
    what: &str,
    deadline: Duration,
    request: impl Future<Output = Result<T, Error>>,
) -> Result<T, RequestError> {
    match timeout(deadline, request).await {
        Ok(answer) => answer.map_err(|error| RequestError::from_api(what, deadline, &error)),
        Err(_) => Err(RequestError::Deadline { what: what.to_owned(), within: deadline }),
    }
}
