//! Who is let in: host, origin, token, and how often.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::page;
use super::token::Token;

/// What a request says of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claims<'a> {
    /// Its path.
    pub path: &'a str,
    /// Whether it only reads (GET or HEAD).
    pub reads: bool,
    /// `Host`.
    pub host: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// The token that it carries.
    pub token: Option<&'a str>,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The host is not one of ours: a name that somebody else made to point here.
    #[error(
        "this Host is not served here: use localhost, 127.0.0.1, [::1] or a name in DASH_HOSTS; any address where \
         DASH_BIND goes beyond this machine"
    )]
    Host,
    /// Another site asks.
    #[error("requests from other sites are not answered")]
    Origin,
    /// No token.
    #[error("the token is needed: Authorization: Bearer, with what web.token in the state directory holds")]
    NoToken,
    /// Another token.
    #[error("this is not the token: web.token in the state directory holds it")]
    WrongToken,
    /// The daemon has none.
    #[error("the daemon has no token (its log says why): nothing that needs one can be done")]
    Tokenless,
    /// Too many.
    #[error("too many requests: wait a moment")]
    TooMany,
}

impl Denied {
    /// Its HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Host => 421,
            Self::Origin | Self::Tokenless => 403,
            Self::NoToken | Self::WrongToken => 401,
            Self::TooMany => 429,
        }
    }
}

/// The rules of a door.
#[derive(Debug)]
pub struct Guard {
    /// Whether only this machine can come.
    pub loopback: bool,
    /// Names by which it may be reached.
    pub hosts: Vec<String>,
    /// The token; `None`: nothing that needs one is let in.
    pub token: Option<Token>,
    /// Of everybody who has no token: they must not keep the operator out.
    requests: Bucket,
    /// Of browsers that follow another site's link to the page.
    sent: Bucket,
    /// Of those who carry the right one.
    known: Bucket,
    commands: Bucket,
    failures: Bucket,
}

impl Guard {
    /// The usual rates: 100 requests a second with the token, and as many without it; one a second by other sites'
    /// links; one command a second; bursts besides; a wrong token once in three.
    pub fn new(loopback: bool, hosts: Vec<String>, token: Option<Token>) -> Self {
        Self {
            loopback,
            hosts,
            token,
            requests: Bucket::new(400, Duration::from_millis(10)),
            sent: Bucket::new(20, Duration::from_secs(1)),
            known: Bucket::new(400, Duration::from_millis(10)),
            commands: Bucket::new(30, Duration::from_secs(1)),
            failures: Bucket::new(20, Duration::from_secs(3)),
        }
    }

    /// Lets a request in, or says why not.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, claims: &Claims<'_>) -> Result<(), Denied> {
        let host = claims.host.ok_or(Denied::Host)?;
        if !Named::of(host).is_some_and(|named| self.knows(&named)) {
            return Err(Denied::Host);
        }
        if let Some(origin) = claims.origin
            && origin.split_once("://").is_none_or(|(_, authority)| !authority.eq_ignore_ascii_case(host))
        {
            return Err(Denied::Origin);
        }
        let is_sent = claims.fetch_site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
        if is_sent && !(claims.reads && claims.path == page::START) {
            return Err(Denied::Origin);
        }
        // Only now: what other sites make a browser ask takes nothing from the operator in the same browser.
        let bucket = match (self.is_known(claims.token), is_sent) {
            (true, _) => &self.known,
            (false, true) => &self.sent,
            (false, false) => &self.requests,
        };
        if !bucket.take() {
            return Err(Denied::TooMany);
        }
        let free = claims.reads && (self.loopback || page::has(claims.path));
        if !free {
            self.holds(claims.token)?;
        }
        if !claims.reads && !self.commands.take() {
            return Err(Denied::TooMany);
        }
        Ok(())
    }

    /// Whether this is the token.
    pub fn is_known(&self, given: Option<&str>) -> bool {
        self.token.as_ref().zip(given).is_some_and(|(token, given)| token.is(given))
    }

    fn holds(&self, given: Option<&str>) -> Result<(), Denied> {
        let Some(token) = &self.token else { return Err(Denied::Tokenless) };
        let given = given.ok_or(Denied::NoToken)?;
        // The right one first: whoever guesses must not keep the operator out.
        if token.is(given) {
            return Ok(());
        }
        Err(if self.failures.take() { Denied::WrongToken } else { Denied::TooMany })
    }

    fn knows(&self, named: &Named) -> bool {
        match named {
            Named::Name(name) => name == "localhost" || self.hosts.contains(name),
            // An address cannot be made to point elsewhere.
            Named::Address(address) => address.to_canonical().is_loopback() || !self.loopback,
        }
    }
}

/// Whom a `Host` names.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    /// In lower case, without a dot at its end.
    Name(String),
    Address(IpAddr),
}

impl Named {
    /// A name, an IPv4 address or an IPv6 address in brackets, with a port or without; `None` where it is none of them.
    fn of(host: &str) -> Option<Self> {
        if let Some(rest) = host.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            return address.parse().ok().filter(|_| is_whole).map(|address| Self::Address(IpAddr::V6(address)));
        }
        let name = match host.split_once(':') {
            Some((name, port)) => Some(name).filter(|_| is_port(port))?,
            None => host,
        };
        if let Ok(address) = name.parse() {
            return Some(Self::Address(IpAddr::V4(address)));
        }
        Some(Self::Name(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()))
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// So many at once, then one a time.
#[derive(Debug)]
struct Bucket {
    most: u32,
    every: Duration,
    left: Mutex<(u32, Option<Instant>)>,
}

impl Bucket {
    fn new(most: u32, every: Duration) -> Self {
        Self { most, every, left: Mutex::new((most, None)) }
    }

    fn take(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        self.refill(&mut left);
        let any = left.0 > 0;
        left.0 = left.0.saturating_sub(1);
        any
    }

    fn refill(&self, left: &mut (u32, Option<Instant>)) {
        let now = Instant::now();
        let since = *left.1.get_or_insert(now);
        let new = u32::try_from((now - since).as_nanos() / self.every.as_nanos()).unwrap_or(u32::MAX);
        if new > 0 {
            left.0 = left.0.saturating_add(new).min(self.most);
            left.1 = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: Claims<'static> = Claims {
        path: "/api/v1/commands/halt",
        reads: false,
        host: Some("localhost:5555"),
        origin: None,
        fetch_site: None,
        token: None,
    };

    fn guard(loopback: bool) -> (Guard, String, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let token = Token::of(dir.path()).unwrap();
        let text = std::fs::read_to_string(dir.path().join(super::super::token::TOKEN_FILE)).unwrap();
        (Guard::new(loopback, vec!["trader.example.org".into()], Some(token)), text.trim().to_owned(), dir)
    }

    #[tokio::test(start_paused = true)]
    async fn commands_need_the_token_everywhere_and_reads_beyond_loopback() {
        let (near, token, _dir) = guard(true);
        let (far, far_token, _far_dir) = guard(false);
        let read = Claims { path: "/api/v1/status", reads: true, ..ORDER };
        assert_eq!(near.admit(&read), Ok(()));
        assert_eq!(far.admit(&read), Err(Denied::NoToken));
        assert_eq!(far.admit(&Claims { token: Some(&far_token), ..read }), Ok(()));
        // The whole page, what its script imports included.
        for page::PageFile { path, .. } in page::FILES {
            assert_eq!(far.admit(&Claims { path, ..read }), Ok(()), "{path}");
        }
        assert_eq!(near.admit(&ORDER), Err(Denied::NoToken));
        assert_eq!(near.admit(&Claims { token: Some("guess"), ..ORDER }), Err(Denied::WrongToken));
        assert_eq!(near.admit(&Claims { token: Some(&token), ..ORDER }), Ok(()));
        let tokenless = Guard::new(true, Vec::new(), None);
        assert_eq!(tokenless.admit(&Claims { token: Some(""), ..ORDER }), Err(Denied::Tokenless));
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_point_here_and_other_sites_are_refused() {
        let (near, ..) = guard(true);
        let (far, far_token, _dir) = guard(false);
        let read = Claims { path: "/", reads: true, ..ORDER };
        for host in ["127.0.0.1:5555", "[::1]:5555", "localhost", "Trader.Example.org", "localhost:9"] {
            assert_eq!(near.admit(&Claims { host: Some(host), ..read }), Ok(()), "{host}");
        }
        for host in ["evil.example", "192.168.1.9:5555", "localhost.evil.example", "", "127.0.0.1.evil"] {
            assert_eq!(near.admit(&Claims { host: Some(host), ..read }), Err(Denied::Host), "{host}");
        }
        let there = Claims { host: Some("192.168.1.9:5555"), token: Some(&far_token), ..read };
        assert_eq!(far.admit(&there), Ok(()));
        let own = Claims { path: "/api/v1/ws", origin: Some("http://localhost:5555"), ..read };
        assert_eq!(near.admit(&own), Ok(()));
        for origin in ["http://evil.example", "null", "http://localhost:8080", "localhost:5555"] {
            assert_eq!(near.admit(&Claims { origin: Some(origin), ..own }), Err(Denied::Origin), "{origin}");
        }
        let cross = Claims { fetch_site: Some("cross-site"), origin: None, ..own };
        assert_eq!(near.admit(&cross), Err(Denied::Origin));
        // A link to the page is followed; nothing else of it is another site's.
        assert_eq!(near.admit(&Claims { path: "/", ..cross }), Ok(()));
        assert_eq!(near.admit(&Claims { path: "/app.js", ..cross }), Err(Denied::Origin));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_is_a_name_or_an_address_and_nothing_that_only_looks_like_one() {
        let (near, ..) = guard(true);
        let (far, far_token, _dir) = guard(false);
        let read = Claims { path: "/", reads: true, ..ORDER };
        let near = |host: &str| near.admit(&Claims { host: Some(host), ..read });
        let far = |host: &str| far.admit(&Claims { host: Some(host), token: Some(&far_token), ..read });
        for host in ["127.0.0.1", "127.1.2.3:9", "[::1]", "[::ffff:127.0.0.1]:5555", "localhost.", "LOCALHOST:65535"] {
            assert_eq!((near(host), far(host)), (Ok(()), Ok(())), "{host}");
        }
        for host in ["10.1.2.3", "10.1.2.3:80", "[2001:db8::1]:5555", "[::ffff:10.1.2.3]"] {
            assert_eq!((near(host), far(host)), (Err(Denied::Host), Ok(())), "{host}");
        }
        for host in [
            "[::1",
            "[::1:5555",
            "[::1]5555",
            "[::1]:",
            "[::1]:x",
            "[::1]:65536",
            "::1",
            "::1:5555",
            "[127.0.0.1]",
            "[localhost]",
            "[]",
            "localhost:",
            "localhost:+1",
            "localhost:80:80",
            "localhost..",
            "127.0.0.1.:80",
            "127.1",
            "0x7f.0.0.1",
            " localhost",
            "?",
        ] {
            assert_eq!((near(host), far(host)), (Err(Denied::Host), Err(Denied::Host)), "{host}");
        }
        // What the refusal says is so.
        let said = Denied::Host.to_string();
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            assert!(said.contains(host) && near(host) == Ok(()), "{host} in {said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_other_sites_make_a_browser_ask_takes_nothing_from_the_operator() {
        let (near, token, _dir) = guard(true);
        let read = Claims { path: "/api/v1/status", reads: true, ..ORDER };
        let hostile = [
            (Claims { host: Some("evil.example"), ..read }, Denied::Host),
            (Claims { host: None, ..read }, Denied::Host),
            (Claims { origin: Some("http://evil.example"), ..read }, Denied::Origin),
            (Claims { fetch_site: Some("cross-site"), ..read }, Denied::Origin),
            (Claims { fetch_site: Some("same-site"), reads: false, token: Some("guess"), ..read }, Denied::Origin),
        ];
        for (claims, denied) in hostile {
            for _ in 0..1_000 {
                assert_eq!(near.admit(&claims), Err(denied));
            }
        }
        let link = Claims { path: "/", fetch_site: Some("cross-site"), ..read };
        assert!((0..1_000).any(|_| near.admit(&link) == Err(Denied::TooMany)), "links have a rate of their own");
        assert_eq!((0..1_000).filter(|_| near.admit(&read) == Ok(())).count(), 400, "and the operator's is whole");
        assert_eq!(near.admit(&Claims { token: Some("guess"), ..ORDER }), Err(Denied::TooMany));
        assert_eq!(near.admit(&Claims { token: Some(&token), ..ORDER }), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_no_token_cannot_use_up_the_requests_of_who_has_it() {
        let (far, token, _dir) = guard(false);
        let read = Claims { path: "/api/v1/status", reads: true, ..ORDER };
        let mut strangers = (0..1_000).map(|_| far.admit(&read));
        assert!(strangers.any(|said| said == Err(Denied::TooMany)));
        assert_eq!(far.admit(&Claims { token: Some("guess"), ..ORDER }), Err(Denied::TooMany));
        assert_eq!(far.admit(&Claims { token: Some(&token), ..ORDER }), Ok(()));
        let known = Claims { token: Some(&token), ..read };
        assert_eq!((0..1_000).filter(|_| far.admit(&known) == Ok(())).count(), 399, "these have a rate, too");
    }

    #[tokio::test(start_paused = true)]
    async fn guessing_is_slow_and_requests_have_a_rate() {
        let (near, token, _dir) = guard(true);
        let wrong = Claims { token: Some("guess"), ..ORDER };
        for _ in 0..20 {
            assert_eq!(near.admit(&wrong), Err(Denied::WrongToken));
        }
        assert_eq!(near.admit(&wrong), Err(Denied::TooMany));
        assert_eq!(near.admit(&Claims { token: Some(&token), ..ORDER }), Ok(()), "the operator is not kept out");
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(near.admit(&wrong), Err(Denied::WrongToken));
        tokio::time::advance(Duration::from_secs(60)).await;
        let right = Claims { token: Some(&token), ..ORDER };
        for _ in 0..30 {
            assert_eq!(near.admit(&right), Ok(()));
        }
        assert_eq!(near.admit(&right), Err(Denied::TooMany));
    }
}
