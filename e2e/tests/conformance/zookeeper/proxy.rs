//! Stands between one store and the server: cuts its connection, and knows its session's password, with which it can
//! have the server end the session behind the store's back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Length, protocol version, timeout, session, length of the password, password (`ConnectResponse`).
const HELLO: usize = 4 + 4 + 4 + 8 + 4 + 16;
/// `ZooDefs.OpCode.closeSession`
const CLOSE: i32 = -11;

pub struct Proxy {
    pub address: SocketAddr,
    server: String,
    /// What the server said when the newest session was opened.
    hello: Arc<Mutex<[u8; HELLO]>>,
    cuts: watch::Sender<u32>,
    /// Held while nobody may connect.
    gate: Arc<tokio::sync::Mutex<()>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

impl Proxy {
    pub async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, hello) = (watch::Sender::new(0), Arc::new(Mutex::new([0; HELLO])));
        let gate = Arc::<tokio::sync::Mutex<()>>::default();
        let (cut, heard, to, open) = (cuts.clone(), Arc::clone(&hello), server.to_owned(), Arc::clone(&gate));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut cut, heard, to, open) = (cut.subscribe(), Arc::clone(&heard), to.clone(), Arc::clone(&open));
                tokio::spawn(async move {
                    drop(open.lock().await);
                    tokio::select! {
                        _ = cut.changed() => {}
                        _ = carry(client, &to, &heard) => {}
                    }
                });
            }
        });
        Self { address, server: server.to_owned(), hello, cuts, gate, task }
    }

    /// Cuts what is connected now.
    pub fn cut(&self) {
        self.cuts.send_modify(|n| *n += 1);
    }

    /// Ends the session, as its expiry does: both are the server's closeSession transaction.
    pub async fn expire(&self) {
        // Or the store would connect again and take its session back.
        let _closed = self.gate.lock().await;
        self.cut();
        let hello = *self.hello.lock().unwrap();
        let mut server = TcpStream::connect(&self.server).await.unwrap();
        let mut request = Vec::new();
        // ConnectRequest: protocol version, last zxid seen, timeout, session, password, read-only.
        for part in [&0_i32.to_be_bytes()[..], &0_i64.to_be_bytes(), &hello[8..12], &hello[12..], &[0]] {
            request.extend_from_slice(part);
        }
        server.write_all(&u32::try_from(request.len()).unwrap().to_be_bytes()).await.unwrap();
        server.write_all(&request).await.unwrap();
        let mut answer = [0; HELLO];
        server.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[12..20], hello[12..20], "the server takes the session");
        let close = [8_i32, 1, CLOSE].map(i32::to_be_bytes).concat();
        server.write_all(&close).await.unwrap();
        // Done when the server closes the connection, with or without an answer before.
        server.read_to_end(&mut Vec::new()).await.unwrap();
    }
}

async fn carry(mut client: TcpStream, to: &str, heard: &Mutex<[u8; HELLO]>) -> std::io::Result<()> {
    let mut server = TcpStream::connect(to).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut length = [0; 4];
    client.read_exact(&mut length).await?;
    let mut request = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    client.read_exact(&mut request).await?;
    server.write_all(&[&length[..], &request].concat()).await?;
    let mut hello = [0; HELLO];
    server.read_exact(&mut hello).await?;
    *heard.lock().unwrap() = hello;
    client.write_all(&hello).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
