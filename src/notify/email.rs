//! Alerts by e-mail: one message each, to a mail server that the settings name.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes};
use lettre::transport::smtp::Error as SmtpError;
use lettre::{Message as Mail, SmtpTransport, Transport};

use super::post::PostError;
use super::{Level, Message};

/// How long each step of a delivery may take.
const STEP_WITHIN: Duration = Duration::from_secs(10);

/// To whom, from whom, by which server. Its password is shown nowhere.
#[derive(Clone)]
pub struct Email {
    to: Mailboxes,
    from: Mailbox,
    /// As lettre reads it: with the way of encryption.
    url: String,
}

/// What of it cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadEmail {
    /// No addresses to write to.
    #[error("use one or more addresses, separated by commas, as me@example.org")]
    To,
    /// No address to write from.
    #[error("use one address, as robo-trader@example.org; empty: the first one of NOTIFY_EMAIL_TO")]
    From,
    /// No server.
    #[error(
        "use smtps://USER:PASSWORD@HOST:PORT, or smtp:// where the server begins encryption itself (STARTTLS); \
         percent-encode what is not a letter or digit in user and password (@ is %40, / is %2F)"
    )]
    Server,
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url && self.from == other.from && self.to == other.to
    }
}

impl Eq for Email {}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("email")
    }
}

impl Email {
    /// By addresses to write to (separated by commas), the one to write from (empty: the first of them) and a server.
    ///
    /// # Errors
    /// Which of them cannot be used.
    pub fn new(to: &str, from: &str, server: &str) -> Result<Self, BadEmail> {
        let to: Mailboxes = to.parse().map_err(|_| BadEmail::To)?;
        let first = to.iter().next().cloned().ok_or(BadEmail::To)?;
        let from = if from.is_empty() { first } else { from.parse().map_err(|_| BadEmail::From)? };
        let email = Self { to, from, url: url(server).ok_or(BadEmail::Server)? };
        email.transport().ok_or(BadEmail::Server)?;
        Ok(email)
    }

    fn transport(&self) -> Option<SmtpTransport> {
        Some(SmtpTransport::from_url(&self.url).ok()?.timeout(Some(STEP_WITHIN)).build())
    }

    /// Sends a message, written as `line`, and waits until the server has taken it. Blocks.
    pub(super) fn send(&self, message: &Message, line: String) -> Result<(), PostError> {
        let transport = self.transport().ok_or(PostError::Mail("NOTIFY_SMTP_URL is none".to_owned()))?;
        let mark = match message.level {
            Level::Info => "",
            Level::Warning => "WARNING ",
            Level::Critical => "A HUMAN IS NEEDED: ",
        };
        let symbol = message.symbol.as_ref().map(|symbol| format!(" {symbol}")).unwrap_or_default();
        let builder = self.to.iter().fold(Mail::builder().from(self.from.clone()), |mail, to| mail.to(to.clone()));
        let builder = builder.subject(format!("robo-trader: {mark}{}{symbol}", message.kind));
        let mail = builder.header(ContentType::TEXT_PLAIN).body(line);
        let mut mail = mail.map_err(|error| PostError::Mail(error.to_string()))?;
        // So that no absence note answers it.
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        mail.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
        transport.send(&mail).map(drop).map_err(|error| told(&error))
    }
}

/// The server's address with the way of encryption; `None` where it is none. Only to this machine itself anything goes
/// unencrypted.
fn url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    // Anything that ends the host elsewhere would have another host asked than the one that is looked at here.
    if rest.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '\\' | '?' | '#')) {
        return None;
    }
    let (user, at) = rest.rsplit_once('@').map_or((None, rest), |(user, at)| (Some(user), at));
    if user.is_some_and(|user| !user.contains(':') || user.contains('@')) {
        return None;
    }
    let host = match at.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => at.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() {
        return None;
    }
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback());
    match scheme {
        "smtps" => Some(text.to_owned()),
        "smtp" if here => Some(text.to_owned()),
        "smtp" => Some(format!("{text}?tls=required")),
        _ => None,
    }
}

/// What failed, in words that hold nothing of the settings.
fn told(error: &SmtpError) -> PostError {
    if let Some(code) = error.status() {
        let code: u16 = code.into();
        return if error.is_transient() { PostError::MailLater(code) } else { PostError::MailRefused(code) };
    }
    let words = if error.is_timeout() {
        "it took too long"
    } else if error.is_tls() {
        "no encryption that can be trusted was had"
    } else if error.is_client() {
        "the server cannot do what is needed, as encryption or the way of logging in"
    } else {
        "the connection failed"
    };
    PostError::Failed(words.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;
    use crate::domain::MarketTime;

    /// A mail server for one connection; hands out every line that it hears.
    fn server(answers: &'static [(&'static str, &'static str)]) -> (u16, Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heard, lines) = sync_channel(1_000);
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            speak(stream, answers, |line| heard.send(line).unwrap());
        });
        (port, lines)
    }

    fn speak(stream: TcpStream, answers: &[(&str, &str)], heard: impl Fn(String)) {
        let mut to = stream.try_clone().unwrap();
        to.write_all(b"220 mail\r\n").unwrap();
        let mut data = false;
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            heard(line.clone());
            if data && line != "." {
                continue;
            }
            data = line == "DATA";
            let word = line.split(' ').next().unwrap();
            let known = answers.iter().find(|(begin, _)| *begin == word);
            let answer = known.map_or_else(
                || match word {
                    "EHLO" => "250-mail\r\n250 AUTH PLAIN",
                    "AUTH" => "235 welcome",
                    "DATA" => "354 go on",
                    _ => "250 ok",
                },
                |(_, answer)| answer,
            );
            // A client that has left hears nothing.
            if to.write_all(format!("{answer}\r\n").as_bytes()).is_err() {
                return;
            }
        }
    }

    fn message() -> Message {
        Message {
            level: Level::Critical,
            kind: "incident.stop_missing".into(),
            symbol: Some("AAA".into()),
            text: "stop is gone".into(),
            at: Some(MarketTime::from_secs(0)),
        }
    }

    #[test]
    fn a_message_is_handed_to_the_mail_server() {
        let (port, lines) = server(&[]);
        let url = format!("smtp://me%40x:se%2Fcret@127.0.0.1:{port}");
        let email = Email::new("a@example.org, B <b@example.org>", "robo@example.org", &url).unwrap();
        email.send(&message(), "A HUMAN IS NEEDED: AAA: stop is gone".into()).unwrap();
        let lines: Vec<String> = lines.iter().collect();
        let says = |part: &str| assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:#?}");
        // me@x, then se/cret: in the way that AUTH PLAIN wants it.
        says("AUTH PLAIN AG1lQHgAc2UvY3JldA==");
        says("MAIL FROM:<robo@example.org>");
        says("RCPT TO:<a@example.org>");
        says("RCPT TO:<b@example.org>");
        says("Subject: robo-trader: A HUMAN IS NEEDED: incident.stop_missing AAA");
        says("Auto-Submitted: auto-generated");
        says("A HUMAN IS NEEDED: AAA: stop is gone");
        assert!(!format!("{email:?}").contains("cret"));
    }

    #[test]
    fn a_server_that_refuses_is_told_of_without_the_password() {
        for (answer, expected) in [
            (&[("AUTH", "535 no")][..], PostError::MailRefused(535)),
            (&[("RCPT", "450 later")][..], PostError::MailLater(450)),
        ] {
            let (port, _lines) = server(answer);
            let email = Email::new("a@example.org", "", &format!("smtp://me:secret@127.0.0.1:{port}")).unwrap();
            let error = email.send(&message(), "x".into()).unwrap_err();
            assert_eq!((&error, error.may_pass()), (&expected, expected == PostError::MailLater(450)));
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_password_never_leaves_this_machine_unencrypted() {
        for (text, encrypted) in [
            ("smtps://u:p@mail.example.org", true),
            ("smtp://u:p@mail.example.org:587", true),
            ("smtp://mail.example.org", true),
            ("smtp://u:p@127.0.0.1.example.org", true),
            ("smtp://u:p@localhost:2525", false),
            ("smtp://[::1]:2525", false),
            ("smtp://127.0.0.1", false),
        ] {
            let url = url(text).unwrap();
            assert_eq!(url.starts_with("smtps:") || url.ends_with("?tls=required"), encrypted, "{text}");
            assert!(Email::new("a@example.org", "", text).is_ok(), "{text}");
        }
        for text in [
            "",
            "mail.example.org",
            "http://mail.example.org",
            "smtp://",
            "smtp://u@h",
            "smtp://u:p@127.0.0.1@evil.example.org",
            "smtp://u:p@evil.example.org/@127.0.0.1",
            "smtp://evil.example.org?x@127.0.0.1",
            "smtp://u:p@evil.example.org\\@127.0.0.1",
        ] {
            assert_eq!(Email::new("a@example.org", "", text).unwrap_err(), BadEmail::Server, "{text}");
        }
        assert_eq!(Email::new("", "", "smtp://localhost").unwrap_err(), BadEmail::To);
        assert_eq!(Email::new("a@b.org", "nobody", "smtp://localhost").unwrap_err(), BadEmail::From);
    }
}
