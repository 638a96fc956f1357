//! A small HTTP server on the loopback, whose answers can be held back: how tests stop a run at a known place.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
};

pub struct Server {
    port: u16,
    asked: Arc<Mutex<HashMap<String, usize>>>,
    broken: Arc<AtomicBool>,
    stopped: Arc<AtomicBool>,
    listening: JoinHandle<()>,
}

/// An answer that waits: the test hears when somebody asks for it, and lets it go.
pub struct Gate {
    asked: Receiver<()>,
    open: Sender<()>,
}

impl Gate {
    /// Waits until somebody asks.
    pub fn wait(&self) {
        self.asked.recv().unwrap();
    }

    /// Lets one answer go.
    pub fn open(&self) {
        self.open.send(()).unwrap();
    }
}

/// An answer, and the gate that it waits behind.
struct Route {
    body: String,
    held: Option<Mutex<(Sender<()>, Receiver<()>)>>,
}

impl Server {
    /// Serves these paths with these JSON texts; the paths in `held` wait behind a gate.
    pub fn start(answers: &[(&str, &str)], held: &[&str]) -> (Self, Vec<Gate>) {
        let (mut routes, mut gates) = (HashMap::new(), Vec::new());
        for (path, body) in answers {
            let held = held.contains(path).then(|| {
                let ((ask, asked), (open, opened)) = (channel(), channel());
                gates.push(Gate { asked, open });
                Mutex::new((ask, opened))
            });
            routes.insert((*path).to_owned(), Route { body: (*body).to_owned(), held });
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(HashMap::new()));
        let (broken, stopped) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (routes, counts, breaks, stops) = (Arc::new(routes), asked.clone(), broken.clone(), stopped.clone());
        let listening = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stops.load(Ordering::SeqCst) {
                    return;
                }
                let (routes, counts, broken) = (routes.clone(), counts.clone(), breaks.load(Ordering::SeqCst));
                thread::spawn(move || answer(&stream, broken, &routes, &counts));
            }
        });
        (Self { port, asked, broken, stopped, listening }, gates)
    }

    /// Answers with 503 from now on.
    pub fn break_down(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    /// Takes no connection any more.
    pub fn stop(self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that listens; its listener goes with it.
        drop(TcpStream::connect(("127.0.0.1", self.port)).unwrap());
        self.listening.join().unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().get(path).copied().unwrap_or(0)
    }
}

fn answer(
    mut stream: &TcpStream,
    broken: bool,
    routes: &HashMap<String, Route>,
    counts: &Mutex<HashMap<String, usize>>,
) {
    let mut lines = BufReader::new(stream).lines();
    let Some(Ok(request)) = lines.next() else { return };
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    *counts.lock().unwrap().entry(path.clone()).or_default() += 1;
    let (status, body) = match routes.get(&path) {
        Some(_) if broken => ("503 Service Unavailable", "null"),
        Some(Route { body, held }) => {
            if let Some(held) = held {
                let (ask, opened) = &*held.lock().unwrap();
                let _ = ask.send(());
                let _ = opened.recv();
            }
            ("200 OK", body.as_str())
        }
        None => ("404 Not Found", "null"),
    };
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
}
