//! A real Redis server, started by the project's script and stopped with the last test that uses it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use ipowdm_ctl_lib::store::redis::{RedisBackend, RedisOptions};

/// More than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("scripts").join(name)
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    /// The process that replaced the script's own, after a restart.
    child: Mutex<Option<Child>>,
}

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
static PREFIXES: AtomicU32 = AtomicU32::new(0);

impl Server {
    /// Starts a server of one's own.
    pub(crate) fn start() -> Self {
        // In memory where there is such a file system: what a disk does under power loss is not tested here, and its time is
        // most of a commit's.
        let parent = Some("/dev/shm").filter(|folder| Path::new(folder).is_dir());
        let output = Command::new(script("redis-up.sh"))
            .args(parent)
            .stdin(Stdio::null())
            .output()
            .expect("scripts/redis-up.sh can be run");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "scripts/redis-up.sh did not start a Redis server, which these tests need:\n{told}"
        );
        let printed = String::from_utf8(output.stdout).unwrap();
        let port = printed.trim().rsplit(':').next().unwrap().parse().unwrap();
        Self { port, child: Mutex::new(None) }
    }

    /// The one that all tests share which do it no harm.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Options for a store that nobody else uses.
    pub(crate) fn fresh(&self) -> RedisOptions {
        let number = PREFIXES.fetch_add(1, Ordering::Relaxed);
        let mut options = RedisOptions::new("127.0.0.1", self.port);
        options.prefix = format!("test-{}-{number}", std::process::id());
        options.patience = PATIENCE;
        options
    }

    fn state(&self) -> PathBuf {
        script("../build/redis/run").join(self.port.to_string())
    }

    fn pid(&self) -> u32 {
        std::fs::read_to_string(self.state().join("server.pid")).unwrap().trim().parse().unwrap()
    }

    /// Ends the server without warning.
    pub(crate) fn kill(&self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.wait().unwrap();
        }
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            assert!(begun.elapsed() < PATIENCE, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn data(&self) -> PathBuf {
        std::fs::read_to_string(self.state().join("data")).unwrap().trim().into()
    }

    /// Says a command, in a form that needs no client, and answers the first line of the reply.
    pub(crate) fn say(&self, command: &str) -> String {
        use std::io::{BufRead as _, BufReader, Write as _};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// As [`Server::say`], where the reply is a number.
    pub(crate) fn ask(&self, command: &str) -> u64 {
        let reply = self.say(command);
        reply
            .strip_prefix(':')
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("{command}: {reply}"))
    }

    fn copy_files(from: &Path, to: &Path) {
        let _ = std::fs::remove_dir_all(to);
        std::fs::create_dir(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }

    /// Keeps a copy of what is on disk.
    pub(crate) fn save_files(&self) {
        Self::copy_files(&self.data().join("appendonlydir"), &self.data().join("saved"));
    }

    /// Puts the copy in place of what is on disk, while the server is away.
    pub(crate) fn restore_files(&self) {
        Self::copy_files(&self.data().join("saved"), &self.data().join("appendonlydir"));
    }

    /// Starts it again on its files.
    pub(crate) fn restart(&self) {
        let state = self.state();
        let log = std::fs::File::options().append(true).open(state.join("server.log")).unwrap();
        let child = Command::new("redis-server")
            .arg(self.data().join("redis.conf"))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::fs::write(state.join("server.pid"), format!("{}\n", child.id())).unwrap();
        *self.child.lock().unwrap() = Some(child);
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() || self.say("PING") != "+PONG" {
            assert!(begun.elapsed() < PATIENCE, "the server does not come back");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let address = format!("127.0.0.1:{}", self.port);
        // The script takes the process for a zombie's while it is not waited for, so the wait runs beside it.
        let child = self.child.lock().unwrap().take();
        let waiting = child.map(|mut child| std::thread::spawn(move || child.wait()));
        let stopped = Command::new(script("redis-down.sh")).arg(&address).stdin(Stdio::null()).status();
        if let Some(waiting) = waiting {
            let _ = waiting.join();
        }
        if !std::thread::panicking() {
            assert!(stopped.unwrap().success(), "scripts/redis-down.sh {address} failed");
        }
    }
}

/// A back end on a store.
pub(crate) async fn connect(options: &RedisOptions) -> Arc<RedisBackend> {
    Arc::new(RedisBackend::connect(options.clone()).await.unwrap())
}
