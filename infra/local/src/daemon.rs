//! The developer's own stack in the background: `up` starts it, `down` stops it.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    cloud::require_free,
    deploy,
    error::{Context, Error, Result},
    package, paths,
    progress::Step,
    stack::{Stack, StackFile},
    venv,
};

const START_DEADLINE: Duration = Duration::from_secs(90);
const STOP_DEADLINE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);

/// Where the running stack listens; written once it is ready.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    port: u16,
    tap_port: u16,
}

impl Running {
    fn path() -> PathBuf {
        paths::state().join("daemon.json")
    }

    fn read() -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::path()).ok()?).ok()
    }

    fn endpoint_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn tap_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.tap_port)
    }

    async fn answers(&self) -> bool {
        let health = format!("{}/_tap/health", self.tap_url());
        let client = reqwest::Client::new();
        client.get(health).timeout(Duration::from_secs(2)).send().await.is_ok_and(|r| r.status().is_success())
    }
}

/// The stack that is up, if one is.
async fn running() -> Option<Running> {
    let running = Running::read()?;
    running.answers().await.then_some(running)
}

/// Whether a stack is up.
pub async fn is_up() -> bool {
    running().await.is_some()
}

/// Whether the functions are built first, or taken as they lie in `target/lambda` (from `cargo lambda build`, say).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binaries {
    /// Build them in the dev profile.
    Build,
    /// Take what is there.
    Keep,
}

impl Binaries {
    fn prepare(self) -> Result<()> {
        match self {
            Self::Build => package::functions(),
            Self::Keep => Ok(()),
        }
    }
}

/// Starts the stack unless it runs already, and deploys to it.
pub async fn up(port: u16, tap_port: u16, binaries: Binaries) -> Result<StackFile> {
    let Some(running) = running().await else {
        require_free(port)?;
        require_free(tap_port)?;
        venv::stack()?;
        binaries.prepare()?;
        launch(port, tap_port).await?;
        return deploy(Binaries::Keep).await;
    };
    if (running.port, running.tap_port) != (port, tap_port) {
        // Another stack than the one that was asked for is somebody's: it is not deployed over.
        return Err(Error::Setup(format!(
            "A stack is up on ports {} and {} already: use it, stop it with `cargo local down`, or set BOOKBAG_STATE for one of your own.",
            running.port, running.tap_port
        )));
    }
    deploy(binaries).await
}

/// Builds and deploys to the stack that is up.
pub async fn deploy(binaries: Binaries) -> Result<StackFile> {
    let running = running()
        .await
        .ok_or_else(|| Error::Setup("No stack is running: start one with `cargo local up`.".to_owned()))?;
    let python = venv::stack()?;
    binaries.prepare()?;
    let file = deploy::deploy(&python, &paths::template(), &running.endpoint_url(), &running.tap_url())?;
    file.write(&StackFile::path())?;
    // Attaching tells the tap the functions' names.
    Stack::attach(file.clone()).await?;
    Ok(file)
}

async fn launch(port: u16, tap_port: u16) -> Result<()> {
    let step = Step::start(format!("Starting the stack on ports {port} and {tap_port}"));
    let state = paths::state();
    fs::create_dir_all(&state).setup(format_args!("{} cannot be created", state.display()))?;
    let _ = fs::remove_file(Running::path());
    let log = state.join("serve.log");
    let out = File::create(&log).setup(format_args!("{} cannot be written", log.display()))?;
    let err = out.try_clone().setup("the log cannot be shared")?;
    let mut child = Command::new(runner()?)
        .args(["serve", "--port", &port.to_string(), "--tap-port", &tap_port.to_string()])
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        // A group of its own: an interrupt at the terminal is for the command, not for the stack.
        .process_group(0)
        .spawn()
        .setup("the stack cannot be started in the background")?;
    let deadline = Instant::now() + START_DEADLINE;
    while Instant::now() < deadline {
        if let Ok(Some(_)) = child.try_wait() {
            let words = fs::read_to_string(&log).unwrap_or_default();
            let last =
                words.lines().last().unwrap_or("it said nothing").trim_start_matches("error: ").to_owned();
            return Err(Error::Setup(last));
        }
        if running().await.is_some() {
            step.done();
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    let _ = child.kill();
    Err(Error::Setup(format!("The stack did not start in time; see {}.", log.display())))
}

/// The background process itself: holds MiniStack and the tap until it is asked to stop.
pub async fn serve(port: u16, tap_port: u16) -> Result<()> {
    let python = venv::stack()?;
    let (tap, mut cloud) = Stack::start_bare(&python, port, tap_port, &paths::state()).await?;
    let running = serde_json::to_string(&Running { port, tap_port }).failed("the ports cannot be written")?;
    fs::write(Running::path(), running).failed("the ports cannot be written")?;
    tap.stopped().await;
    cloud.stop();
    drop(tap);
    Ok(())
}

/// Stops the stack; says whether one was running.
pub async fn down() -> Result<bool> {
    let stopped = match running().await {
        None => false,
        Some(running) => {
            let step = Step::start("Stopping the stack");
            let request = reqwest::Client::new().post(format!("{}/_tap/stop", running.tap_url()));
            request.send().await.failed("the stack does not take its leave")?;
            let deadline = Instant::now() + STOP_DEADLINE;
            while running.answers().await || require_free(running.port).is_err() {
                if Instant::now() >= deadline {
                    return Err(Error::Failed("The stack did not stop in time.".to_owned()));
                }
                tokio::time::sleep(POLL).await;
            }
            step.done();
            true
        }
    };
    let _ = fs::remove_file(Running::path());
    let _ = fs::remove_file(StackFile::path());
    Ok(stopped)
}

/// The runner's own binary. Building the workspace may just have replaced it, and Linux then says so behind the path.
fn runner() -> Result<PathBuf, Error> {
    let path = std::env::current_exe().setup("the runner cannot find itself")?;
    let text = path.to_string_lossy();
    Ok(text.strip_suffix(" (deleted)").map_or_else(|| path.clone(), PathBuf::from))
}
