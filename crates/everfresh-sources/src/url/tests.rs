use super::*;
use flate2::{Compression, write::GzEncoder};
use std::{
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    thread::JoinHandle,
};

const LONG: Duration = Duration::from_secs(30);

/// A server that gives one answer for each connection, in order, and tells the requests that it got.
struct Server {
    address: String,
    requests: JoinHandle<Vec<String>>,
}

impl Server {
    fn start(answers: Vec<Vec<u8>>) -> Self {
        Self::start_with(
            answers
                .into_iter()
                .map(|answer| -> Answer {
                    Box::new(move |mut stream| {
                        stream.write_all(&answer).unwrap();
                    })
                })
                .collect(),
        )
    }

    fn start_with(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = std::thread::spawn(move || {
            answers
                .into_iter()
                .map(|answer| {
                    let (stream, _) = listener.accept().unwrap();
                    let request = read_request(&stream);
                    answer(stream);
                    request
                })
                .collect()
        });
        Self { address, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn requests(self) -> Vec<String> {
        self.requests.join().unwrap()
    }
}

type Answer = Box<dyn FnOnce(TcpStream) + Send>;

/// The request in lower case, up to the empty line.
fn read_request(stream: &TcpStream) -> String {
    let lines = BufReader::new(stream).lines().map(|line| line.unwrap().to_lowercase());
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut answer =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn get(url: &str, previous: Option<&Validators>) -> Result<Fetched, UrlError> {
    fetch(&UrlRequest { url: &Secret::public(url), headers: &[], timeout: LONG }, previous)
}

fn body(fetched: Fetched) -> (Vec<u8>, Validators) {
    match fetched {
        Fetched::NotModified => panic!("not modified"),
        Fetched::Body { file, validators, content } => {
            let bytes = std::fs::read(file.path()).unwrap();
            assert_eq!(content, Fingerprint::of_bytes(&bytes));
            (bytes, validators)
        }
    }
}

#[test]
fn a_body_comes_with_its_validators_and_is_revalidated_by_them() {
    let headers = "ETag: \"v1\"\r\nLast-Modified: Tue, 01 Jan 2013 00:00:00 GMT\r\n";
    let server = Server::start(vec![
        answer("200 OK", headers, b"[1, 2]"),
        b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_vec(),
        answer("200 OK", "ETag: \"v2\"\r\n", b"[3]"),
    ]);
    let (first, validators) = body(get(&server.url("/rates?x=1#part"), None).unwrap());
    assert_eq!(first, b"[1, 2]");
    assert_eq!(validators.etag.as_deref(), Some("\"v1\""));
    assert!(matches!(get(&server.url("/rates"), Some(&validators)).unwrap(), Fetched::NotModified));
    let (second, validators) = body(get(&server.url("/rates"), Some(&validators)).unwrap());
    assert_eq!((second.as_slice(), validators.last_modified), (&b"[3]"[..], None));
    let requests = server.requests();
    assert!(requests[0].starts_with("get /rates?x=1 http/1.1\n"), "{}", requests[0]);
    assert!(!requests[0].contains("if-"));
    assert!(requests[1].contains("if-none-match: \"v1\"\n"), "{}", requests[1]);
    assert!(requests[1].contains("if-modified-since: tue, 01 jan 2013 00:00:00 gmt"));
}

#[test]
fn a_compressed_body_is_stored_plain() {
    let plain = "carrier,delay\n".repeat(50_000).into_bytes();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&plain).unwrap();
    let server = Server::start(vec![answer("200 OK", "Content-Encoding: gzip\r\n", &encoder.finish().unwrap())]);
    assert_eq!(body(get(&server.url("/"), None).unwrap()).0, plain);
    assert!(server.requests()[0].contains("accept-encoding: gzip"));
}

#[test]
fn a_failing_status_is_an_error_that_says_whether_to_try_again() {
    for (status, transient) in [("500 Oops", true), ("503 Busy", true), ("429 Slow", true), ("404 None", false)] {
        let server = Server::start(vec![answer(status, "", b"<html>")]);
        let error = get(&server.url("/a"), None).unwrap_err();
        assert!(error.to_string().contains(&format!("/a` answers {}", &status[..3])), "{error}");
        assert_eq!(error.is_transient(), transient);
    }
}

#[test]
fn a_304_that_nobody_asked_for_is_an_error() {
    let server = Server::start(vec![b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_vec()]);
    let error = get(&server.url("/"), Some(&Validators::default())).unwrap_err();
    assert!(matches!(error, UrlError::Status { status: 304, .. }), "{error}");
}

#[test]
fn a_server_that_is_not_there_is_told_from_one_that_fails() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = get(&format!("http://{address}/"), None).unwrap_err();
    assert!(matches!(error, UrlError::Transport { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("cannot reach `http://{address}/`: connection refused: does the server run?")
    );
    assert!(error.is_transient());
}

#[test]
fn a_body_that_does_not_end_in_time_is_an_error() {
    let server = Server::start_with(vec![Box::new(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbeginning").unwrap();
        // Until the client gives up.
        let _ = stream.read(&mut [0]);
    })]);
    let timeout = Duration::from_millis(200);
    let url = Secret::public(server.url("/slow"));
    let error = fetch(&UrlRequest { url: &url, headers: &[], timeout }, None).unwrap_err();
    assert!(matches!(error, UrlError::TimedOut { .. }), "{error:?}");
    server.requests();
}

#[test]
fn a_body_that_ends_early_is_an_error() {
    for head in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let server = Server::start(vec![format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n9\r\nbeginning").into_bytes()]);
        let error = get(&server.url("/"), None).unwrap_err();
        assert!(matches!(error, UrlError::Transport { .. }), "{error:?}");
    }
}

#[test]
fn a_body_over_the_limit_is_an_error() {
    let request = |server: &Server, limit| {
        let url = Secret::public(server.url("/"));
        fetch_at_most(&UrlRequest { url: &url, headers: &[], timeout: LONG }, None, limit)
    };
    let server = Server::start(vec![answer("200 OK", "", b"12345"), answer("200 OK", "", b"12345")]);
    assert_eq!(body(request(&server, 5).unwrap()).0, b"12345");
    assert!(matches!(request(&server, 4).unwrap_err(), UrlError::TooLarge { limit: 4, .. }));
}

#[test]
fn a_redirect_on_the_same_host_keeps_the_headers_and_another_host_gets_none() {
    let elsewhere = Server::start(vec![answer("200 OK", "", b"there")]);
    let there = format!("Location: {}\r\n", elsewhere.url("/other"));
    let server =
        Server::start(vec![answer("301 Moved", "Location: ../new?y=2\r\n", b""), answer("302 Found", &there, b"")]);
    let headers = [("X-Key".to_owned(), Secret::keyed("hunter2", "***", &[0; 32]))];
    let url = Secret::public(server.url("/old/path").replace("http://", "http://me:p%40ss@"));
    let fetched = fetch(&UrlRequest { url: &url, headers: &headers, timeout: LONG }, None).unwrap();
    assert_eq!(body(fetched).0, b"there");
    let requests = server.requests();
    assert!(requests[1].starts_with("get /new?y=2 "), "{}", requests[1]);
    let basic = format!("authorization: basic {}", BASE64_STANDARD.encode("me:p@ss").to_lowercase());
    for request in &requests {
        assert!(request.contains("x-key: hunter2") && request.contains(&basic), "{request}");
    }
    let foreign = elsewhere.requests().remove(0);
    assert!(!foreign.contains("x-key") && !foreign.contains("authorization"), "{foreign}");
}

#[test]
fn validators_are_only_shown_to_the_url_that_gave_them() {
    let redirect = |to: &str| answer("302 Found", &format!("Location: {to}\r\nETag: \"not this\"\r\n"), b"");
    let server = Server::start(vec![
        redirect("/monday"),
        answer("200 OK", "ETag: \"1\"\r\n", b"monday"),
        redirect("/monday"),
        b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_vec(),
        redirect("/tuesday"),
        answer("200 OK", "ETag: \"1\"\r\n", b"tuesday"),
    ]);
    let (_, validators) = body(get(&server.url("/today"), None).unwrap());
    assert!(matches!(get(&server.url("/today"), Some(&validators)).unwrap(), Fetched::NotModified));
    let (bytes, _) = body(get(&server.url("/today"), Some(&validators)).unwrap());
    assert_eq!(bytes, b"tuesday");
    let asked: Vec<_> = server.requests().iter().map(|request| request.contains("if-none-match")).collect();
    assert_eq!(asked, [false, false, false, true, false, false]);
}

#[test]
fn a_redirect_that_leads_nowhere_is_an_error() {
    let again = || answer("302 Found", "Location: /again\r\n", b"");
    for (answers, message) in [
        (vec![answer("302 Found", "", b"")], "redirects without saying where to"),
        (vec![answer("302 Found", "Location: file:///etc/passwd\r\n", b"")], "redirects to a `file` URL"),
        ((0..=MAX_REDIRECTS).map(|_| again()).collect(), "redirects more than 10 times"),
    ] {
        let server = Server::start(answers);
        let error = get(&server.url("/"), None).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn no_error_shows_a_secret() {
    let secret = "hunter2";
    let failing = Server::start(vec![answer("500 Oops", "", b"")]);
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let loose = Server::start(vec![answer("302 Found", "Location: ftp://hunter2/\r\n", b"")]);
    let mut urls = vec![format!("not a url {secret}"), format!("ftp://{secret}@host/")];
    for address in [&failing.address, &refused, &loose.address] {
        urls.push(format!("http://user:{secret}@{address}/path?token={secret}"));
    }
    for url in urls {
        let shown = url.replace(&format!("token={secret}"), "token=***").replace(&format!("url {secret}"), "url ***");
        let url = Secret::keyed(url, shown, &[0; 32]);
        let headers = [("X-Key".to_owned(), Secret::keyed(secret, "***", &[0; 32]))];
        let error = fetch(&UrlRequest { url: &url, headers: &headers, timeout: LONG }, None).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    }
    let broken = [("X-Key".to_owned(), Secret::keyed("hunter2\n", "***", &[0; 32]))];
    let url = Secret::public("http://127.0.0.1:1/");
    let error = fetch(&UrlRequest { url: &url, headers: &broken, timeout: LONG }, None).unwrap_err();
    assert!(matches!(error, UrlError::Invalid { .. }) && !format!("{error} {error:?}").contains(secret), "{error:?}");
}

#[test]
fn userinfo_is_hidden_wherever_it_ends() {
    for (url, shown) in [
        ("http://u:p@h/a@b", "http://***@h/a@b"),
        ("http://u:p@q@h?x", "http://***@h?x"),
        ("http://h/?a@b", "http://h/?a@b"),
        ("nothing", "nothing"),
    ] {
        assert_eq!(without_userinfo(url), shown);
    }
}

#[test]
fn an_explicit_authorization_stands_in_place_of_the_urls_own() {
    let server = Server::start(vec![answer("200 OK", "", b"")]);
    let url = Secret::public(server.url("/").replace("http://", "http://u:p@"));
    let headers = [("authorization".to_owned(), Secret::public("Bearer x"))];
    fetch(&UrlRequest { url: &url, headers: &headers, timeout: LONG }, None).unwrap();
    let request = server.requests().remove(0);
    assert_eq!(request.matches("authorization").count(), 1);
    assert!(request.contains("authorization: bearer x"), "{request}");
}
