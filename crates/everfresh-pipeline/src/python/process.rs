//! One process that serves the functions of one Python file.

use crate::{engine::Cancel, fault::Failure, fault::Fault};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
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

/// A running process. It ends when this is dropped.
pub struct Process {
    child: Child,
    requests: ChildStdin,
    answers: mpsc::Receiver<std::io::Result<String>>,
    printed: Arc<Printed>,
}

/// What a process prints: each line is told to whoever it works for.
#[derive(Default)]
struct Printed {
    last: Mutex<VecDeque<String>>,
    listener: Mutex<Option<mpsc::Sender<String>>>,
}

impl Process {
    /// Starts the process for a file, in the folder of the pipeline.
    pub fn start(python: &Path, file: &Path, folder: &Path, cancel: &Cancel) -> Result<Self, Fault> {
        let failure = |message: String| Fault::Failed(Failure::Python { message, ran: false });
        let mut command = Command::new(python);
        command.args(["-P", "-m", "everfresh._worker"]).arg(file).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
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
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                listening.hear(line);
            }
        });
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(answers).lines() {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut process = Self { child, requests, answers: receiver, printed };
        let hello = process.answer(cancel).map_err(|fault| match fault {
            Fault::Failed(Failure::Python { message, .. }) if lacks_package(&message) => {
                failure(format!(
                    "`{}` has no package `everfresh`, which Python steps need\n\
                     help: install it there with pip, or name another interpreter with `python:` in the pipeline file",
                    python.display()
                ))
            }
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
        let failure = |message: String| Fault::Failed(Failure::Python { message, ran: false });
        let mut line = serde_json::to_string(request).map_err(|error| failure(error.to_string()))?;
        line.push('\n');
        let (sender, lines) = mpsc::channel();
        *self.printed.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        // A process that is gone shows in its answer.
        let _ = self.requests.write_all(line.as_bytes()).and_then(|()| self.requests.flush());
        let answer = self.answer_and(cancel, &mut || lines.try_iter().for_each(|line| printed(&line)));
        self.printed.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        lines.try_iter().for_each(|line| printed(&line));
        let answer = answer?;
        match answer.get("failed").and_then(Value::as_str) {
            Some(message) => Err(Fault::Failed(Failure::Python { message: message.to_owned(), ran: true })),
            None => Ok(answer),
        }
    }

    fn answer(&mut self, cancel: &Cancel) -> Result<Value, Fault> {
        self.answer_and(cancel, &mut || {})
    }

    fn answer_and(&mut self, cancel: &Cancel, meanwhile: &mut dyn FnMut()) -> Result<Value, Fault> {
        loop {
            if cancel.is_cancelled() {
                let _ = self.child.kill();
                return Err(Fault::Cancelled);
            }
            match self.answers.recv_timeout(PATIENCE) {
                Ok(Ok(line)) => {
                    meanwhile();
                    let answer = serde_json::from_str(&line);
                    return answer.map_err(|error| Failure::Python { message: error.to_string(), ran: false }.into());
                }
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(self.died()),
                Err(RecvTimeoutError::Timeout) => meanwhile(),
            }
        }
    }

    fn died(&mut self) -> Fault {
        let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        let last = self.printed.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.iter().map(|line| format!("\n{line}")).collect::<String>();
        Failure::Python { message: format!("the Python process ended before it answered: {status}{last}"), ran: true }.into()
    }
}

/// Whether this is what Python says where the package is not installed.
fn lacks_package(message: &str) -> bool {
    message.contains("No module named everfresh") || message.contains("No module named 'everfresh'")
}

impl Printed {
    fn hear(&self, line: String) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line.clone());
        if let Some(listener) = &*self.listener.lock().unwrap_or_else(PoisonError::into_inner) {
            // Nobody listens any more when the run ends.
            let _ = listener.send(line);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
