//! Servers and balancers together, over real connections.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::{Instant, sleep},
};

use super::*;

const GRACE: Duration = Duration::from_secs(2);

fn start(app: &str) -> Server {
    Server::start(App::parse(app).unwrap(), "copy".to_owned(), BTreeMap::new()).unwrap()
}

async fn send(method: Method, addr: SocketAddr, path: &str) -> (u16, String) {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{addr}{path}"));
    let response = client
        .request(request.body(Full::default()).unwrap())
        .await
        .unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    send(Method::GET, addr, path).await
}

fn balancer() -> Arc<Balancer> {
    Balancer::start("test", None, HealthCheck::every(Duration::from_millis(10))).unwrap()
}

async fn until(what: &str, reached: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !reached() {
        assert!(Instant::now() < end, "never {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_server_answers_as_its_release_says() {
    let env = BTreeMap::from([("STAGE".to_owned(), "dev".to_owned())]);
    let app = App::parse(r#"{"version":"1.4.0","status":201,"health":204,"body":"hi"}"#).unwrap();
    let server = Server::start(app, "task-7".to_owned(), env).unwrap();
    server.settled(GRACE).await;
    let expected = r#"{"version":"1.4.0","label":"task-7","body":"hi"}"#;
    assert_eq!(
        get(server.addr(), "/any/path").await,
        (201, expected.to_owned())
    );
    assert_eq!(get(server.addr(), "/health").await.0, 204);
    assert_eq!(get(server.addr(), "/env").await.1, r#"{"STAGE":"dev"}"#);
    assert_eq!(server.has_exited(), None);
    assert_eq!(server.stop(GRACE).await, Exit { code: 0 });
    assert_eq!(server.has_exited(), Some(Exit { code: 0 }));
}

#[tokio::test]
async fn errors_come_at_the_rate_of_the_release() {
    let server = start(r#"{"error_rate":0.5}"#);
    server.settled(GRACE).await;
    let mut errors = 0;
    for _ in 0..20 {
        errors += usize::from(get(server.addr(), "/").await.0 == 500);
    }
    assert_eq!(errors, 10);
}

#[tokio::test]
async fn a_server_refuses_until_it_has_started() {
    let server = start(r#"{"start_ms":100}"#);
    assert!(tokio::net::TcpStream::connect(server.addr()).await.is_err());
    server.settled(GRACE).await;
    assert_eq!(get(server.addr(), "/").await.0, 200);
}

#[tokio::test]
async fn crashes_end_with_an_exit_code() {
    let server = start(r#"{"crash":"on-start","start_ms":10}"#);
    assert_eq!(server.exited().await, Exit { code: 1 });
    let server = start(r#"{"crash":"after-start"}"#);
    server.settled(GRACE).await;
    assert_eq!(get(server.addr(), "/").await.0, 200);
    assert_eq!(server.exited().await, Exit { code: 1 });
}

#[tokio::test]
async fn stopping_lets_requests_in_flight_end_but_not_for_ever() {
    let server = start(r#"{"latency_ms":150}"#);
    server.settled(GRACE).await;
    let (addr, began) = (server.addr(), Instant::now());
    let request = tokio::spawn(get(addr, "/"));
    sleep(Duration::from_millis(50)).await;
    assert_eq!(server.stop(GRACE).await, Exit { code: 0 });
    assert!(began.elapsed() >= Duration::from_millis(150));
    assert_eq!(request.await.unwrap().0, 200);
    let slow = start(r#"{"latency_ms":60000}"#);
    slow.settled(GRACE).await;
    let addr = slow.addr();
    let request = tokio::spawn(async move {
        let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map(|_| answer)
    });
    sleep(Duration::from_millis(50)).await;
    assert_eq!(
        slow.stop(Duration::from_millis(50)).await,
        Exit { code: 137 }
    );
    assert!(request.await.unwrap().is_ok_and(|answer| answer.is_empty()));
}

#[tokio::test]
async fn deregistering_waits_for_requests_in_flight() {
    let (balancer, server) = (balancer(), start(r#"{"latency_ms":200}"#));
    balancer.register(DEFAULT_GROUP, server.addr());
    until("healthy", || balancer.healthy(server.addr())).await;
    let request = tokio::spawn(get(balancer.addr(), "/"));
    sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    balancer
        .deregister(DEFAULT_GROUP, server.addr(), GRACE)
        .await;
    assert!(began.elapsed() >= Duration::from_millis(100));
    assert_eq!(balancer.health(server.addr()), None);
    assert_eq!(request.await.unwrap().0, 200);
    assert_eq!(get(balancer.addr(), "/").await.0, 503);
    assert_eq!(balancer.unanswered(), 1);
    let counts = balancer.counts();
    assert_eq!(
        counts[DEFAULT_GROUP],
        Counts {
            requests: 1,
            target_5xx: 0
        }
    );
}

#[tokio::test]
async fn a_refused_request_is_sent_elsewhere() {
    let check = HealthCheck::every(Duration::from_secs(600));
    let balancer = Balancer::start("test", None, check).unwrap();
    let (gone, there) = (start("{}"), start(r#"{"version":"there"}"#));
    there.settled(GRACE).await;
    gone.stop(GRACE).await;
    balancer.register(DEFAULT_GROUP, gone.addr());
    balancer.register(DEFAULT_GROUP, there.addr());
    for method in [Method::GET, Method::POST, Method::GET, Method::POST] {
        let (status, body) = send(method, balancer.addr(), "/").await;
        assert_eq!(status, 200, "{body}");
    }
}

/// A target that takes a request and hangs up; counts how many it took.
async fn hangs_up() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, taken) = (listener.local_addr().unwrap(), Arc::default());
    let count: Arc<AtomicUsize> = Arc::clone(&taken);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut some = [0; 1024];
            if stream.read(&mut some).await.is_ok_and(|read| read > 0) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    (addr, taken)
}

#[tokio::test]
async fn what_may_have_been_seen_is_sent_again_only_when_that_is_safe() {
    let check = HealthCheck::every(Duration::from_secs(600));
    let balancer = Balancer::start("test", None, check).unwrap();
    let (addr, taken) = hangs_up().await;
    balancer.register(DEFAULT_GROUP, addr);
    assert_eq!(send(Method::POST, balancer.addr(), "/").await.0, 502);
    let posts = taken.load(Ordering::Relaxed);
    // The one round of health checks may have come too.
    assert!(posts <= 2, "{posts}");
    assert_eq!(get(balancer.addr(), "/").await.0, 502);
    let gets = taken.load(Ordering::Relaxed) - posts;
    assert!(gets >= 3, "{gets}");
}

#[tokio::test]
async fn test_traffic_and_production_traffic_go_their_own_ways() {
    let (balancer, blue, green) = (
        balancer(),
        start(r#"{"version":"blue"}"#),
        start(r#"{"version":"green"}"#),
    );
    balancer.register("blue", blue.addr());
    balancer.register("green", green.addr());
    balancer.route(Listener::Production, &[("blue", 100.0), ("green", 0.0)]);
    balancer.route(Listener::Test, &[("green", 1.0)]);
    until("healthy", || {
        balancer.healthy(blue.addr()) && balancer.healthy(green.addr())
    })
    .await;
    for _ in 0..5 {
        assert!(get(balancer.addr(), "/").await.1.contains("blue"));
        assert!(get(balancer.test_addr(), "/").await.1.contains("green"));
    }
    assert_eq!(
        balancer.weights(Listener::Test),
        [("green".to_owned(), 1.0)]
    );
    balancer.stop().await;
    assert!(
        tokio::net::TcpStream::connect(balancer.addr())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_unhealthy_target_gets_no_requests() {
    let (balancer, well, ill) = (
        balancer(),
        start(r#"{"version":"well"}"#),
        start(r#"{"version":"ill","health":503}"#),
    );
    balancer.register(DEFAULT_GROUP, well.addr());
    balancer.register(DEFAULT_GROUP, ill.addr());
    until("noticed", || {
        balancer.healthy(well.addr()) && balancer.health(ill.addr()) == Some(Health::Unhealthy)
    })
    .await;
    for _ in 0..5 {
        assert!(get(balancer.addr(), "/").await.1.contains("well"));
    }
}
