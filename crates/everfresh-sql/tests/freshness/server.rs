//! A small HTTP server on loopback, with an ETag for each body.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

pub struct Server {
    address: SocketAddr,
    bodies: Arc<Mutex<HashMap<String, String>>>,
    next: AtomicU64,
}

impl Server {
    /// Serves until the process ends.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bodies: Arc<Mutex<HashMap<String, String>>> = Arc::default();
        let served = bodies.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let bodies = served.clone();
                std::thread::spawn(move || answer(stream, &bodies));
            }
        });
        Self { address, bodies, next: AtomicU64::new(0) }
    }

    pub fn new_url(&self) -> String {
        format!("http://{}/{}/rates.json", self.address, self.next.fetch_add(1, Ordering::Relaxed))
    }

    pub fn set(&self, url: &str, body: String) {
        let path = url.splitn(4, '/').nth(3).unwrap();
        self.bodies.lock().unwrap().insert(format!("/{path}"), body);
    }
}

fn answer(mut stream: TcpStream, bodies: &Mutex<HashMap<String, String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let asked = headers
        .iter()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("if-none-match:").map(|tag| tag.trim().to_owned()));
    let body = bodies.lock().unwrap().get(&path).cloned();
    let answer = match body {
        None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
        Some(body) => {
            let tag = format!("\"{}\"", everfresh::Fingerprint::of_bytes(body.as_bytes()).short());
            if asked.as_deref() == Some(&tag) {
                format!("HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\nConnection: close\r\n\r\n")
            } else {
                format!(
                    "HTTP/1.1 200 OK\r\nETag: {tag}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                )
            }
        }
    };
    let _ = stream.write_all(answer.as_bytes());
}
