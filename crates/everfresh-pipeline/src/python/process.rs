//! One process that serves the functions of one Python file.

use crate::{engine::Cancel, fault::Failure, fault::Fault};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How often somebody looks whether a running request is to be stopped.
const PATIENCE: Duration = Duration::from_millis(50);

/// How many of the last lines that a process printed are told when it dies.
const LAST_LINES: usize = 20;

/// A request, as `everfresh._worker` describes it.
#[derive(Serialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Request<'a> {
    /// What is the function made of?
    Look {
        /// The function's name.
        function: &'a str,
    },
    /// Call it.
    Compute {
        /// The function's name.
        function: &'a str,
        /// Its tables, each with the files of its parts and where in them the rows begin.
        inputs: &'a [(String, Vec<(PathBuf, usize)>)],
        /// Parameters of the pipeline that it takes.
        params: &'a BTreeMap<String, Value>,
        /// Where the result goes.
        output: &'a Path,
        /// Whether a bounded life excuses what cannot be observed.
        has_ttl: bool,
    },
}

/// What a function gave, apart from its rows.
#[derive(Deserialize)]
pub struct Answer {
    /// What it read, encoded by the engine.
    pub observed: String,
    /// The files of code that ran and that no name reaches.
    pub files: Vec<PathBuf>,
    /// Why the result must not be stored, if so.
    pub unstorable: Option<String>,
    /// What it did that no pure function does.
    pub impure: Vec<String>,
    /// For how many seconds it may be used, if what it is made of ends.
    pub remaining: Option<f64>,
}

/// What a process writes to standard error when it has printed all that belongs to an answer.
const ALL_PRINTED: &str = "\0everfresh";

/// How long a process may take to end by itself once nobody asks any more: it writes what it has buffered.
const GRACE: Duration = Duration::from_secs(5);

/// A running process. It ends when this is dropped, and what it started with it.
pub struct Process {
    child: Child,
    requests: Option<ChildStdin>,
    answers: mpsc::Receiver<String>,
    printed: Arc<Printed>,
    hears: JoinHandle<()>,
}

/// What a process prints: each line is told to whoever it works for; `None` says that this was all so far.
#[derive(Default)]
struct Printed {
    last: Mutex<VecDeque<String>>,
    listener: Mutex<Option<mpsc::Sender<Option<String>>>>,
}

impl Process {
    /// Starts the process for a file, in the folder of the pipeline.
    pub fn start(python: &Path, file: &Path, folder: &Path, cancel: &Cancel) -> Result<Self, Fault> {
        let mut command = Command::new(python);
        command.args(["-P", "-m", "everfresh._worker"]).arg(file).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: what it starts ends with it, and Ctrl-C is for this program.
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| {
            failure(format!(
                "cannot start `{}`: {error}\nhelp: name the interpreter with `python:` in the pipeline file or with {}",
                python.display(),
                super::interpreter::VARIABLE
            ))
        })?;
        let (Some(requests), Some(answers), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failure("a process without pipes".into()));
        };
        let printed = Arc::new(Printed::default());
        let listening = Arc::clone(&printed);
        let hears = std::thread::spawn(move || {
            each_line(errors, |line| {
                listening.hear(line);
                true
            });
        });
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || each_line(answers, |line| sender.send(line).is_ok()));
        let mut process = Self { child, requests: Some(requests), answers: receiver, printed, hears };
        let hello = process.answer(cancel, &mut || {}).map_err(|fault| match fault {
            Fault::Failed(Failure::Python { message, .. }) => failure(without_worker(python, &message)),
            other => other,
        })?;
        let theirs = hello.get("everfresh").and_then(Value::as_str).unwrap_or("?");
        let ours = env!("CARGO_PKG_VERSION");
        if theirs != ours {
            return Err(failure(format!(
                "`{}` has version {theirs} of the package `everfresh`, and this program is version {ours}\n\
                 help: install the same version of both",
                python.display()
            )));
        }
        Ok(process)
    }

    /// Asks something, and waits for the answer. `printed` hears each line that the process prints meanwhile.
    ///
    /// # Errors
    /// What the user's code raised; that the process died; that somebody asked to stop, which ends the process.
    pub fn ask(
        &mut self,
        request: &Request<'_>,
        cancel: &Cancel,
        printed: &mut dyn FnMut(&str),
    ) -> Result<Value, Fault> {
        let mut line = serde_json::to_string(request).map_err(|error| failure(error.to_string()))?;
        line.push('\n');
        let (sender, lines) = mpsc::channel();
        *self.printed.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        if let Some(requests) = &mut self.requests {
            // A process that is gone shows in its answer.
            let _ = requests.write_all(line.as_bytes()).and_then(|()| requests.flush());
        }
        let mut all_printed = false;
        let answer = self.answer(cancel, &mut || {
            for line in lines.try_iter() {
                match line {
                    Some(line) => printed(&line),
                    None => all_printed = true,
                }
            }
        });
        while answer.is_ok() && !all_printed {
            match lines.recv_timeout(GRACE) {
                Ok(Some(line)) => printed(&line),
                Ok(None) | Err(_) => all_printed = true,
            }
        }
        self.printed.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let answer = answer?;
        match answer.get("failed").and_then(Value::as_str) {
            Some(message) => Err(Fault::Failed(Failure::Python { message: message.to_owned(), ran: true })),
            None => Ok(answer),
        }
    }

    /// Lets it end by itself, so that what it has buffered is written.
    pub fn finish(mut self) {
        self.requests = None;
        let until = Instant::now() + GRACE;
        // The standard library waits for a child, and for a thread, with no bound only.
        while Instant::now() < until && self.runs() {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn answer(&mut self, cancel: &Cancel, meanwhile: &mut dyn FnMut()) -> Result<Value, Fault> {
        loop {
            if cancel.is_cancelled() {
                self.kill();
                return Err(Fault::Cancelled);
            }
            let answer = self.answers.recv_timeout(PATIENCE);
            meanwhile();
            match answer {
                Ok(line) => {
                    return serde_json::from_str(&line).map_err(|_| {
                        failure(format!("the Python process answered `{line}`, not as everfresh's worker does"))
                    });
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.died()),
                // What it started may hold its pipes open.
                Err(RecvTimeoutError::Timeout) if !self.runs() => return Err(self.died()),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn died(&mut self) -> Fault {
        let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        self.kill();
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until && !self.hears.is_finished() {
            std::thread::sleep(Duration::from_millis(2));
        }
        let last = self.printed.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.iter().map(|line| format!("\n{line}")).collect::<String>();
        Failure::Python { message: format!("the Python process ended before it answered: {status}{last}"), ran: true }
            .into()
    }

    /// Ends it and all that it started.
    fn kill(&self) {
        let group = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            // There may be nobody left.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}

fn failure(message: String) -> Fault {
    Failure::Python { message, ran: false }.into()
}

/// What to do about an interpreter that does not serve.
fn without_worker(python: &Path, message: &str) -> String {
    let python = python.display();
    if message.contains("No module named everfresh") || message.contains("No module named 'everfresh'") {
        return format!(
            "`{python}` has no package `everfresh` of this version, which Python steps need\n\
             help: install it there with pip, or name another interpreter with `python:` in the pipeline file"
        );
    }
    if message.to_lowercase().contains("unknown option") {
        return format!(
            "`{python}` is older than Python 3.11, which Python steps need\n\
             help: name a newer interpreter with `python:` in the pipeline file"
        );
    }
    format!("`{python}`: {message}")
}

/// Tells each line, whatever bytes are in it, until the other side closes the pipe.
fn each_line(pipe: impl Read, mut tell: impl FnMut(String) -> bool) {
    let (mut pipe, mut line) = (BufReader::new(pipe), Vec::new());
    while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let told = tell(String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned());
        line.clear();
        if !told {
            return;
        }
    }
}

impl Printed {
    fn hear(&self, line: String) {
        if line == ALL_PRINTED {
            return self.tell(None);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line.clone());
        drop(last);
        self.tell(Some(line));
    }

    fn tell(&self, line: Option<String>) {
        if let Some(listener) = &*self.listener.lock().unwrap_or_else(PoisonError::into_inner) {
            // Nobody listens any more when the run ends.
            let _ = listener.send(line);
        }
    }
}
