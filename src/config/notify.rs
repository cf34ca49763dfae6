//! The settings of alerts.

use std::time::Duration;

use super::Layers;
use super::reader::Reader;
use crate::notify::heartbeat::Address;
use crate::notify::{BadEmail, Channel, Email, Level, Policy, rules};

/// Channels by the settings that hold their addresses.
const CHANNELS: [(&str, &str); 5] = [
    ("NOTIFY_WEBHOOK", "webhook"),
    ("NOTIFY_SLACK", "slack"),
    ("NOTIFY_DISCORD", "discord"),
    ("NOTIFY_NTFY", "ntfy"),
    ("NOTIFY_TELEGRAM", "telegram"),
];

/// Who is told what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotifySettings {
    /// Where alerts go.
    pub channels: Vec<Channel>,
    /// Which, when and how often.
    pub policy: Policy,
    /// Where the outbound heartbeat goes.
    pub heartbeat: Option<Address>,
    /// Without a session for longer than this outside planned windows, a human is needed; `None`: never so.
    pub no_session: Option<Duration>,
}

impl NotifySettings {
    /// Those of the layers that can be read, whatever else in them is wrong: what keeps the daemon from starting is to be
    /// told, too.
    pub fn alone(layers: &Layers) -> Self {
        read(&mut Reader::new(layers, None))
    }
}

pub(super) fn read(read: &mut Reader<'_>) -> NotifySettings {
    let mut channels = Vec::new();
    for (name, kind) in CHANNELS {
        let text = read.text(name);
        if text.is_empty() {
            continue;
        }
        match Channel::new(kind, &text) {
            Ok(channel) => channels.push(channel),
            Err(error) => read.reject(name, error.to_string()),
        }
    }
    channels.extend(email(read));
    let levels = [Level::Info, Level::Warning, Level::Critical].map(|level| (level.as_str(), level));
    let list = rules(&read.text("NOTIFY_RULES")).unwrap_or_else(|error| {
        read.reject("NOTIFY_RULES", error.to_string());
        Vec::new()
    });
    const WEEK: &str = "10080";
    let policy = Policy {
        level: read.choice("NOTIFY_LEVEL", &levels, Level::Warning),
        rules: list,
        throttle: read.span("NOTIFY_THROTTLE", 60, "0", WEEK),
        digest: read.optional_span("NOTIFY_DIGEST", 60, "0.1", WEEK),
        repeat: read.optional_span("NOTIFY_REPEAT", 60, "0.1", WEEK),
    };
    let heartbeat = (!read.text("HEARTBEAT_URL").is_empty()).then(|| read.text("HEARTBEAT_URL").parse());
    let heartbeat = heartbeat.and_then(|address: Result<Address, _>| match address {
        Ok(address) => Some(address),
        Err(error) => {
            read.reject("HEARTBEAT_URL", error.to_string());
            None
        }
    });
    let no_session = read.optional_span("NOTIFY_NO_SESSION", 60, "1", WEEK);
    NotifySettings { channels, policy, heartbeat, no_session }
}

/// Mail, where somebody is to get it; a server for nobody is a mistake, too.
fn email(read: &mut Reader<'_>) -> Option<Channel> {
    let (to, server) = (read.text("NOTIFY_EMAIL_TO"), read.text("NOTIFY_SMTP_URL"));
    if to.is_empty() && server.is_empty() {
        return None;
    }
    match Email::new(&to, &read.text("NOTIFY_EMAIL_FROM"), &server) {
        Ok(email) => Some(Channel::Email(email)),
        Err(error) => {
            let name = match error {
                BadEmail::To => "NOTIFY_EMAIL_TO",
                BadEmail::From => "NOTIFY_EMAIL_FROM",
                BadEmail::Server => "NOTIFY_SMTP_URL",
            };
            read.reject(name, error.to_string());
            None
        }
    }
}
