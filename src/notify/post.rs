//! One HTTP POST, bounded in time. What goes wrong is told without the address, which is a secret.

use std::time::Duration;

use super::channels::Request;

/// How long one attempt may take, names and connection included.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// An answer, but no good one.
    #[error("the server answered {0}; check the address and its token")]
    Answered(u16),
    /// A mail server that does not take it.
    #[error("the mail server answered {0}; check NOTIFY_SMTP_URL with its user, and the addresses")]
    MailRefused(u16),
    /// A mail server that does not take it now.
    #[error("the mail server answered {0}: not now")]
    MailLater(u16),
    /// No mail can be made of it.
    #[error("no mail can be written ({0})")]
    Mail(String),
    /// No answer.
    #[error("no answer ({0}); check the network and the address")]
    Failed(String),
}

impl PostError {
    /// Whether trying again may help.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Answered(code) => *code == 429 || *code >= 500,
            Self::MailLater(_) | Self::Failed(_) => true,
            Self::MailRefused(_) | Self::Mail(_) => false,
        }
    }
}

/// Posts a request and waits for its answer. Blocks.
///
/// # Errors
/// It was not taken.
pub(super) fn post(request: &Request) -> Result<(), PostError> {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(DEADLINE)).build().into();
    let mut post = agent.post(&request.url);
    for (name, value) in &request.headers {
        post = post.header(*name, value);
    }
    match post.send(request.body.as_str()) {
        Ok(_) => Ok(()),
        Err(ureq::Error::StatusCode(code)) => Err(PostError::Answered(code)),
        Err(error) => Err(PostError::Failed(told(&error).to_owned())),
    }
}

/// What failed, in words that hold nothing of the address.
fn told(error: &ureq::Error) -> &'static str {
    match error {
        ureq::Error::Timeout(_) => "it took too long",
        ureq::Error::HostNotFound => "the host is not known",
        ureq::Error::ConnectionFailed | ureq::Error::Io(_) => "the connection failed",
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "the address is not one",
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "the server's certificate was not accepted",
        _ => "the answer made no sense",
    }
}
