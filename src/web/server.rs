//! The door: accepts connections, a bounded number of them, each with deadlines.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tracing::{debug, error, info, warn};

use super::connection::{Peers, Taken};
use super::talk::{Talk, giving_way};
use super::{Shared, router};

/// Connections served at a time. For the next one the idlest gives way; it waits where all of them are being answered.
const CONNECTIONS: usize = 256;
/// How long a connection may take to send a whole head: from when it was accepted, and from each answer.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const LONGEST_HEAD: usize = 16 << 10;

/// Serves until dropped. A port that cannot be had does not stop the daemon: it trades on, says so in log and
/// status, and tries again.
pub async fn run(shared: Arc<Shared>) {
    let config = shared.config();
    let ports = std::iter::once(config.port).chain(config.second_port);
    let mut doors = JoinSet::new();
    for (index, port) in ports.enumerate() {
        doors.spawn(door(Arc::clone(&shared), port, index == 0));
    }
    while let Some(ended) = doors.join_next().await {
        if let Err(error) = ended {
            error!(%error, "the dashboard's task failed");
        }
    }
}

async fn door(shared: Arc<Shared>, port: u16, first: bool) {
    let address = SocketAddr::new(shared.config().bind, port);
    let mut told = false;
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(why) => {
                let text = format!("not there: {address} cannot be had ({why}); the daemon trades on and tries again");
                if !told {
                    error!(%address, "the dashboard is {text}: free the port, or choose another with DASH_PORT");
                }
                told = true;
                if first {
                    shared.note(text);
                }
                tokio::time::sleep(shared.config().again_after).await;
            }
        }
    };
    let at = listener.local_addr().unwrap_or(address);
    info!(address = %at, "dashboard, API and feed: http://{at}/");
    if first {
        shared.note(format!("http://{at}/"));
        shared.served_at(at);
    }
    // The feed sees for itself, and before this, that a client does not read: it tells and counts it.
    let bounds = Bounds { taken_within: 2 * shared.config().send_within, head_within: HEAD_WITHIN };
    let app = router(shared);
    serve(listener, app, bounds).await;
}

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// To take anything of what it is sent.
    taken_within: Duration,
    /// To send a whole head.
    head_within: Duration,
}

/// Serves a listener until dropped; what it has begun ends with it. A client that is slower than its bounds is served no
/// more.
async fn serve(listener: TcpListener, app: Router, bounds: Bounds) {
    let peers = Peers::default();
    let mut places = Places::default();
    loop {
        tokio::select! {
            biased;
            Some(ended) = places.connections.join_next() => places.left(ended),
            // Whoever was answered may give way.
            () = places.answered.notified(), if places.are_taken() => {}
            accepted = listener.accept(), if places.has_one() => match accepted {
                Ok((stream, peer)) => {
                    let Some(seat) = peers.seat(peer.ip()) else {
                        debug!(%peer, "a web client has too many connections already");
                        continue;
                    };
                    // Small messages, at once.
                    if let Err(error) = stream.set_nodelay(true) {
                        debug!(%error, %peer, "no delay could not be set");
                    }
                    places.make_room().await;
                    let talk = Talk::begun(Arc::clone(&places.answered));
                    let stream = Taken::within(stream, bounds.taken_within, talk.clone(), seat);
                    let talks = conversation(stream, talk.clone(), app.clone(), bounds.head_within, peer);
                    places.talks.push((talk, places.connections.spawn(talks)));
                }
                Err(error) => {
                    warn!(%error, "could not accept a web client");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
}

/// Who has the places of a door.
#[derive(Debug, Default)]
struct Places {
    connections: JoinSet<()>,
    talks: Vec<(Talk, AbortHandle)>,
    answered: Arc<Notify>,
}

impl Places {
    fn are_taken(&self) -> bool {
        self.connections.len() >= CONNECTIONS
    }

    /// Whether there is a place, or can be.
    fn has_one(&self) -> bool {
        !self.are_taken() || self.talks.iter().any(|(talk, _)| talk.is_idle())
    }

    /// Where all are taken, the idlest gives way.
    async fn make_room(&mut self) {
        while self.are_taken() {
            let Some(talk) = giving_way(self.talks.iter().map(|(talk, _)| talk)) else { return };
            let mine = self.talks.iter().find(|(known, _)| known.is(talk));
            mine.into_iter().for_each(|(_, task)| task.abort());
            // It ends at once, and so there is one that does.
            if let Some(ended) = self.connections.join_next().await {
                self.left(ended);
            }
        }
    }

    fn left(&mut self, ended: Result<(), JoinError>) {
        self.talks.retain(|(_, task)| !task.is_finished());
        match ended {
            Err(error) if error.is_cancelled() => debug!("an idle web client gave way to another one"),
            Err(error) => error!(%error, "a request's task failed"),
            Ok(()) => {}
        }
    }
}

/// Answers what a client asks by a connection, until it ends or is a WebSocket's.
fn conversation<T: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: Taken<T>,
    talk: Talk,
    app: Router,
    head_within: Duration,
    peer: SocketAddr,
) -> impl Future<Output = ()> + Send {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_within).max_buf_size(LONGEST_HEAD);
    let app = TowerToHyperService::new(app);
    let answers = service_fn(move |request| {
        let (answering, answer) = (talk.asked(), app.clone());
        async move {
            // The connection is about to be closed: a command must not be carried out without an answer.
            let Some(_answering) = answering else { return pending().await };
            answer.call(request).await
        }
    });
    let connection = http.serve_connection(TokioIo::new(stream), answers).with_upgrades();
    async move {
        if let Err(error) = connection.await {
            debug!(%error, %peer, "a web client left early");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use axum::extract::ws::WebSocketUpgrade;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::web::connection::OF_AN_ADDRESS;

    #[tokio::test]
    async fn a_websocket_has_its_addresss_place_until_it_ends() {
        let listens = |upgrade: WebSocketUpgrade| async {
            upgrade.on_upgrade(|mut socket| async move { while let Some(Ok(_)) = socket.recv().await {} })
        };
        let app = Router::new().route("/", get(listens));
        let (peers, peer) = (Peers::default(), SocketAddr::from(([192, 0, 2, 1], 9)));
        let (mut conversations, mut sockets) = (JoinSet::new(), Vec::new());
        while let Some(seat) = peers.seat(peer.ip()) {
            let (ours, theirs) = tokio::io::duplex(1 << 12);
            let talk = Talk::begun(Arc::default());
            let stream = Taken::within(ours, HEAD_WITHIN, talk.clone(), seat);
            conversations.spawn(conversation(stream, talk, app.clone(), HEAD_WITHIN, peer));
            sockets.push(tokio_tungstenite::client_async("ws://localhost/", theirs).await.unwrap().0);
            conversations.join_next().await.unwrap().unwrap();
        }
        assert_eq!((sockets.len(), conversations.len()), (OF_AN_ADDRESS, 0), "HTTP's part of each is over");
        sockets.pop();
        let freed = async {
            while peers.seat(peer.ip()).is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(HEAD_WITHIN, freed).await.expect("a place is free again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_the_beginning_however_its_bytes_come() {
        let app = Router::new().route("/", get(|| async { "here" }));
        for said in ["", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\n"] {
            let (ours, mut theirs) = tokio::io::duplex(1 << 12);
            let (talk, peer) = (Talk::begun(Arc::default()), SocketAddr::from(([127, 0, 0, 1], 9)));
            let stream = Taken::within(ours, Duration::MAX, talk.clone(), Peers::default().seat(peer.ip()).unwrap());
            let mut talks = JoinSet::new();
            talks.spawn(conversation(stream, talk, app.clone(), HEAD_WITHIN, peer));
            theirs.write_all(said.as_bytes()).await.unwrap();
            let drips = async {
                while theirs.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(HEAD_WITHIN / 10).await;
                }
            };
            let drips = tokio::time::timeout(2 * HEAD_WITHIN, drips);
            assert!(drips.await.is_ok(), "{said:?}: it is hung up on, though it goes on");
            talks.join_next().await.unwrap().unwrap();
        }
    }

    /// Says something, and hears the beginning of an answer.
    async fn version(stream: &mut TcpStream) -> String {
        let mut heard = [0; 15];
        stream.write_all(b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        stream.read_exact(&mut heard).await.unwrap();
        let mut rest = [0; 1 << 10];
        let _rest = stream.read(&mut rest).await.unwrap();
        String::from_utf8(heard.to_vec()).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_connects_and_says_nothing_keeps_nobody_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let app = Router::new().route("/version", get(|| async { "here" }));
        // Nobody is hung up on for being slow here.
        let never = Duration::from_secs(86_400);
        let mut server = JoinSet::new();
        server.spawn(serve(listener, app, Bounds { taken_within: never, head_within: never }));
        let story = async {
            let mut operator = TcpStream::connect(at).await.unwrap();
            assert_eq!(version(&mut operator).await, "HTTP/1.1 200 OK");
            let mut silent = Vec::new();
            for _ in 0..300 {
                silent.push(TcpStream::connect(at).await.unwrap());
            }
            let mut new = TcpStream::connect(at).await.unwrap();
            assert_eq!(version(&mut new).await, "HTTP/1.1 200 OK");
            // Of the silent ones those gave way that had been there longest.
            let gone = 300 + 2 - CONNECTIONS;
            for stream in &mut silent[..gone] {
                assert!(!matches!(stream.read(&mut [0]).await, Ok(1..)), "it gave way");
            }
            for stream in &silent[gone..] {
                let is_open = stream.try_read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
                assert!(is_open, "it has its place");
            }
            assert_eq!(version(&mut operator).await, "HTTP/1.1 200 OK", "who has asked goes before");
        };
        tokio::time::timeout(Duration::from_secs(60), story).await.expect("somebody is kept out");
    }
}
