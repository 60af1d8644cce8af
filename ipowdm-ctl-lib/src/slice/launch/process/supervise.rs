//! The task that watches one process.

use super::back_off::BackOff;
use super::lines::Lines;
use super::{ProcessState, ProcessTimes};
use ipowdm_core::ids::VopId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::Stdio;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// ```text
///   start ──▶ waiting ──says that it commands──▶ commanding ──▶ (stop) SIGTERM … SIGKILL ──▶ end
///     ▲          │ ends, or not ready in time        │ ends
///     │          ▼                                   ▼
///     │       never ready before? end            pause, longer each time
///     └──────────── no ◀─────────────────────────────┘
/// ```
pub(super) struct Supervisor {
    vop: VopId,
    command: Command,
    times: ProcessTimes,
    state: watch::Sender<ProcessState>,
}

/// How a process has ended.
enum End {
    /// It was to be stopped.
    Stopped,
    /// By itself, or because it was not ready in time.
    Died(String),
}

impl Supervisor {
    pub(super) fn new(
        vop: VopId,
        command: std::process::Command,
        times: ProcessTimes,
        state: watch::Sender<ProcessState>,
    ) -> Self {
        let mut command = Command::from(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        // What a terminal sends to the processes in front is the parent's to pass on.
        command.process_group(0);
        Self { vop, command, times, state }
    }

    /// Until `stopped` says so, which is when its sender is gone.
    pub(super) async fn run(mut self, mut stopped: watch::Receiver<()>) {
        let mut pauses = BackOff::new(self.times.first_pause, self.times.longest_pause);
        let mut commanded = false;
        loop {
            let began = Instant::now();
            let end = self.live(&mut stopped).await;
            commanded |= self.state.borrow().ready;
            let reason = match end {
                End::Stopped => "it was stopped".to_owned(),
                End::Died(reason) => reason,
            };
            let again = commanded && stopped.has_changed().is_ok();
            self.state.send_modify(|state| {
                (state.pid, state.ready, state.ended) = (None, false, Some(reason.clone()));
                state.restarts += u64::from(again);
            });
            if !again {
                return;
            }
            let pause = pauses.after(began.elapsed());
            tracing::warn!(vop = %self.vop, reason, ?pause, "the controller's process is started again");
            tokio::select! {
                biased;
                _ = stopped.changed() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One process, from its start to its end. It is gone when this returns.
    async fn live(&mut self, stopped: &mut watch::Receiver<()>) -> End {
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => {
                let program = self.command.as_std().get_program().display();
                return End::Died(format!("{program}: {error}"));
            }
        };
        // Its standard input stays open as long as this process lives.
        let _tie = child.stdin.take();
        self.state.send_modify(|state| (state.pid, state.ended) = (child.id(), None));
        let mut said = child.stdout.take().map(Lines::new);
        let late = Instant::now() + self.times.ready;
        loop {
            let ready = self.state.borrow().ready;
            tokio::select! {
                biased;
                _ = stopped.changed() => {
                    self.terminate(&mut child).await;
                    return End::Stopped;
                }
                line = next(&mut said) => match line {
                    Some(line) => self.listen(&line),
                    None => said = None,
                },
                ended = child.wait() => return End::Died(match ended {
                    Ok(status) => format!("{status}; its log says why"),
                    Err(error) => error.to_string(),
                }),
                () = sleep_until(late), if !ready => {
                    self.terminate(&mut child).await;
                    return End::Died(format!("not ready within {:?}", self.times.ready));
                }
            }
        }
    }

    /// Notes where the controller answers.
    fn listen(&self, line: &str) {
        let about = line.strip_prefix("controller of ").and_then(|rest| rest.split_once(" on "));
        let Some((_, endpoint)) = about.filter(|(vop, _)| *vop == self.vop.as_str()) else { return };
        self.state.send_modify(|state| {
            (state.ready, state.endpoint) = (true, Some(endpoint.trim_end().to_owned()));
        });
    }

    /// SIGTERM, and SIGKILL where that does not do.
    async fn terminate(&self, child: &mut Child) {
        // A number only until its end was waited for, so that the number is never another process's.
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
        if let Some(pid) = pid
            && let Err(error) = kill(pid, Signal::SIGTERM)
        {
            tracing::warn!(vop = %self.vop, %error, "the controller's process cannot be signalled");
        }
        if timeout(self.times.stop, child.wait()).await.is_ok() {
            return;
        }
        tracing::warn!(vop = %self.vop, "the controller's process did not end; it is killed");
        if let Err(error) = child.kill().await {
            tracing::error!(vop = %self.vop, %error, "the controller's process cannot be killed");
        }
    }
}

/// What it says next; never, once it says no more.
async fn next(said: &mut Option<Lines<ChildStdout>>) -> Option<String> {
    match said {
        Some(lines) => lines.next().await,
        None => core::future::pending().await,
    }
}
