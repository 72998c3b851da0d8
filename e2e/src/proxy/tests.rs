use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::*;

/// A server that sends back what it gets, and counts it; a proxy before it; and a client of that.
async fn bed(protocol: Protocol) -> (Proxy, TcpStream, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let heard = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    counter.fetch_add(read, std::sync::atomic::Ordering::SeqCst);
                    drop(stream.write_all(&buffer[..read]).await);
                }
            });
        }
    });
    let proxy = Proxy::start(server, protocol, |_| "client:1".to_owned()).await.unwrap();
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    (proxy, client, heard)
}

async fn echo(client: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    client.write_all(bytes).await?;
    let mut back = vec![0; bytes.len()];
    client.read_exact(&mut back).await?;
    Ok(back)
}

/// Nothing arrives for a moment.
async fn is_silent(client: &mut TcpStream) -> bool {
    timeout(Duration::from_millis(150), client.read_u8()).await.is_err()
}

/// A ZooKeeper message of that number and operation.
fn message(xid: i32, code: i32) -> Vec<u8> {
    [12i32.to_be_bytes(), xid.to_be_bytes(), code.to_be_bytes(), [7; 4]].concat()
}

#[tokio::test]
async fn bytes_pass_unchanged_in_clear_weather_and_later_in_a_delay() {
    let (proxy, mut client, _) = bed(Protocol::Plain).await;
    assert_eq!(echo(&mut client, b"hello").await.unwrap(), b"hello");
    proxy.set("client", Weather::Delay(Duration::from_millis(60)));
    let began = Instant::now();
    assert_eq!(echo(&mut client, b"again").await.unwrap(), b"again");
    assert!(began.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn a_stalled_link_is_silent_and_goes_on_where_it_was() {
    let (proxy, mut client, heard) = bed(Protocol::Plain).await;
    assert_eq!(echo(&mut client, b"hello").await.unwrap(), b"hello");
    proxy.set("client", Weather::Stall);
    client.write_all(b"later").await.unwrap();
    assert!(is_silent(&mut client).await);
    assert_eq!(heard.load(std::sync::atomic::Ordering::SeqCst), 5);
    let mut second = TcpStream::connect(proxy.address()).await.unwrap();
    second.write_all(b"x").await.unwrap();
    assert!(is_silent(&mut second).await);
    proxy.clear();
    let mut back = [0; 5];
    client.read_exact(&mut back).await.unwrap();
    assert_eq!((&back, second.read_u8().await.unwrap()), (b"later", b'x'));
}

#[tokio::test]
async fn the_weather_of_one_is_not_that_of_another() {
    let (proxy, mut client, _) = bed(Protocol::Plain).await;
    proxy.set("other", Weather::Cut);
    assert_eq!(echo(&mut client, b"hello").await.unwrap(), b"hello");
    proxy.set("", Weather::Stall);
    proxy.set("client:1", Weather::Clear);
    assert_eq!(echo(&mut client, b"hello").await.unwrap(), b"hello");
}

#[tokio::test]
async fn a_cut_resets_what_stands_and_what_comes() {
    let (proxy, mut client, _) = bed(Protocol::Plain).await;
    assert_eq!(echo(&mut client, b"hello").await.unwrap(), b"hello");
    proxy.set("", Weather::Cut);
    let error = client.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let mut second = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(second.read_u8().await.is_err());
}

#[tokio::test]
async fn a_half_close_ends_the_answers_and_not_the_requests() {
    let (proxy, mut client, heard) = bed(Protocol::Plain).await;
    assert_eq!(echo(&mut client, b"hello").await.unwrap(), b"hello");
    proxy.set("client", Weather::HalfClose);
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    client.write_all(b"more").await.unwrap();
    timeout(Duration::from_secs(5), async {
        while heard.load(std::sync::atomic::Ordering::SeqCst) < 9 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_answer_of_the_wanted_request_is_lost_after_it_arrived() {
    let (proxy, mut client, heard) = bed(Protocol::ZooKeeper).await;
    proxy.set("client", Weather::LoseAnswer { to: Request::ZooKeeper(14), every: 2, times: 1 });
    for (xid, code) in [(1, 14), (2, 5)] {
        let sent = message(xid, code);
        assert_eq!(echo(&mut client, &sent).await.unwrap(), sent);
    }
    assert_eq!(proxy.answers_to_lose("client"), 1);
    // One that is asked at the same time, before it, is answered.
    client.write_all(&[message(3, 4), message(4, 14)].concat()).await.unwrap();
    let mut back = vec![0; 16];
    client.read_exact(&mut back).await.unwrap();
    assert_eq!(back, message(3, 4));
    assert!(client.read_u8().await.is_err());
    assert_eq!((heard.load(std::sync::atomic::Ordering::SeqCst), proxy.answers_to_lose("client")), (64, 0));
    let mut second = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(echo(&mut second, &message(1, 14)).await.unwrap(), message(1, 14));
}

#[tokio::test]
async fn a_message_is_torn_or_garbled_once() {
    let (proxy, mut client, _) = bed(Protocol::HadoopAnswers).await;
    proxy.set("client", Weather::Garble);
    let sent = message(1, 2);
    let noise = echo(&mut client, &sent).await.unwrap();
    assert!(noise != sent && noise[..4] == sent[..4], "{noise:?}");
    assert_eq!(echo(&mut client, &sent).await.unwrap(), sent);
    proxy.set("client", Weather::Tear);
    client.write_all(&sent).await.unwrap();
    let mut back = Vec::new();
    assert!(client.read_to_end(&mut back).await.is_err());
    assert_eq!(back, sent[..8]);
}

#[tokio::test]
async fn bytes_drip() {
    let (proxy, mut client, _) = bed(Protocol::Plain).await;
    proxy.set("client", Weather::Drip(Duration::from_millis(20)));
    let began = Instant::now();
    assert_eq!(echo(&mut client, b"hello").await.unwrap(), b"hello");
    assert!(began.elapsed() >= Duration::from_millis(80));
}
