//! The embedded cloud: MiniStack as a child process with IAM enforced.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{
    error::{Context, Error, Result},
    paths,
    progress::Step,
};

/// Region of everything local; the product is for schools in the United Kingdom.
pub const REGION: &str = "eu-west-2";
/// Root key of the emulator: its holder may do everything, so only the runner and the tests use it.
pub const ROOT_KEY: &str = "test";
/// Secret of [`ROOT_KEY`].
pub const ROOT_SECRET: &str = "test";

/// Importing the emulator takes a few seconds on a busy machine.
const READY_DEADLINE: Duration = Duration::from_mins(1);
const STOP_DEADLINE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);

/// A running MiniStack. It stops when this is dropped, and also when the process that holds it dies.
#[derive(Debug)]
pub struct MiniStack {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl MiniStack {
    /// Starts the emulator with its data under `state` and waits until it answers. Functions are told to call `tap_url`.
    pub async fn start(python: &Path, port: u16, tap_url: &str, state: &Path) -> Result<Self> {
        let step = Step::start(format!("Starting MiniStack on port {port}"));
        require_free(port)?;
        let data = state.join("data");
        // What an earlier run left is of no use: the emulator keeps its state in memory.
        if data.exists() {
            fs::remove_dir_all(&data).setup("the old stack's data cannot be removed")?;
        }
        fs::create_dir_all(data.join("tmp")).setup(format_args!("{} cannot be created", data.display()))?;
        let log = state.join("ministack.log");
        let out = File::create(&log).setup(format_args!("{} cannot be written", log.display()))?;
        let err = out.try_clone().setup("the log cannot be shared")?;
        let child = Command::new(python)
            .arg(paths::runner().join("run_ministack.py"))
            // The functions inherit this environment: nothing of the developer's own account may reach them.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", data.join("tmp"))
            .env("TMPDIR", data.join("tmp"))
            .env("AUTH", "true")
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("MINISTACK_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", ROOT_KEY)
            .env("AWS_SECRET_ACCESS_KEY", ROOT_SECRET)
            .env("AWS_ENDPOINT_URL", tap_url)
            .env("STATE_DIR", data.join("state"))
            .env("S3_DATA_DIR", data.join("s3"))
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .setup("MiniStack cannot be started")?;
        let mut stack = Self { child, port, log };
        stack.wait_until_ready().await?;
        step.done();
        Ok(stack)
    }

    /// Where the emulator listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let health = format!("{}/_ministack/health", self.url());
        let client = reqwest::Client::new();
        let deadline = Instant::now() + READY_DEADLINE;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Error::Setup(format!(
                    "MiniStack ended at once ({status}): {}",
                    self.last_words()
                )));
            }
            let answer = client.get(&health).timeout(Duration::from_secs(2)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        Err(Error::Setup(format!(
            "MiniStack did not answer on port {} within {} seconds; its log is {}.",
            self.port,
            READY_DEADLINE.as_secs(),
            self.log.display()
        )))
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_owned()
    }

    /// Stops the emulator and every function process it has spawned, and waits for its end.
    pub fn stop(&mut self) {
        // Closing the pipe asks for an orderly end (see run_ministack.py); the group is killed in any case.
        drop(self.child.stdin.take());
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let deadline = Instant::now() + STOP_DEADLINE;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(POLL);
        }
        if let Some(group) = group {
            // An error only says that nobody is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for MiniStack {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Says so when somebody else holds the port.
pub fn require_free(port: u16) -> Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop).map_err(|error| {
        Error::Setup(format!(
            "Port {port} of this machine cannot be used ({error}): is a stack running already (`cargo local down`), \
             or another program?"
        ))
    })
}

/// A port nobody listens on at this moment.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).setup("no free port can be found")?;
    Ok(listener.local_addr().setup("no free port can be found")?.port())
}
