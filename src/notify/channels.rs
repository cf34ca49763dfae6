//! Channels: how a message is written for each of them.

use std::fmt;

use serde_json::{Value, json};

use super::email::Email;
use super::post::{PostError, post};
use super::{Level, Message};

/// The longest text that is sent, characters: Telegram takes 4,096, Discord 2,000.
const TEXT_AT_MOST: usize = 1_800;

/// Somewhere outside. Its address is a secret, and is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub enum Channel {
    /// Any program: a JSON object a message.
    Webhook(String),
    /// An incoming webhook of Slack's.
    Slack(String),
    /// A webhook of Discord's.
    Discord(String),
    /// A topic's address at an ntfy server.
    Ntfy(String),
    /// A mail server, and whom to write to by it.
    Email(Email),
    /// A bot's token and a chat.
    Telegram {
        /// As BotFather gave it.
        token: String,
        /// Number or `@name`.
        chat: String,
        /// Where the bot's methods are.
        api: String,
    },
}

/// An address that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadChannel {
    /// No address.
    #[error("use an address that begins with https:// (or http:// for a server of your own)")]
    Address,
    /// No bot.
    #[error("use TOKEN@CHAT: the bot's token as BotFather gave it, and the chat's number or @name")]
    Telegram,
}

/// What is posted.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.body)
    }
}

/// Checks an address.
///
/// # Errors
/// It is none.
pub(super) fn address(text: &str) -> Result<String, BadChannel> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = rest.is_some_and(|rest| !rest.is_empty()) && !text.contains(char::is_whitespace);
    if fits { Ok(text.to_owned()) } else { Err(BadChannel::Address) }
}

impl Channel {
    /// A channel by its name in settings and its address.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(name: &str, text: &str) -> Result<Self, BadChannel> {
        match name {
            "slack" => address(text).map(Self::Slack),
            "discord" => address(text).map(Self::Discord),
            "ntfy" => address(text).map(Self::Ntfy),
            "telegram" => {
                // A chat's name has an @ of its own.
                let (token, chat) = text.split_once('@').ok_or(BadChannel::Telegram)?;
                let fits = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '/');
                if !fits(token) || !fits(chat) || !token.contains(':') {
                    return Err(BadChannel::Telegram);
                }
                let (token, chat, api) = (token.to_owned(), chat.to_owned(), "https://api.telegram.org".to_owned());
                Ok(Self::Telegram { token, chat, api })
            }
            _ => address(text).map(Self::Webhook),
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Slack(_) => "slack",
            Self::Discord(_) => "discord",
            Self::Ntfy(_) => "ntfy",
            Self::Email(_) => "email",
            Self::Telegram { .. } => "telegram",
        }
    }

    /// Brings a message there and waits until it is taken. Blocks.
    ///
    /// # Errors
    /// It was not taken.
    pub fn deliver(&self, message: &Message) -> Result<(), PostError> {
        let line = cut(&line(message));
        let json = |url: &str, body: Value| Request {
            url: url.to_owned(),
            headers: vec![("Content-Type", "application/json".to_owned())],
            body: body.to_string(),
        };
        let request = match self {
            Self::Email(email) => return email.send(message, line),
            Self::Webhook(url) => json(
                url,
                json!({
                    "source": "robo-trader",
                    "level": message.level.as_str(),
                    "kind": message.kind,
                    "symbol": message.symbol,
                    "text": message.text,
                    "market_time": message.at,
                }),
            ),
            // Slack reads <, > and & as marks of its own.
            Self::Slack(url) => {
                let text = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                json(url, json!({ "text": text }))
            }
            // Nobody is called by a name that a message happens to hold.
            Self::Discord(url) => json(url, json!({ "content": line, "allowed_mentions": { "parse": [] } })),
            Self::Telegram { token, chat, api } => json(
                &format!("{api}/bot{token}/sendMessage"),
                json!({ "chat_id": chat, "text": line, "disable_web_page_preview": true }),
            ),
            Self::Ntfy(url) => Request {
                url: url.clone(),
                headers: vec![
                    ("Title", format!("robo-trader: {}", ascii(&message.kind))),
                    ("Priority", priority(message.level).to_owned()),
                ],
                body: line,
            },
        };
        post(&request)
    }
}

fn line(message: &Message) -> String {
    let mark = match message.level {
        Level::Info => "",
        Level::Warning => "WARNING ",
        Level::Critical => "A HUMAN IS NEEDED: ",
    };
    let symbol = message.symbol.as_ref().map(|symbol| format!("{symbol}: ")).unwrap_or_default();
    let at = message.at.map(|at| format!(" [{at}]")).unwrap_or_default();
    format!("{mark}{symbol}{}{at}", message.text)
}

fn cut(text: &str) -> String {
    if text.chars().count() <= TEXT_AT_MOST {
        return text.to_owned();
    }
    text.chars().take(TEXT_AT_MOST - 1).chain(['…']).collect()
}

/// A header holds no other characters.
fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

fn priority(level: Level) -> &'static str {
    match level {
        Level::Info => "2",
        Level::Warning => "4",
        Level::Critical => "5",
    }
}
