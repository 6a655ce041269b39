//! The page over real sockets.

use std::{io::Read, time::Duration};

use pipelines::engine::drain::{DrainTrigger, drain};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{otlp::*, *};
use crate::prometheus::{
    Page,
    config::{Auth, AuthKind, TranslationStrategy},
    own::{Family, OwnFamilies},
    server::{seats, serve},
    text::Kind,
};

struct Server {
    address: std::net::SocketAddr,
    page: Arc<Page>,
    trigger: DrainTrigger,
    task: JoinHandle<()>,
    fixture: Fixture,
}

struct Own;

impl OwnFamilies for Own {
    fn gather(&self) -> Vec<Family> {
        vec![Family::new("own_things_total", Kind::Counter, "Ours").with(&[("a", "b")], 7_u64)]
    }
}

impl Server {
    async fn start(config: Config) -> Self {
        let fixture = Fixture::with(&config);
        let page = Page::new(&config, Arc::clone(&fixture.table), vec![Arc::new(Own)]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, drain) = drain();
        let task = tokio::spawn(serve(listener, Arc::clone(&page), seats(), drain));
        Self { address, page, trigger, task, fixture }
    }

    async fn open(config: Config) -> Self {
        let server = Self::start(config).await;
        server.page.open();
        server
    }

    /// One request; head and body of the answer.
    async fn ask(&self, request_line: &str, headers: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{request_line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
        let body = answer.split_off(end + 4);
        let body = if head.contains("transfer-encoding: chunked") { dechunked(&body) } else { body };
        (head, body)
    }
}

fn dechunked(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return out;
        }
        out.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
}

#[tokio::test]
async fn until_it_is_opened_the_page_asks_to_come_back() {
    let server = Server::start(Config::default()).await;
    let (head, body) = server.ask("GET /metrics", "").await;
    assert!(head.starts_with("http/1.1 503") && head.contains("retry-after: 1"), "{head}");
    assert_eq!(body, b"metrics are being restored, come back in a moment\n");
    server.page.open();
    let (head, _) = server.ask("GET /metrics", "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
}

#[tokio::test]
async fn m_d1_an_openmetrics_page_is_named_so() {
    let server = Server::open(Config::default()).await;
    let (head, body) =
        server.ask("GET /metrics", "Accept: application/openmetrics-text;q=0.9,*/*;q=0.1\r\n").await;
    assert!(head.contains(
        "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
    ));
    let page = String::from_utf8(body).unwrap();
    checker::check(&page, Format::OpenMetrics);
    assert!(
        page.contains("# TYPE own_things counter\n# HELP own_things Ours\nown_things_total{a=\"b\"} 7\n")
    );
}

#[tokio::test]
async fn m_c2_nonsense_gets_text_0_0_4() {
    let server = Server::open(Config::default()).await;
    let long = format!("Accept: {}\r\n", "a/b;q=1,".repeat(1280));
    for accept in
        ["", "Accept:\r\n", "Accept: */*\r\n", "Accept: ;;;,,,q=\r\n", "Accept: \u{fffd}\r\n", &long]
    {
        let (head, body) = server.ask("GET /metrics", accept).await;
        assert!(head.starts_with("http/1.1 200"), "{accept}: {head}");
        assert!(
            head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
            "{accept}: {head}"
        );
        checker::check(&String::from_utf8(body).unwrap(), Format::Text);
    }
}

#[tokio::test]
async fn m_c5_protobuf_is_a_stream_of_delimited_families() {
    let mut server = Server::open(Config::default()).await;
    server.fixture.put(Resource::default(), vec![gauge("temperature", "Cel", vec![double(&[], 21.5)])]);
    let accept = "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
        encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1\r\n";
    let (head, body) = server.ask("GET /metrics", accept).await;
    assert!(
        head.contains(
            "content-type: application/vnd.google.protobuf; proto=io.prometheus.client.metricfamily; \
             encoding=delimited"
        ),
        "{head}"
    );
    let families = protobuf::decode(&body);
    let named = |name: &str| families.iter().find(|family| family.name == name).unwrap();
    assert_eq!(named("temperature_celsius").unit, "celsius");
    assert_eq!(named("own_things_total").metric[0].counter.as_ref().unwrap().value, 7.0);
    let (_, packed) = server.ask("GET /metrics", &format!("{accept}Accept-Encoding: gzip\r\n")).await;
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(protobuf::decode(&unpacked).len(), families.len());
}

#[tokio::test]
async fn m_c13_a_filter_of_names_is_ignored() {
    let server = Server::open(Config::default()).await;
    let (head, body) = server.ask("GET /metrics?name[]=x", "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("own_things_total"));
}

#[tokio::test]
async fn m_c3_m_c9_who_asks_for_utf8_gets_names_as_they_are_spelled() {
    let strategy = TranslationStrategy::NoUTF8EscapingWithSuffixes;
    let config = Config { translation_strategy: Some(strategy), ..Config::default() };
    let mut server = Server::open(config).await;
    server.fixture.put(Resource::default(), vec![gauge("my.metric", "", vec![int(&[("a.b", "x")], 1)])]);
    for (accept, content_type, expected) in [
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            "{\"my.metric\",\"a.b\"=\"x\"} 1\n",
        ),
        (
            "text/plain;version=1.0.0;escaping=values",
            "text/plain; version=1.0.0; charset=utf-8; escaping=values",
            "U__my_2E_metric{U__a_2E_b=\"x\"} 1\n",
        ),
        (
            "application/openmetrics-text;version=1.0.0",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
            "my_metric{a_b=\"x\"} 1\n",
        ),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", "my_metric{a_b=\"x\"} 1\n"),
    ] {
        let (head, body) = server.ask("GET /metrics", &format!("Accept: {accept}\r\n")).await;
        assert!(head.contains(&format!("content-type: {content_type}\r\n")), "{head}");
        let page = String::from_utf8(body).unwrap();
        assert!(page.contains(&format!("\n{expected}")), "{page}");
    }
}

#[tokio::test]
async fn m_c10_an_unknown_escaping_is_not_repeated() {
    let server = Server::open(Config::default()).await;
    let (head, _) = server
        .ask("GET /metrics", "Accept: application/openmetrics-text;version=1.0.0;escaping=<evil>\r\n")
        .await;
    assert!(head.contains("escaping=underscores") && !head.contains("evil"));
}

#[tokio::test]
async fn m_c11_gzip_unpacks_to_the_same_page() {
    let mut server = Server::open(Config::default()).await;
    let points = (0..3000).map(|at| int(&[("at", &at.to_string())], 1)).collect();
    server.fixture.put(Resource::default(), vec![gauge("many", "", points)]);
    let (head, body) = server.ask("GET /metrics", "Accept-Encoding: gzip\r\n").await;
    assert!(head.contains("content-encoding: gzip"));
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut unpacked).unwrap();
    checker::check(&unpacked, Format::Text);
    let (head, plain) = server.ask("GET /metrics", "Accept-Encoding: identity\r\n").await;
    assert!(!head.contains("content-encoding"));
    let series = |page: &str| {
        page.lines().filter(|line| line.starts_with("many{")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(series(&unpacked), series(&String::from_utf8(plain).unwrap()));
    assert_eq!(series(&unpacked).len(), 3000);
}

#[tokio::test]
async fn m_c12_other_methods_and_paths_are_answered_plainly() {
    let server = Server::open(Config::default()).await;
    let (head, body) = server.ask("HEAD /metrics", "").await;
    assert!(head.starts_with("http/1.1 200") && body.is_empty(), "{head}");
    let (head, _) = server.ask("POST /metrics", "Content-Length: 0\r\n").await;
    assert!(head.starts_with("http/1.1 405") && head.contains("allow: get, head, options"), "{head}");
    let (head, _) = server.ask("OPTIONS /metrics", "").await;
    assert!(head.starts_with("http/1.1 204"), "{head}");
    let (head, _) = server.ask("GET /", "").await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
}

#[tokio::test]
async fn every_answer_has_the_headers_of_the_configuration_and_ends_its_connection_if_told_so() {
    let mut config = Config { keep_alives_enabled: false, ..Config::default() };
    for (name, value) in [("X-Frame-Options", "DENY"), ("Content-Type", "not/this")] {
        config.response_headers.insert(name.into(), value.into());
    }
    let server = Server::open(config).await;
    for path in ["/metrics", "/"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let answer = answer.to_lowercase();
        assert!(answer.contains("x-frame-options: deny") && answer.contains("connection: close"), "{answer}");
        assert!(answer.contains("content-type: text/plain") && !answer.contains("not/this"), "{answer}");
    }
}

#[tokio::test]
async fn who_does_not_know_the_secret_is_told_how_to_show_it() {
    let bearer = Auth { kind: AuthKind::Bearer, token: "secret".into(), ..Auth::default() };
    let basic = Auth { kind: AuthKind::Basic, user: "u".into(), password: "p".into(), ..Auth::default() };
    for (auth, right, wrong) in
        [(bearer, "Bearer secret", "Bearer secres"), (basic, "Basic dTpw", "Basic dTpx")]
    {
        let server = Server::open(Config { auth, ..Config::default() }).await;
        let (head, _) = server.ask("GET /metrics", &format!("Authorization: {right}\r\n")).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        for headers in ["", &format!("Authorization: {wrong}\r\n")] {
            let (head, _) = server.ask("GET /metrics", headers).await;
            assert!(head.starts_with("http/1.1 401") && head.contains("www-authenticate: b"), "{head}");
        }
    }
}

#[tokio::test]
async fn names_of_the_process_are_kept_from_the_pipelines() {
    let mut server = Server::open(Config::default()).await;
    server.fixture.put(Resource::default(), vec![counter("own_things", vec![int(&[], 1)])]);
    assert_eq!(server.fixture.dropped(Dropped::TypeConflict), 1);
    let (_, body) = server.ask("GET /metrics", "").await;
    let page = String::from_utf8(body).unwrap();
    checker::check(&page, Format::Text);
    assert!(page.contains("phasor_prometheus_exporter_dropped_points_total{reason=\"type_conflict\"} 1\n"));
}

#[tokio::test]
async fn m_d12_twenty_scrapes_at_a_time_are_all_answered() {
    let mut server = Server::open(Config::default()).await;
    let points = (0..2000).map(|at| int(&[("at", &at.to_string())], 1)).collect();
    server.fixture.put(Resource::default(), vec![gauge("many", "", points)]);
    let server = Arc::new(server);
    let scrapes: Vec<_> = (0..20)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { server.ask("GET /metrics", "").await })
        })
        .collect();
    for scrape in scrapes {
        let (head, body) = scrape.await.unwrap();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        checker::check(&String::from_utf8(body).unwrap(), Format::Text);
    }
}

#[tokio::test]
async fn the_drain_ends_the_server_also_with_an_idle_connection() {
    let server = Server::open(Config::default()).await;
    let _idle = TcpStream::connect(server.address).await.unwrap();
    server.trigger.begin(Duration::from_millis(200));
    server.trigger.begin(Duration::from_secs(600));
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn m_d9_a_page_that_cannot_be_finished_has_no_end() {
    let mut server = Server::open(Config::default()).await;
    let long = "x".repeat(1000);
    let points = (0..20_000).map(|at| int(&[("at", &at.to_string()), ("long", &long)], 1)).collect();
    server.fixture.put(Resource::default(), vec![gauge("many", "", points)]);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = vec![0; 4096];
    stream.read_exact(&mut answer).await.unwrap();
    server.trigger.begin(Duration::from_millis(50));
    server.task.await.unwrap();
    // Closed or reset: what came is no whole page.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.len() < 20_000_000, "{} bytes", answer.len());
    assert!(!answer.ends_with("0\r\n\r\n") && !answer.contains("# EOF"));
}
