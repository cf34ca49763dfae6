//! A run that needs a human, under a service manager that would only start it again: it stays, says what it needs to
//! whoever asks, and ends on a signal.

use std::pin::pin;
use std::task::Poll;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::run::{Ended, first_signal};
use crate::control::{self, Asked};
use crate::notify::Notifier;
use crate::runner::CONTROL_SOCKET;
use crate::runner::alerts::{self, Stands};
use crate::runner::lock::ProcessLock;
use crate::runner::operate::{Reply, Request};

/// Stays until a signal comes.
pub(super) fn stay(ended: &Ended) {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(stays(ended)),
        Err(error) => super::complain(&format_args!("cannot stay: {error}")),
    }
}

async fn stays(ended: &Ended) {
    let mut signal = pin!(first_signal());
    // Signals are heard, and questions answered, before anybody is told that they are.
    let early = futures::poll!(signal.as_mut());
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    let (asked, mut questions) = mpsc::channel(4);
    // Where another daemon has the state directory, the socket is that one's, and the heartbeat too.
    let lock = ended.state_dir.as_ref().and_then(|dir| {
        let lock = ProcessLock::take(&dir.join("robo-trader.lock"), "the state directory").ok()?;
        let socket = control::bind(&dir.join(CONTROL_SOCKET)).ok()?;
        tasks.spawn(control::serve(socket, asked.clone(), |why| Reply::later(why).line(), stop.clone()));
        Some(lock)
    });
    let needs = format!("a human is needed (exit code {}): {}", ended.code, ended.why);
    super::complain(&format_args!("{needs}; staying until a signal ends me"));
    error!("{needs}; staying until a signal ends me");
    let (notifier, stands) = Stands::new();
    let (notify, why, silent, ending) = (ended.notify.clone(), needs, lock.is_none(), stop.clone());
    tasks.spawn(async move { alerts::nothing_runs(&notify, &why, silent, stands, ending).await });
    let ends = async {
        let heard = if let Poll::Ready(heard) = early { heard } else { signal.await };
        if let Err(error) = heard {
            super::complain(&format_args!("signals cannot be heard: {error}"));
        }
    };
    tokio::select! {
        () = ends => {}
        () = async {
            while let Some(Asked { line, answer, .. }) = questions.recv().await {
                // One who does not wait for the answer needs none.
                drop(answer.send(answered(&line, ended, &notifier)));
            }
        } => {}
    }
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    drop((lock, asked));
}

/// The answer to one line.
fn answered(line: &str, ended: &Ended, notifier: &Notifier) -> String {
    let why = format!("exit code {}: {}", ended.code, ended.why);
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"), "trading": "no: a human is needed", "why": why, "ready": false,
        "at": crate::clock::wall_now(), "connection": null, "outage": null, "layers": [], "desk": null,
    });
    let reply = match serde_json::from_str::<Request>(line) {
        Ok(Request::Status {}) => Reply { ok: true, text: "status".into(), status: Some(status) },
        Ok(Request::Acknowledge {}) => {
            notifier.acknowledge();
            Reply { ok: true, text: "noted: what stands is not told again".into(), status: None }
        }
        Ok(_) => Reply { ok: false, text: format!("nothing runs: a human is needed ({why})"), status: None },
        Err(error) => Reply { ok: false, text: format!("{line:?} is no command: {error}"), status: None },
    };
    reply.line()
}
