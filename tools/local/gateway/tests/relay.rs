//! What the gateway passes on reaches MiniStack as it was sent. MiniStack's place is taken by a
//! listener that notes the bytes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on is to panic"
)]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use fleet::{Fleet, Pace};
use gateway::{Emulator, Gateway, IamGuard, Options, Place};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// Answers every connection once: notes what was sent until `end` came, then sends `answer`.
async fn upstream(end: &'static str, answer: &'static str) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, requests) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let mut buffer = [0; 65536];
            while !bytes.ends_with(end.as_bytes()) {
                let read = stream.read(&mut buffer).await.unwrap();
                if read == 0 {
                    break;
                }
                bytes.extend_from_slice(&buffer[..read]);
            }
            seen.send(String::from_utf8(bytes).unwrap()).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (address, requests)
}

async fn gateway(upstream: SocketAddr) -> Gateway {
    let emulator = Emulator::new(upstream, "test");
    let guard = Arc::new(IamGuard::new(emulator.clone()));
    let (events, _) = mpsc::unbounded_channel();
    let fleet = Fleet::start(fleet::Options {
        aws_endpoint: format!("http://{upstream}"),
        guard: Arc::clone(&guard) as Arc<dyn fleet::Guard>,
        events: events.clone(),
        pace: Pace::test(),
    })
    .await
    .unwrap();
    Gateway::start(Options {
        listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        emulator,
        home: Place {
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
        },
        guard,
        fleet,
        events,
    })
    .unwrap()
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 65536];
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut bytes)).await;
    bytes.truncate(read.expect("an answer within five seconds").unwrap());
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn the_host_and_the_path_stay_as_they_were_signed() {
    let (address, mut requests) = upstream(
        "\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nx-amz-version-id: v1\r\n\r\n",
    )
    .await;
    let gateway = gateway(address).await;
    let mut client = TcpStream::connect(gateway.address()).await.unwrap();
    let request = "GET /bucket/a%20b%2Bc//d?versionId=1%2F2&flag HTTP/1.1\r\n\
                   Host: bucket.s3.eu-west-1.amazonaws.com\r\n\
                   Authorization: AWS4-HMAC-SHA256 Credential=AK/20261123/eu-west-1/s3/aws4_request\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let answered = answer(&mut client).await;
    assert!(answered.starts_with("HTTP/1.1 204"), "{answered}");
    assert!(answered.contains("x-amz-version-id: v1"), "{answered}");
    let seen = requests.recv().await.unwrap();
    assert!(
        seen.starts_with("GET /bucket/a%20b%2Bc//d?versionId=1%2F2&flag HTTP/1.1\r\n"),
        "{seen}"
    );
    assert!(
        seen.contains("host: bucket.s3.eu-west-1.amazonaws.com\r\n"),
        "{seen}"
    );
    assert!(
        seen.contains("Credential=AK/20261123/eu-west-1/s3/aws4_request"),
        "{seen}"
    );
    // Policies that ask for TLS hold: the gateway is where it would end.
    assert!(seen.contains("x-forwarded-proto: https\r\n"), "{seen}");
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it_and_the_body_streams() {
    let (address, mut requests) = upstream(
        "0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let gateway = gateway(address).await;
    let mut client = TcpStream::connect(gateway.address()).await.unwrap();
    let head = "PUT /bucket/key HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\n\
                Content-Encoding: aws-chunked\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let interim = answer(&mut client).await;
    assert!(interim.starts_with("HTTP/1.1 100 Continue"), "{interim}");
    client.write_all(b"5\r\nhello\r\n").await.unwrap();
    client.write_all(b"6\r\n world\r\n0\r\n\r\n").await.unwrap();
    let answered = answer(&mut client).await;
    assert!(
        answered.starts_with("HTTP/1.1 200") && answered.ends_with("ok"),
        "{answered}"
    );
    let seen = requests.recv().await.unwrap();
    assert!(seen.contains("content-encoding: aws-chunked\r\n"), "{seen}");
    assert!(!seen.contains("expect:"), "{seen}");
    assert!(seen.contains("hello") && seen.contains(" world"), "{seen}");
}

#[tokio::test]
async fn a_large_body_with_a_length_arrives_whole() {
    const MEGABYTES: usize = 24;
    let (address, mut requests) =
        upstream("THE END", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let gateway = gateway(address).await;
    let mut client = TcpStream::connect(gateway.address()).await.unwrap();
    let body = "x".repeat(MEGABYTES * 1024 * 1024) + "THE END";
    let head = format!(
        "PUT /b/k HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(body.as_bytes()).await.unwrap();
    assert!(answer(&mut client).await.starts_with("HTTP/1.1 200"));
    let seen = requests.recv().await.unwrap();
    assert!(seen.ends_with(&body));
    assert!(seen.contains(&format!("content-length: {}\r\n", body.len())));
}

#[tokio::test]
async fn who_does_not_sign_is_told_so_and_nothing_reaches_anybody() {
    let (address, mut requests) = upstream("never", "").await;
    let gateway = gateway(address).await;
    let mut client = TcpStream::connect(gateway.address()).await.unwrap();
    let request = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\
                   X-Amz-Target: AmazonEC2ContainerServiceV20141113.ListServices\r\n\r\n{}";
    client.write_all(request.as_bytes()).await.unwrap();
    let answered = answer(&mut client).await;
    assert!(answered.starts_with("HTTP/1.1 400"), "{answered}");
    assert!(
        answered.contains("x-amzn-errortype: MissingAuthenticationTokenException"),
        "{answered}"
    );
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_missing_ministack_is_a_bad_gateway() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let gateway = gateway(nobody).await;
    let mut client = TcpStream::connect(gateway.address()).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        .await
        .unwrap();
    let answered = answer(&mut client).await;
    assert!(answered.starts_with("HTTP/1.1 502"), "{answered}");
    assert!(answered.contains("MiniStack does not answer"), "{answered}");
}
