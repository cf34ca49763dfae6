//! `robo-trader simulator tell`: one line to a simulator that runs, and its answer.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::control::{self, Asked};
use crate::runner::exit;
use crate::simulator::Running;
use crate::simulator::faults::control::Told;

/// How long a simulator may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Lines that may wait for the simulator.
const LINES: usize = 16;
/// Stands for the end of a line within an answer, which is one line on the socket.
const BREAK: char = '\u{1e}';

/// What is said, and to whom.
#[derive(Debug, Clone, Args)]
pub struct TellArgs {
    /// Port of the simulator that is told.
    #[arg(long, default_value_t = 7497)]
    pub port: u16,

    /// A fault and when (`refuse = "30s"`, `error = { code = 1100 }`), or help, status, account,
    /// clear.
    #[arg(required = true, trailing_var_arg = true, value_name = "LINE")]
    pub line: Vec<String>,
}

/// Where the simulator of a port listens for lines.
pub fn socket(port: u16) -> PathBuf {
    control::runtime_directory().join(format!("simulator-{port}.sock"))
}

/// Says the line and prints the answer.
pub fn main(args: &TellArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            crate::cli::complain(&format_args!("cannot start: {error}"));
            return ExitCode::from(exit::RESTART);
        }
    };
    let path = socket(args.port);
    match runtime.block_on(control::ask(&path, &args.line.join(" "), ANSWER_WITHIN)) {
        Ok(answer) => {
            let text = answer.replace(BREAK, "\n");
            let said = crate::cli::say(&text);
            if text.starts_with("error:") { ExitCode::from(exit::USAGE) } else { said }
        }
        Err(error) => {
            crate::cli::complain(&error);
            ExitCode::from(exit::RESTART)
        }
    }
}

/// The simulator's end of the socket.
#[derive(Debug)]
pub struct Ear {
    path: PathBuf,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Ear {
    /// Listens. A simulator that cannot be told anything serves all the same.
    pub async fn listen(running: &Running) -> Self {
        let (path, stop) = (socket(running.address.port()), CancellationToken::new());
        let mut tasks = JoinSet::new();
        match control::bind(&path) {
            Ok(listener) => {
                info!(path = %path.display(), "faults can be told: robo-trader simulator tell help");
                let (asked, lines) = mpsc::channel(LINES);
                tasks.spawn(control::serve(listener, asked, |why| why, stop.clone()));
                tasks.spawn(pass_on(lines, running.ear()));
            }
            Err(error) => warn!("nothing can be told to this simulator: {error}"),
        }
        Self { path, stop, tasks }
    }

    /// Listens no more.
    pub async fn close(mut self) {
        self.stop.cancel();
        let listened = !self.tasks.is_empty();
        while self.tasks.join_next().await.is_some() {}
        if listened && let Err(error) = std::fs::remove_file(&self.path) {
            info!(%error, path = %self.path.display(), "the socket was gone already");
        }
    }
}

/// Passes lines to the simulator, and its answers back.
async fn pass_on(mut lines: mpsc::Receiver<Asked>, ear: mpsc::Sender<Told>) {
    while let Some(Asked { line, answer, .. }) = lines.recv().await {
        let (reply, replied) = tokio::sync::oneshot::channel();
        info!(line, "told");
        if ear.send(Told::Line(line, reply)).await.is_err() {
            return;
        }
        let Ok(text) = replied.await else { return };
        let text = text.replace('\n', &BREAK.to_string());
        if answer.send(text).is_err() {
            info!("whoever told this did not wait for the answer");
        }
    }
}
