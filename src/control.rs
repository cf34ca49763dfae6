//! The control socket: an operator's line in, one line back. A Unix socket that only its user can
//! open, so that no port listens and no token is needed.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

/// The longest line either side accepts, bytes.
const LONGEST_LINE: u64 = 4 << 20;
/// How long a caller may take to say its line.
const SPEAK_WITHIN: Duration = Duration::from_secs(10);
/// Callers served at once; the next one is told so, as long as they are no more than these once again.
const CALLERS: usize = 16;
/// The longest path that a socket can be bound to (`sun_path` less its final NUL, on Linux; macOS
/// has four bytes less and says so itself).
const LONGEST_PATH: usize = 107;

/// What keeps a control socket from being used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The path is too long for a socket.
    #[error("{path} is too long for a socket ({length} bytes, at most {LONGEST_PATH}): choose a shorter directory")]
    TooLong {
        /// Which path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// It cannot be bound.
    #[error("cannot listen on {path}: {source}; check the directory's permissions")]
    Listen {
        /// Which path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nobody listens.
    #[error("nothing answers at {path} ({source}): is it running, with this directory or port?")]
    Nobody {
        /// Which path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection failed before an answer came.
    #[error("no answer from {path}: {source}; look into its log")]
    Lost {
        /// Which path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The answer did not come in time.
    #[error("no answer from {path} within {} s; it may still act: look into its log before asking again", .within.as_secs())]
    Late {
        /// Which path.
        path: PathBuf,
        /// The bound.
        within: Duration,
    },
}

/// A line that somebody said, and the way back to them.
#[derive(Debug)]
pub struct Asked {
    /// The line, without its end.
    pub line: String,
    /// Takes the one line of the answer.
    pub answer: oneshot::Sender<String>,
    /// Resolves, with an error, once the answer has left or nobody waits for it any more.
    pub written: oneshot::Receiver<()>,
}

/// Binds the socket, for its user alone. A file left behind by a process that ended is replaced;
/// the caller holds a lock by which it knows that no other process serves it.
///
/// # Errors
/// The path is too long or cannot be used.
pub fn bind(path: &Path) -> Result<UnixListener, ControlError> {
    let length = path.as_os_str().len();
    if length > LONGEST_PATH {
        return Err(ControlError::TooLong { path: path.to_path_buf(), length });
    }
    let listen = |source| ControlError::Listen { path: path.to_path_buf(), source };
    if let Some(directory) = path.parent() {
        crate::private_dir::make(directory).map_err(listen)?;
    }
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(listen(error)),
    }
    let listener = UnixListener::bind(path).map_err(listen)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(listen)?;
    Ok(listener)
}

/// Passes lines on to `asked` and answers back, until told to stop. `no` makes an answer of why there is none.
pub async fn serve(
    listener: UnixListener,
    asked: mpsc::Sender<Asked>,
    no: fn(String) -> String,
    stop: CancellationToken,
) {
    let (mut callers, seats) = (JoinSet::new(), Arc::new(Semaphore::new(CALLERS)));
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = callers.join_next() => {
                if let Err(error) = ended {
                    error!(%error, "a control caller's task failed");
                }
            }
            accepted = listener.accept(), if callers.len() < 2 * CALLERS => match accepted {
                Ok((stream, _)) => {
                    let (asked, seat) = (asked.clone(), Arc::clone(&seats).try_acquire_owned().ok());
                    callers.spawn(async move {
                        if let Err(error) = answer(stream, asked, seat, no).await {
                            debug!(%error, "a control caller left early");
                        }
                    });
                }
                Err(error) => {
                    warn!(%error, "could not accept a control caller");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    callers.shutdown().await;
}

/// `seat`: a place among those that are served.
async fn answer(
    mut stream: UnixStream,
    asked: mpsc::Sender<Asked>,
    seat: Option<OwnedSemaphorePermit>,
    no: fn(String) -> String,
) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(LONGEST_LINE));
    if timeout(SPEAK_WITHIN, reader.read_line(&mut line)).await?? == 0 {
        // Somebody who only looked whether we are here.
        return Ok(());
    }
    // Dropped with the end of this.
    let (_writing, written) = oneshot::channel();
    let text = if seat.is_some() {
        let (answer, answered) = oneshot::channel();
        if asked.send(Asked { line: line.trim_end().to_owned(), answer, written }).await.is_err() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        answered.await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?
    } else {
        no(format!("{CALLERS} others wait for their answers already, and no more can: ask again"))
    };
    writer.write_all(text.replace('\n', " ").as_bytes()).await?;
    writer.write_all(b"\n").await?;
    writer.shutdown().await
}

/// Says one line and waits for the answer.
///
/// # Errors
/// Nobody listens, or no answer came.
pub async fn ask(path: &Path, line: &str, within: Duration) -> Result<String, ControlError> {
    let lost = |source| ControlError::Lost { path: path.to_path_buf(), source };
    let talk = async {
        let nobody = |source| ControlError::Nobody { path: path.to_path_buf(), source };
        let mut stream = UnixStream::connect(path).await.map_err(nobody)?;
        stream.write_all(format!("{}\n", line.replace('\n', " ")).as_bytes()).await.map_err(lost)?;
        let mut text = String::new();
        let mut reader = BufReader::new(stream.take(LONGEST_LINE));
        if reader.read_line(&mut text).await.map_err(lost)? == 0 {
            return Err(lost(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(text.trim_end().to_owned())
    };
    let late = || ControlError::Late { path: path.to_path_buf(), within };
    timeout(within, talk).await.unwrap_or_else(|_| Err(late()))
}

/// The user's runtime directory, or a directory of the user's own among the temporary ones: a
/// second user could not write into the first one's.
pub fn runtime_directory() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty()) {
        Some(directory) => PathBuf::from(directory).join("robo-trader"),
        None => std::env::temp_dir().join(format!("robo-trader-{}", user())),
    }
}

/// The user's number where the system tells it, else the user's name.
fn user() -> String {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        if let Ok(process) = std::fs::metadata("/proc/self") {
            return process.uid().to_string();
        }
    }
    let name = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let name = name.unwrap_or_else(|| "user".to_owned());
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_among_the_temporary_ones_is_the_users_own() {
        let user = user();
        assert!(!user.is_empty() && user.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{user}");
    }

    #[tokio::test]
    async fn a_line_is_answered_with_a_line_and_a_stale_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let nobody = ask(&path, "status", Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(nobody, ControlError::Nobody { .. }), "{nobody}");
        std::fs::write(&path, "left behind").unwrap();
        let listener = bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (asked, mut lines) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, asked, |why| why, stop.clone()));
        tasks.spawn(async move {
            while let Some(Asked { line, answer, .. }) = lines.recv().await {
                assert_ne!(line, "", "one who says nothing asks nothing");
                answer.send(format!("heard\n{line}")).unwrap();
            }
        });
        drop(UnixStream::connect(&path).await.unwrap());
        for word in ["halt", "resume \"now\""] {
            assert_eq!(ask(&path, word, Duration::from_secs(5)).await.unwrap(), format!("heard {word}"));
        }
        stop.cancel();
        tasks.join_all().await;
    }

    #[tokio::test]
    async fn one_more_than_are_served_is_told_so_and_does_not_wait() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let (asked, mut lines) = mpsc::channel(CALLERS);
        let (stop, mut tasks, mut callers) = (CancellationToken::new(), JoinSet::new(), JoinSet::new());
        tasks.spawn(serve(bind(&path).unwrap(), asked, |why| format!("no: {why}"), stop.clone()));
        let within = Duration::from_secs(60);
        let mut open = Vec::new();
        for _ in 0..CALLERS {
            let path = path.clone();
            callers.spawn(async move { ask(&path, "flatten", within).await });
            open.push(lines.recv().await.unwrap());
        }
        let told = ask(&path, "halt", within).await.unwrap();
        assert!(told.starts_with("no: 16 others wait"), "{told}");
        open.into_iter().for_each(|Asked { answer, .. }| answer.send("done".to_owned()).unwrap());
        assert!(callers.join_all().await.into_iter().all(|answer| answer.unwrap() == "done"));
        stop.cancel();
        tasks.join_all().await;
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_named() {
        let path = PathBuf::from("/").join("x".repeat(200));
        let error = bind(&path).unwrap_err().to_string();
        assert!(error.contains("201 bytes"), "{error}");
    }
}
