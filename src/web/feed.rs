//! The feed by WebSocket: hello, a snapshot (or what was missed), then numbered deltas. A client that does not
//! read is dropped; it slows nobody. One that reads, but is behind, is given what is kept, and a snapshot where that is
//! not enough. What clients say only chooses what they get.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, info};

use super::{Shared, reads, routes};
use crate::domain::Symbol;
use crate::runner::board::Snapshot;
use crate::runner::board::told::{Kind, Told};

/// The feed's name among a WebSocket's protocols.
pub const PROTOCOL: &str = "robo-trader.v1";
/// What stands before the token among them.
pub const TOKEN_PREFIX: &str = "token.";

/// Bytes of a client's message at most.
const LONGEST_MESSAGE: usize = 4 << 10;
/// Messages of a client within a ping's time at most.
const MESSAGES_AT_MOST: u32 = 60;
/// Messages that are taken at a time from what is kept: a client pins no more of it.
const BATCH: usize = 64;
/// Pings without a sign of life that end a client.
const PINGS_MISSED: u32 = 3;

/// Clients served at a time, and how many of these places are kept for those who carry the token: who has none must not
/// keep the operator out.
const CLIENTS: usize = 256;
const KEPT_FOR_KNOWN: usize = 32;

/// The places of the feed's clients.
#[derive(Debug)]
pub(super) struct Places {
    anybody: Arc<Semaphore>,
    known: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            anybody: Arc::new(Semaphore::new(CLIENTS - KEPT_FOR_KNOWN)),
            known: Arc::new(Semaphore::new(KEPT_FOR_KNOWN)),
        }
    }
}

impl Places {
    /// A place for one more client, free again once dropped; `is_known`: it carries the token.
    fn place(&self, is_known: bool) -> Option<OwnedSemaphorePermit> {
        let place = |of: &Arc<Semaphore>| Arc::clone(of).try_acquire_owned().ok();
        place(&self.anybody).or_else(|| if is_known { place(&self.known) } else { None })
    }
}

/// What a client wants, as it comes in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    types: Option<String>,
    symbols: Option<String>,
    boot: Option<String>,
    from: Option<u64>,
}

/// What a client says later.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Said {
    /// Other kinds and symbols from now on.
    Subscribe {
        #[serde(default)]
        types: Option<Vec<String>>,
        #[serde(default)]
        symbols: Option<Vec<String>>,
    },
    /// Everything anew.
    Snapshot {},
    /// A sign of life, answered with one: a page cannot see a WebSocket's own pings.
    Ping {},
}

/// What a client gets.
#[derive(Debug, Default, Clone, PartialEq)]
struct Filter {
    /// All without it.
    kinds: Option<BTreeSet<Kind>>,
    /// All without it.
    symbols: Option<BTreeSet<Symbol>>,
}

impl Filter {
    fn of<'a>(
        types: Option<impl Iterator<Item = &'a str>>,
        symbols: Option<impl Iterator<Item = &'a str>>,
    ) -> Result<Self, String> {
        let kind = |word: &str| Kind::from_word(word).ok_or_else(|| format!("{word:?} is no type of message"));
        let symbol = |word: &str| word.parse::<Symbol>().map_err(|error| error.to_string());
        let words = |word: &&str| !word.trim().is_empty();
        Ok(Self {
            kinds: types.map(|types| types.filter(words).map(|word| kind(word.trim())).collect()).transpose()?,
            symbols: symbols.map(|list| list.filter(words).map(|word| symbol(word.trim())).collect()).transpose()?,
        })
    }

    fn wants(&self, kind: Kind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    fn passes(&self, kind: Kind, symbol: Option<&Symbol>) -> bool {
        self.wants(kind)
            && self.symbols.as_ref().is_none_or(|symbols| symbol.is_none_or(|symbol| symbols.contains(symbol)))
    }

    /// A snapshot of what the client gets, and of nothing else; bounded.
    fn snapshot(&self, mut all: Snapshot) -> Value {
        let known =
            |symbol: Option<&Symbol>| self.symbols.as_ref().is_none_or(|s| symbol.is_none_or(|x| s.contains(x)));
        retain(&mut all.positions, |row| known(Some(&row.symbol)));
        retain(&mut all.orders, |row| known(row.symbol.as_ref()));
        retain(&mut all.fills, |row| known(Some(&row.symbol)));
        retain(&mut all.targets, |row| known(row.symbol.as_ref()));
        retain(&mut all.refusals, |row| known(row.symbol.as_ref()));
        retain(&mut all.incidents, |row| known(row.symbol.as_ref()));
        all.shorten();
        let mut value = serde_json::to_value(all).unwrap_or_default();
        let sections = [
            ("connection", Kind::Connection),
            ("account", Kind::Account),
            ("positions", Kind::Position),
            ("locks", Kind::Lock),
            ("orders", Kind::Order),
            ("fills", Kind::Fill),
            ("targets", Kind::Target),
            ("refusals", Kind::Refusal),
            ("incidents", Kind::Incident),
        ];
        if let Value::Object(map) = &mut value {
            map.retain(|name, _| sections.iter().any(|(section, kind)| section == name && self.wants(*kind)));
        }
        value
    }
}

/// Leaves some rows of a list, where there is one.
fn retain<T>(list: &mut Option<Vec<T>>, wanted: impl Fn(&T) -> bool) {
    if let Some(list) = list {
        list.retain(wanted);
    }
}

pub(super) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let filter = Filter::of(
        wish.types.as_ref().map(|types| types.split(',')),
        wish.symbols.as_ref().map(|symbols| symbols.split(',')),
    );
    let filter = match filter {
        Ok(filter) => filter,
        Err(why) => return reads::fault(StatusCode::BAD_REQUEST, why),
    };
    let Some(place) = shared.clients.place(shared.guard.is_known(routes::token(&headers))) else {
        return reads::fault(StatusCode::SERVICE_UNAVAILABLE, "too many clients listen: try again later");
    };
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(LONGEST_MESSAGE).max_frame_size(LONGEST_MESSAGE);
    upgrade.on_upgrade(move |socket| async move {
        let mut client = Client { socket, send_within: shared.config.send_within, filter, seq: 0, is_behind: false };
        let why = client.serve(&shared, &wish).await;
        match &why {
            Left::Slow(text) => {
                shared.dropped.fetch_add(1, Ordering::Relaxed);
                info!("a feed client was dropped: {text}");
            }
            Left::Gone => debug!("a feed client left"),
        }
        client.close(why).await;
        drop(place);
    })
}

/// Why a client is served no more.
enum Left {
    Gone,
    Slow(String),
}

struct Client {
    socket: WebSocket,
    send_within: Duration,
    filter: Filter,
    /// The number up to which it has been told everything.
    seq: u64,
    /// Whether it has to be given what is kept before what comes.
    is_behind: bool,
}

impl Client {
    async fn serve(&mut self, shared: &Shared, wish: &Wish) -> Left {
        match self.converse(shared, wish).await {
            Ok(()) => Left::Gone,
            Err(left) => left,
        }
    }

    async fn converse(&mut self, shared: &Shared, wish: &Wish) -> Result<(), Left> {
        // Before what is there is looked at: nothing falls between.
        let mut anew = shared.board.feed().anew();
        let same = wish.boot.as_ref().is_some_and(|boot| *boot == shared.boot);
        let from = wish.from.filter(|_| same);
        let resumed = from.and_then(|seq| shared.board.feed().resume(seq));
        let hello = json!({
            "type": "hello", "boot": shared.boot, "version": env!("CARGO_PKG_VERSION"), "resumed": resumed.is_some(),
        });
        self.send(hello.to_string()).await?;
        let mut live = match resumed {
            Some(live) => {
                (self.seq, self.is_behind) = (from.unwrap_or_default(), true);
                live
            }
            None => self.snapshot(shared).await?,
        };
        let mut ping = tokio::time::interval_at(Instant::now() + shared.config.ping_every, shared.config.ping_every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut silent, mut said) = (0, 0);
        loop {
            tokio::select! {
                () = shared.closing.cancelled() => return Ok(()),
                // The board lives as long as this does.
                Ok(()) = anew.changed() => live = self.snapshot(shared).await?,
                () = tokio::task::yield_now(), if self.is_behind => {
                    if let Some(anew) = self.catch_up(shared).await? {
                        live = anew;
                    }
                }
                told = live.recv(), if !self.is_behind => match told {
                    // What is to come anew has it in it.
                    Ok(_) if anew.has_changed().unwrap_or(false) => {}
                    Ok(told) => self.pass(&told).await?,
                    Err(RecvError::Closed) => return Ok(()),
                    // It reads, but was not quick enough for a burst: what it missed is kept.
                    Err(RecvError::Lagged(_)) => self.is_behind = true,
                },
                message = self.socket.recv() => {
                    silent = 0;
                    said += 1;
                    if said > MESSAGES_AT_MOST {
                        return Err(Left::Slow("too talkative: the feed is for listening".to_owned()));
                    }
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            if self.heard(&text).await? {
                                live = self.snapshot(shared).await?;
                            }
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Binary(_))) => self.refuse("use text").await?,
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                    }
                }
                _ = ping.tick() => {
                    (silent, said) = (silent + 1, 0);
                    if silent > PINGS_MISSED {
                        return Err(Left::Slow("silent: no ping was answered".to_owned()));
                    }
                    self.put(Message::Ping(Vec::new().into())).await?;
                }
            }
        }
    }

    async fn snapshot(&mut self, shared: &Shared) -> Result<broadcast::Receiver<Arc<Told>>, Left> {
        let (snapshot, seq, live) = shared.board.snapshot();
        (self.seq, self.is_behind) = (seq, false);
        let message = json!({ "type": "snapshot", "seq": seq, "data": self.filter.snapshot(snapshot) });
        self.send(message.to_string()).await?;
        Ok(live)
    }

    /// Passes on a little of what is kept. Where it is behind by more than that: a snapshot, and what comes after it.
    async fn catch_up(&mut self, shared: &Shared) -> Result<Option<broadcast::Receiver<Arc<Told>>>, Left> {
        let Some(batch) = shared.board.feed().after(self.seq, BATCH) else {
            return self.snapshot(shared).await.map(Some);
        };
        self.is_behind = !batch.is_empty();
        for told in batch {
            self.pass(&told).await?;
        }
        Ok(None)
    }

    /// Passes a message on, unless it was passed before.
    async fn pass(&mut self, told: &Told) -> Result<(), Left> {
        if told.seq <= self.seq {
            return Ok(());
        }
        self.seq = told.seq;
        if self.filter.passes(told.kind, told.symbol.as_ref()) {
            self.send(told.text.clone()).await?;
        }
        Ok(())
    }

    /// Whether a snapshot is due.
    async fn heard(&mut self, text: &str) -> Result<bool, Left> {
        match serde_json::from_str::<Said>(text) {
            Ok(Said::Snapshot {}) => Ok(true),
            Ok(Said::Ping {}) => self.send(r#"{"type":"pong"}"#.to_owned()).await.map(|()| false),
            Ok(Said::Subscribe { types, symbols }) => {
                let filter = Filter::of(
                    types.as_ref().map(|list| list.iter().map(String::as_str)),
                    symbols.as_ref().map(|list| list.iter().map(String::as_str)),
                );
                match filter {
                    Ok(filter) => {
                        self.filter = filter;
                        Ok(true)
                    }
                    Err(why) => self.refuse(&why).await.map(|()| false),
                }
            }
            Err(error) => self.refuse(&error.to_string()).await.map(|()| false),
        }
    }

    async fn refuse(&mut self, why: &str) -> Result<(), Left> {
        self.send(json!({ "type": "error", "text": why }).to_string()).await
    }

    async fn send(&mut self, text: String) -> Result<(), Left> {
        self.put(Message::Text(text.into())).await
    }

    async fn put(&mut self, message: Message) -> Result<(), Left> {
        match tokio::time::timeout(self.send_within, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Left::Gone),
            Err(_) => Err(Left::Slow("it does not read".to_owned())),
        }
    }

    async fn close(mut self, why: Left) {
        let (code, reason) = match why {
            Left::Gone => (close_code::AWAY, "the daemon is stopping".to_owned()),
            Left::Slow(text) => (close_code::AGAIN, text),
        };
        // Whoever does not read does not hear this either; it is dropped all the same.
        let frame = CloseFrame { code, reason: reason.into() };
        drop(tokio::time::timeout(Duration::from_secs(1), self.socket.send(Message::Close(Some(frame)))).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_lets_through_what_was_asked_for_only() {
        let list = |text: &'static str| Some(text.split(','));
        let filter = Filter::of(list("order,trade"), list("AAPL")).unwrap();
        let symbol = |name: &str| name.parse::<Symbol>().unwrap();
        assert!(filter.passes(Kind::Order, Some(&symbol("AAPL"))));
        assert!(filter.passes(Kind::Fill, Some(&symbol("AAPL"))));
        assert!(!filter.passes(Kind::Order, Some(&symbol("MSFT"))));
        assert!(!filter.passes(Kind::Bar, Some(&symbol("AAPL"))));
        let all = Filter::default();
        assert!(all.passes(Kind::Log, None) && all.passes(Kind::Bar, Some(&symbol("SPY"))));
        assert!(Filter::of(list("everything"), list("AAPL")).is_err());
        assert!(Filter::of(list("order"), list("A;B")).is_err());
    }

    #[test]
    fn whoever_has_no_token_leaves_some_places_to_those_who_have_it() {
        let places = Places::default();
        let mut strangers: Vec<_> = std::iter::from_fn(|| places.place(false)).collect();
        assert_eq!(strangers.len(), CLIENTS - KEPT_FOR_KNOWN);
        let known: Vec<_> = std::iter::from_fn(|| places.place(true)).collect();
        assert_eq!(known.len(), KEPT_FOR_KNOWN);
        // What is free again is anybody's.
        strangers.pop();
        assert!(places.place(false).is_some() && places.place(true).is_some());
        drop(known);
        assert!(places.place(true).is_some());
    }
}
