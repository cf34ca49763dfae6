//! The door: accepts connections, a bounded number of them, each with deadlines.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::connection::{Peers, Taken};
use super::{Shared, router};

/// Connections served at a time; the next one waits.
const CONNECTIONS: usize = 256;
/// How long a request's head may take, and how long a connection may be idle.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
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
    let taken_within = 2 * shared.config().send_within;
    let app = router(shared);
    serve(listener, app, taken_within).await;
}

/// Serves a listener until dropped; what it has begun ends with it. A client that takes nothing of what it is sent for
/// `taken_within` is served no more.
pub async fn serve(listener: TcpListener, app: Router, taken_within: Duration) {
    let stop = CancellationToken::new();
    let _stopped_with_us = stop.clone().drop_guard();
    let (mut connections, peers) = (JoinSet::new(), Peers::default());
    loop {
        tokio::select! {
            biased;
            Some(ended) = connections.join_next() => {
                let ended: Result<(), tokio::task::JoinError> = ended;
                if let Err(error) = ended {
                    error!(%error, "a request's task failed");
                }
            }
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, peer)) => {
                    let Some(seat) = peers.seat(peer.ip()) else {
                        debug!(%peer, "a web client has too many connections already");
                        continue;
                    };
                    // Small messages, at once.
                    if let Err(error) = stream.set_nodelay(true) {
                        debug!(%error, %peer, "no delay could not be set");
                    }
                    connections.spawn(conversation(Taken::within(stream, taken_within, seat), app.clone(), peer));
                }
                Err(error) => {
                    warn!(%error, "could not accept a web client");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
}

/// Answers what a client asks by a connection, until it ends or is a WebSocket's.
fn conversation<T: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: Taken<T>,
    app: Router,
    peer: SocketAddr,
) -> impl Future<Output = ()> + Send {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(LONGEST_HEAD);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).with_upgrades();
    async move {
        if let Err(error) = connection.await {
            debug!(%error, %peer, "a web client left early");
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::ws::WebSocketUpgrade;
    use axum::routing::get;

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
            conversations.spawn(conversation(Taken::within(ours, HEAD_WITHIN, seat), app.clone(), peer));
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
}
