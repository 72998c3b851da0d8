//! Looks at ZooKeeper.

use std::time::Duration;

use maas_store::{Config, Done, Op, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::clock::Reading;
use super::{Server, Session, srvr};
use crate::output::now_ms;
use crate::settings::Settings;

/// How long one server may take to say what it is.
const SERVER: Duration = Duration::from_secs(3);
/// What operator and runners ask for.
const ASKED: Duration = Duration::from_secs(6);
/// `srvr` is some 200 bytes.
const MOST: u64 = 64 * 1024;

/// The servers, each asked by itself.
pub(in super::super) async fn servers(settings: &Settings) -> Vec<(String, Server)> {
    let mut asked = Vec::new();
    for address in settings.quorum.split(',') {
        let address = address.to_owned();
        asked.push(tokio::spawn(async move {
            let said = timeout(SERVER, ask(&address)).await;
            let server = match said {
                Ok(Ok(text)) => srvr(&text),
                Ok(Err(error)) => Server::Away(error.to_string()),
                Err(_) => Server::Away(format!("no answer within {} s", SERVER.as_secs())),
            };
            (address, server)
        }));
    }
    let mut servers = Vec::new();
    for one in asked {
        servers.extend(one.await.ok());
    }
    servers
}

/// A session as commands have it.
pub(in super::super) async fn open(settings: &Settings) -> Result<Store, String> {
    let config = Config { session_timeout: ASKED, ..settings.tree() };
    Store::open(config).await.map_err(|error| format!("{:#}", anyhow::Error::from(error)))
}

async fn ask(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"srvr").await?;
    let mut text = Vec::new();
    stream.take(MOST).read_to_end(&mut text).await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// What a session sees.
pub(in super::super) async fn session(store: &Store) -> Session {
    let (clock, root_open) = tokio::join!(clock(store), is_open(store, "/"));
    Session { asked: ASKED, granted: store.session_timeout(), root_open, clock }
}

/// Whether anyone may write a node or what is below it.
pub(in super::super) async fn is_open(store: &Store, path: &str) -> Result<bool, String> {
    let read = store.is_open(path).await;
    read.map_err(|error| {
        format!("the access control list of {path} could not be read: {:#}", anyhow::Error::from(error))
    })
}

/// The time by which ZooKeeper's leader stamps writes, from an ephemeral node that is deleted at once, and goes with
/// the session should that fail.
async fn clock(store: &Store) -> Result<Reading, String> {
    let name = format!("doctor-{:016x}", rand::random::<u64>());
    let root = store.root().to_string();
    // Below the tree's root where there is one: the root of all may be closed to us.
    let place = match store.get(&root).await {
        Ok(Some(_)) => format!("{root}/{name}"),
        Ok(None) => format!("/maas-{name}"),
        Err(error) => return Err(error.to_string()),
    };
    let before = now_ms();
    let create = Op::Create { path: place.clone(), data: Vec::new(), ephemeral: true };
    let done = store.commit(&[create]).await.map_err(|error| error.to_string())?;
    let stamped = match done.first().and_then(Done::stat).filter(|stat| stat.ctime_ms > 0) {
        Some(stat) => Some(stat.ctime_ms),
        // A multi's answer may lack the stat (ZOOKEEPER-4026).
        None => store.get(&place).await.ok().flatten().map(|(_, stat)| stat.ctime_ms),
    };
    let reading = stamped.map(|stamped| Reading::exact(before, stamped));
    let _ = store.commit(&[Op::Delete { path: place, version: None }]).await;
    reading.ok_or_else(|| "its time could not be read".to_owned())
}
