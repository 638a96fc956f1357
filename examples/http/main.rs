//! Answers of an API that are kept for a minute, asked for again on demand, and served old while the server is down.
//! `cargo run --example http`

use everfresh::{cached, memory::ManualClock};
use std::{
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

/// A clock that is moved by hand, so that nobody waits for minutes.
static CLOCK: LazyLock<Arc<ManualClock>> = LazyLock::new(Arc::default);

/// How much a currency is worth. Up to an hour after its minute is over, an answer is still given while a thread asks for
/// the next one, and in place of an error.
#[cached(ttl = "1m", stale = "1h", clock = CLOCK.clone())]
fn rate(server: SocketAddr, currency: &str) -> Result<f64, String> {
    let answer = ureq::get(format!("http://{server}/rates/{currency}")).call();
    let text = answer.and_then(|mut answer| answer.body_mut().read_to_string());
    text.map_err(|error| error.to_string())?.trim().parse().map_err(|_| "no number".to_owned())
}

/// A server on this machine that counts its requests, and gives a little more each time.
struct Server {
    address: SocketAddr,
    requests: Arc<AtomicU32>,
    down: Arc<AtomicBool>,
}

impl Server {
    fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let server = Self { address: listener.local_addr()?, requests: Arc::default(), down: Arc::default() };
        let (requests, down) = (Arc::clone(&server.requests), Arc::clone(&server.down));
        thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let head = BufReader::new(&connection).lines().map_while(Result::ok);
                // The head of a request ends with an empty line.
                head.take_while(|line| !line.is_empty()).for_each(drop);
                let request = requests.fetch_add(1, Ordering::SeqCst);
                let (status, body) = match down.load(Ordering::SeqCst) {
                    true => ("503 Service Unavailable", String::new()),
                    false => ("200 OK", format!("{:.2}", 1.08 + 0.01 * f64::from(request))),
                };
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                // Whoever asked may have gone.
                let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(body.as_bytes()));
            }
        });
        Ok(server)
    }
}

/// What the program prints.
pub fn run(out: &mut dyn Write) -> io::Result<()> {
    let server = Server::start()?;
    let requests = || server.requests.load(Ordering::SeqCst);
    let mut show = |when: &str, rate: Result<f64, String>| {
        let rate = rate.map_or_else(|error| format!("error: {error}"), |rate| format!("{rate:.2}"));
        writeln!(out, "{when:32} {rate:29} {} requests", requests())
    };
    let euro = || rate(server.address, "EUR");
    show("at first", euro())?;
    show("at once again", euro())?;
    CLOCK.advance(Duration::from_secs(61));
    // Nobody waits: everybody has the old answer while a thread asks for the next one.
    let old = euro();
    answered(2);
    show("after a minute, the old one", old)?;
    show("behind it came", euro())?;
    show("by force", rate::refresh(server.address, "EUR"))?;
    show("at once again", euro())?;
    server.down.store(true, Ordering::SeqCst);
    CLOCK.advance(Duration::from_secs(61));
    let old = euro();
    answered(4);
    show("a minute later, server down", old)?;
    CLOCK.advance(Duration::from_secs(3600));
    show("an hour later, still down", euro())?;
    server.down.store(false, Ordering::SeqCst);
    show("up again", euro())?;
    let info = rate::cache_info();
    writeln!(out, "the cache: {} hits, {} loads, {} failures", info.hits, info.loads, info.failures)
}

/// Waits until so many requests were answered, well or not.
fn answered(requests: u64) {
    let info = rate::cache_info;
    while info().loads + info().failures < requests {
        thread::yield_now();
    }
}

#[allow(dead_code)]
fn main() -> io::Result<()> {
    run(&mut io::stdout().lock())
}
